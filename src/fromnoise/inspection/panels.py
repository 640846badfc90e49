"""Parts of a figure: maps as pictures, pictures as cells of one size, and sheets below each other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.inspection.sheet import on_checks

HEADING, MARGIN = 30, 8  # pixels: of the line above a part, and around it
FRAME = (200, 200, 200)  # of a cell, so that one sees where a white picture ends
HEAT = ((0, 0, 0), (120, 0, 90), (235, 60, 30), (255, 190, 40), (255, 255, 255))  # from nothing to the most


def stacked(parts: Sequence[tuple[str, Image.Image]]) -> Image.Image:
    """Parts below each other, each under its heading, on white; as wide as the widest of all."""
    font = ImageFont.load_default(17)
    width = max(max(part.width, int(font.getlength(heading)) + 2 * MARGIN) for heading, part in parts)
    height = sum(HEADING + part.height + MARGIN for _, part in parts)
    whole, y = Image.new("RGB", (width, height), "white"), 0
    draw = ImageDraw.Draw(whole)
    for heading, part in parts:
        draw.text((MARGIN, y + 6), heading, "black", font)
        whole.paste(part, (0, y + HEADING))
        y += HEADING + part.height + MARGIN
    return whole


def cell(picture: Tensor, side: int) -> Image.Image:
    """A picture, uint8 [3,H,W] or [4,H,W], with its longer side about ``side`` pixels, in a frame of one pixel more.

    Small ones are magnified by a whole number, so that pixels stay what they are; large ones are made smaller.
    """
    image = on_checks(to_image(picture))
    longer = max(image.size)
    if longer <= side:
        zoom = side // longer
        image = image.resize((image.width * zoom, image.height * zoom), Image.Resampling.NEAREST)
    else:
        size = (max(1, round(image.width * side / longer)), max(1, round(image.height * side / longer)))
        image = image.resize(size, Image.Resampling.LANCZOS)
    return ImageOps.expand(image, 1, FRAME)


def grey(values: Tensor, most: float) -> Tensor:
    """A map [h,w] as a grey picture, uint8 [3,h,w]: -``most`` and below is black, 0 grey, ``most`` and above white."""
    shown = ((values.float().cpu() / max(most, 1e-12)).clamp(-1, 1) + 1) * 127.5
    return shown.round().to(torch.uint8)[None].expand(3, -1, -1).contiguous()


def heat(values: Tensor, most: float) -> Tensor:
    """A map [h,w] of how much, uint8 [3,h,w]: 0 is black, then purple, red and yellow; ``most`` and above is white."""
    at = (values.float().cpu() / max(most, 1e-12)).clamp(0, 1).numpy()
    stops = np.linspace(0, 1, len(HEAT))
    colours = [np.interp(at, stops, [colour[i] for colour in HEAT]) for i in range(3)]
    return torch.from_numpy(np.rint(np.stack(colours)).astype(np.uint8))
