"""A drawing hidden in coloured static, and a film in which it comes out for those who cannot see it there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.generate import Finished, generate
from fromnoise.drawing.picture_file import to_image
from fromnoise.drawing.stereogram import (
    BOTTOM,
    FAR,
    TOP,
    page_depth,
    page_size,
    separation,
    stereogram,
    told_of_depth,
)
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage

FRAMES = 8  # of a film, from static to grey shape, and as many from there to the picture
ABOUT = (
    "A picture is hidden in this coloured static: look through the page, as at something far behind it, until the two "
    "dots become three, and a shape comes forward. Each eye alone sees nothing but chance; the shape is only in how "
    "the places that both eyes see belong together."
)


@dataclass(frozen=True, eq=False)
class Hidden:
    """A drawing and the page that hides it.

    Attributes:
        picture: uint8 [3,H,W].
        page: uint8 [3,H',W'].
        depth: of the page's places, float64 [H',W'], 0 (ground) to 1 (nearest).
        notes: sentences for whoever looks.
    """

    picture: Tensor
    page: Tensor
    depth: np.ndarray
    notes: tuple[str, ...]


def hide(picture: Tensor, seed: int) -> Hidden:
    """Hide a drawing, uint8 [3,H,W], in the static of a seed."""
    return Hidden(picture, stereogram(picture, seed), page_depth(picture), told_of_depth(picture))


def hidden(model: TextToImage, subject: Subject) -> Iterator[Step | Hidden]:
    """Draw what is to be hidden, step by step, then hide it. Closing the iterator cancels.

    Raises:
        UserError: see :func:`fromnoise.drawing.plan.plan`.
    """
    for event in generate(model, subject.plan(model)):
        yield hide(event.pictures[0], subject.seed) if isinstance(event, Finished) else event


def fade(found: Hidden) -> list[Image.Image]:
    """From the page over the hidden shape in grey to the picture in its place; ``2 * FRAMES + 1`` frames.

    The ground stays static; grey is depth, light is near.
    """
    page, shape = found.page.float(), torch.from_numpy(found.depth).float()
    inside = (shape > 0).float()
    grey = (shape * 255).expand(3, -1, -1)
    amounts = [(i / FRAMES, 0.0) for i in range(FRAMES)] + [(1.0, i / FRAMES) for i in range(FRAMES + 1)]
    answer = torch.from_numpy(np.asarray(on_page(found)).astype(np.float32)).permute(2, 0, 1)
    frames = [page.lerp(grey.lerp(answer, colour), inside * there) for there, colour in amounts]
    return [to_image(frame.round().to(torch.uint8)) for frame in frames]


def on_page(found: Hidden) -> Image.Image:
    """The picture where it lies on the page, white around it, as large as the page."""
    height, width = found.depth.shape
    large = to_image(found.picture).resize(page_size(found.picture), Image.Resampling.BICUBIC)
    page = Image.new("RGB", (width, height), "white")
    page.paste(large, (FAR, TOP))
    assert height - large.height == TOP + BOTTOM
    return page


def measured(found: Hidden) -> dict[str, Any]:
    """What the two eyes get to see, in numbers: ``size`` of the page, how many pixels a place and its twin are apart on
    the ground and at the nearest point, how near that is (0…1), the ``share`` of the page that comes forward."""
    near, (height, width) = float(found.depth.max()), found.depth.shape
    ground, nearest = (int(value) for value in separation(np.array([0.0, near])))
    return {
        "size": [width, height],
        "ground_apart": ground,
        "nearest_apart": nearest,
        "nearest": round(near, 3),
        "share": round(float((found.depth > 0).mean()), 3),
        "notes": list(found.notes),
    }


def stereogram_figure(found: Hidden, subject: Subject) -> Figure:
    """The page; as a film, the shape fades in."""
    facts = measured(found)
    rows = [
        ["ground: a place and its twin", f"{facts['ground_apart']} pixels apart"],
        ["nearest point: a place and its twin", f"{facts['nearest_apart']} pixels apart"],
        ["share of the page that comes forward", f"{facts['share']:.0%}"],
    ]
    return Figure(
        f"“{subject.prompt}”, hidden",
        " ".join([ABOUT, *(f"Here {note}." for note in found.notes)]),
        to_image(found.page),
        {"seed": subject.seed, **facts},
        subject.command("stereogram", out="hidden.png"),
        fade(found),
        [Table(["what", "how much"], rows, "What the two eyes get to see")],
    )
