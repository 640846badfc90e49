"""Labelled contact sheets: rows × columns of pictures with their names."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fromnoise.drawing.picture_file import to_image

MARGIN, LABEL = 8, 22
LONGEST = 40  # characters of a label


def contact_sheet(pictures: Tensor, rows: Sequence[str], columns: Sequence[str], zoom: int = 2) -> Image.Image:
    """Lay pictures out as a table.

    Args:
        pictures: uint8 [rows·columns,3,H,W], row by row.
        rows: labels to the left.
        columns: labels above.
        zoom: whole-number magnification (nearest neighbour, so that pixels stay what they are).

    Returns:
        One RGB picture.
    """
    font = ImageFont.load_default(14)
    rows, columns = [_shortened(name) for name in rows], [_shortened(name) for name in columns]
    cell = (pictures.shape[3] * zoom, pictures.shape[2] * zoom)
    left = max((int(font.getlength(name)) for name in rows), default=0) + 2 * MARGIN
    widths = [max(cell[0], int(font.getlength(name))) + MARGIN for name in columns]
    size = (left + sum(widths) + MARGIN, LABEL + MARGIN + len(rows) * (cell[1] + MARGIN))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    x = left
    for j, name in enumerate(columns):
        draw.text((x, 4), name, "black", font)
        for i in range(len(rows)):
            y = LABEL + i * (cell[1] + MARGIN)
            picture = to_image(pictures[i * len(columns) + j])
            sheet.paste(picture.resize(cell, Image.Resampling.NEAREST), (x, y))
        x += widths[j]
    for i, name in enumerate(rows):
        draw.text((MARGIN, LABEL + i * (cell[1] + MARGIN) + cell[1] // 2 - 8), name, "black", font)
    return sheet


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
