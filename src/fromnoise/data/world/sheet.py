"""A contact sheet of the world: pictures with their captions below, to look at before anything learns from them."""

from __future__ import annotations

import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fromnoise.data.world.captions import WorldCaptions, exact
from fromnoise.data.world.chance import Chance
from fromnoise.data.world.choose import World
from fromnoise.data.world.paint import paint
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import whole_file

COLUMNS, LINES, LINE, MARGIN = 8, 4, 13, 10
NARROWEST = 150  # of a column, so that captions fit


def write_sheet(world: World, file: Path, pixels: int = 128, count: int = 64, seed: int = 0) -> None:
    """Write the first pictures of a seed with full captions into one PNG.

    Raises:
        UserError: sizes out of range, or the file cannot be written.
    """
    if not (16 <= pixels <= 1024 and 1 <= count <= 1024):
        raise UserError("a sheet shows 1…1024 pictures of 16…1024 pixels")
    if file.suffix.lower() != ".png":
        raise UserError(f"'{file}' should end in .png")
    wide, high = max(pixels, NARROWEST) + MARGIN, pixels + LINES * LINE + MARGIN
    columns = min(COLUMNS, count)
    sheet = Image.new("RGB", (columns * wide, -(-count // columns) * high), (225, 225, 228))
    for number in range(count):
        _cell(world, sheet, seed, number, ((number % columns) * wide, (number // columns) * high, wide, pixels))
    try:
        with whole_file(file) as draft:
            sheet.save(draft)
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None


def _cell(world: World, sheet: Image.Image, seed: int, number: int, cell: tuple[int, int, int, int]) -> None:
    x, y, wide, pixels = cell
    described = world.choose(seed, number)
    sheet.paste(Image.fromarray(paint(world, described, pixels).picture), (x + (wide - pixels) // 2, y))
    font, draw = ImageFont.load_default(11), ImageDraw.Draw(sheet)
    lines = textwrap.wrap(exact(described, Chance(seed, number, "sheet"), WorldCaptions()), wide // 6)
    for i, line in enumerate(lines[:LINES]):
        draw.text((x + 4, y + pixels + 2 + i * LINE), line, "black", font)
