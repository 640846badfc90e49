"""Drawings as the page hears of them while a server draws: steps with estimates, then pictures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fromnoise.drawing.generate import Finished, generate
from fromnoise.inspection.live import LARGEST, as_url
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage

News = dict[str, Any]


def drawing_news(
    model: TextToImage, subject: Subject, count: int = 1, noisy: int = 0, steps: bool = True
) -> Iterator[News]:
    """ "step" for every picture after every step, if wanted, then "picture" for each.

    Args:
        model: what draws.
        subject: what is drawn, and the first seed.
        count: how many pictures, of neighbouring seeds.
        noisy: for how many steps, from the first, the noisy picture is told, too.
        steps: tell the steps at all.

    Raises:
        UserError: drawing refuses the subject.
    """
    made = subject.plan(model, count=count)
    for event in generate(model, made):
        if isinstance(event, Finished):
            for i, picture in enumerate(event.pictures):
                told = {"place": i, "seed": subject.seed + i, "prompt": subject.prompt, "style": subject.style}
                yield {"type": "picture", "index": i, "picture": {**told, "id": None, "data": as_url(picture)}}
        elif steps:
            kinds = {"clean": event.x0_hat, **({"noisy": event.x_t} if event.index < noisy else {})}
            shown = {name: model.decode(latents[:count]) for name, latents in kinds.items()}
            for i in range(count):
                seen = {name: as_url(pictures[i], LARGEST) for name, pictures in shown.items()}
                where = {"index": i, "step": event.index, "total": made.steps, "t": float(event.t)}
                yield {"type": "step", **where, **seen}
