"""A hidden drawing as messages for a page: the static that hides it, and what fades in over it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.picture_file import to_image
from fromnoise.inspection.figure import data_url, png_of
from fromnoise.inspection.stereogram import Hidden, hidden, measured, on_page
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage


def hidden_news(model: TextToImage, subject: Subject) -> Iterator[dict[str, Any]]:
    """ "hidden" at once, a "step" after every step (without a picture: that would tell), "page" with what is to be
    looked at, "end". Closing the iterator cancels.

    The page is a picture; ``shape`` (the depth in grey, light is near) and ``answer`` (the drawing) are as large and
    see-through around the shape, so that laid over the page they fade in as
    :func:`fromnoise.inspection.stereogram.fade` does it.

    Raises:
        UserError: drawing refuses the subject.
    """
    made = subject.plan(model)
    yield {"type": "hidden", "total": made.steps, "notes": list(made.notes)}
    for event in hidden(model, subject):
        if isinstance(event, Step):
            yield {"type": "step", "step": event.index, "total": made.steps}
            continue
        yield {"type": "page", **_laid_out(event, subject), **measured(event)}
    yield {"type": "end", "command": subject.command("stereogram", out="hidden.png")}


def _laid_out(found: Hidden, subject: Subject) -> dict[str, str]:
    """The page, and what lies over it."""
    command = subject.command("stereogram", out="hidden.png")
    inside = Image.fromarray(np.where(found.depth > 0, 255, 0).astype(np.uint8))
    grey = Image.fromarray((found.depth * 255).round().astype(np.uint8))
    drawing = on_page(found)
    drawing.putalpha(inside)
    return {
        "page": data_url(png_of(to_image(found.page), command)),
        "shape": data_url(png_of(Image.merge("LA", (grey, inside)))),
        "answer": data_url(png_of(drawing)),
    }
