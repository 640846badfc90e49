"""The picture that a page looks into: drawn at once, with news of every step, or one that somebody brought."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from torch import Tensor

from fromnoise.drawing.generate import Finished, generate
from fromnoise.inspection.live import LARGEST, as_url
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage

News = dict[str, Any]


def picture_news(model: TextToImage, subject: Subject, given: Tensor | None) -> Generator[News, None, Tensor]:
    """ "step" after every step of the drawing, then "picture"; returns it, uint8 [3,H,W].

    Args:
        model: what draws.
        subject: what is drawn.
        given: a picture, uint8 [3,H,W]; then nothing is drawn, and only "picture" is said.

    Raises:
        UserError: drawing refuses the subject.
    """
    picture = given if given is not None else (yield from _drawn(model, subject))
    yield {"type": "picture", "picture": as_url(picture), "drawn": given is None}
    return picture


def _drawn(model: TextToImage, subject: Subject) -> Generator[News, None, Tensor]:
    made = subject.plan(model)
    for event in generate(model, made):
        if isinstance(event, Finished):
            return event.pictures[0]
        estimate = model.decode(event.x0_hat[:1])[0]
        yield {"type": "step", "step": event.index, "total": made.steps, "picture": as_url(estimate, LARGEST)}
    raise AssertionError("a drawing ends with its picture")
