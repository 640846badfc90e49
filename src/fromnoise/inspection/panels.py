"""Parts of a figure: maps as pictures, pictures as cells of one size, and sheets below each other."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont, ImageOps
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.inspection.sheet import on_checks

HEADING, MARGIN = 30, 8  # pixels: of the line above a part, and around it
NARROWEST = 360  # pixels, of a picture with sentences above it
FRAME = (200, 200, 200)  # of a cell, so that one sees where a white picture ends


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


def below(*pictures: Image.Image) -> Image.Image:
    """Pictures below each other on white, left edges aligned."""
    width, height = max(p.width for p in pictures), sum(p.height for p in pictures) + MARGIN * (len(pictures) - 1)
    whole, y = Image.new("RGB", (width, height), "white"), 0
    for picture in pictures:
        whole.paste(picture, (0, y))
        y += picture.height + MARGIN
    return whole


def headed(text: str, picture: Image.Image) -> Image.Image:
    """A picture with sentences above it, in as many lines as they need."""
    font = ImageFont.load_default(15)
    width = max(picture.width, NARROWEST)
    lines = textwrap.wrap(text, width // 8) or [""]
    top = 8 + 20 * len(lines)
    whole = Image.new("RGB", (width, picture.height + top), "white")
    for i, line in enumerate(lines):
        ImageDraw.Draw(whole).text((8, 6 + 20 * i), line, "black", font)
    whole.paste(picture, (0, top))
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
