"""A contact sheet: pictures in rows and columns, with what was asked for written beside them."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

MARGIN, LABEL, LINE = 8, 22, 17  # pixels: between cells, for the labels above, from line to line
LONGEST = 40  # characters in a line of a label


def contact_sheet(
    rows: Sequence[Sequence[Image.Image]], row_labels: Sequence[str], column_labels: Sequence[str], zoom: int = 1
) -> Image.Image:
    """Lay pictures out as a table.

    Args:
        rows: the pictures, row by row; a short row leaves its last places white.
        row_labels: to the left, one for each row; long ones are written in several lines.
        column_labels: above, one for each column; long ones are cut. Empty for a sheet without them.
        zoom: whole-number magnification (nearest neighbour, so that pixels stay what they are).

    Returns:
        One RGB picture.

    Raises:
        ValueError: another number of labels than of rows, or fewer column labels than columns.
    """
    count = max((len(row) for row in rows), default=0)
    columns = [_shortened(name) for name in column_labels] or [""] * count
    if len(row_labels) != len(rows) or len(columns) < count:
        raise ValueError(f"{len(row_labels)} and {len(columns)} labels for {len(rows)} rows of {count} pictures")
    cell = _cell(rows, zoom)
    labels = [_lines(text, cell[1]) for text in row_labels]
    font = ImageFont.load_default(14)
    left = max((int(font.getlength(line)) for lines in labels for line in lines), default=0) + 2 * MARGIN
    widths = [max(cell[0], int(font.getlength(name))) + MARGIN for name in columns]
    sheet = Image.new("RGB", (left + sum(widths) + MARGIN, LABEL + MARGIN + len(rows) * (cell[1] + MARGIN)), "white")
    draw = ImageDraw.Draw(sheet)
    for j, name in enumerate(columns):
        draw.text((left + sum(widths[:j]), 4), name, "black", font)
    for i, (row, lines) in enumerate(zip(rows, labels, strict=True)):
        y = LABEL + i * (cell[1] + MARGIN)
        for j, picture in enumerate(row):
            size = (picture.width * zoom, picture.height * zoom)
            sheet.paste(picture.convert("RGB").resize(size, Image.Resampling.NEAREST), (left + sum(widths[:j]), y))
        top = y + cell[1] // 2 - 8 - LINE * (len(lines) - 1) // 2
        for k, line in enumerate(lines):
            draw.text((MARGIN, top + k * LINE), line, "black", font)
    return sheet


def _cell(rows: Sequence[Sequence[Image.Image]], zoom: int) -> tuple[int, int]:
    """Width and height of the largest picture, magnified."""
    pictures = [picture for row in rows for picture in row]
    width, height = max((p.width for p in pictures), default=0), max((p.height for p in pictures), default=0)
    return width * zoom, height * zoom


def _lines(text: str, height: int) -> list[str]:
    """A label in as many lines as stand beside a picture of this height; what does not fit ends in "…"."""
    most = max(1, height // LINE)
    return textwrap.wrap(text, LONGEST, max_lines=most, placeholder="…") or [""]


def _shortened(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
