"""Lines over the steps of a drawing, and bars of one moment, by Pillow: what the judge's figure is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

COLOURS = ("#1f6fc4", "#d9622b", "#2f9e63", "#a65fc4", "#b8860b", "#c2356b", "#3a9aa8", "#6b6b6b")
INK, QUIET, RULE = "#1b1b1b", "#6a6a6a", "#e2e0db"
FINE = 3  # drawn so many times as large, then made smaller: smooth lines
SIZE, LINE = 14, 19  # pixels: of letters, from line to line
LEFT, RIGHT, TOP, BOTTOM = 46, 190, 30, 42  # margins of a chart: axis, names of lines, title, levels


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: stands at its end; "" for none.
        values: one for each place.
        colour: as "#rrggbb".
        dashed: to be told from another of the same colour.
    """

    name: str
    values: Sequence[float]
    colour: str
    dashed: bool = False


def line_chart(
    title: str, lines: Sequence[Line], places: Sequence[str], span: tuple[float, float], size: tuple[int, int]
) -> Image.Image:
    """Lines with their names at their ends.

    Args:
        title: what is measured, above.
        lines: each with a value for every place.
        places: what stands below the places, from left to right; some are left out where there is no room.
        span: the lowest and the highest value.
        size: width and height, pixels.
    """
    (width, height), (low, high) = size, span
    picture = Image.new("RGB", (width * FINE, height * FINE), "white")
    draw = ImageDraw.Draw(picture)
    across, down = width - LEFT - RIGHT, height - TOP - BOTTOM

    def at(i: int, value: float) -> tuple[float, float]:
        x = LEFT + across * i / max(1, len(places) - 1)
        return x * FINE, (TOP + down * (high - value) / (high - low)) * FINE

    for value in _ticks(low, high):
        (x, y), (end, _) = at(0, value), at(len(places) - 1, value)
        draw.line([(x, y), (end, y)], RULE, FINE)
        _write(draw, (LEFT - 8, y / FINE), f"{value:g}", QUIET, "rm")
    count = min(len(places), max(2, across // 48))
    for i in sorted({round(k * (len(places) - 1) / max(1, count - 1)) for k in range(count)}):
        _write(draw, (at(i, low)[0] / FINE, height - BOTTOM + 14), places[i], QUIET, "mm")
    for line in lines:
        points = [at(i, value) for i, value in enumerate(line.values)]
        _draw_line(draw, points, line)
    ends = [(at(0, line.values[-1])[1] / FINE, line) for line in lines if line.name]
    for y, line in _spread(ends, TOP, height - BOTTOM):
        _write(draw, (width - RIGHT + 8, y), _fitting(line.name, RIGHT - 12), line.colour, "lm")
    _write(draw, (LEFT, TOP / 2 - 2), title, INK, "lm")
    return picture.reduce(FINE)


def bars(names: Sequence[str], shares: Sequence[float], size: tuple[int, int]) -> Image.Image:
    """A bar for each name, full at 1; the colours are those of the lines.

    Args:
        names: to the left of the bars, above them.
        shares: 0…1.
        size: width and height, pixels.
    """
    width, height = size
    picture = Image.new("RGB", (width * FINE, height * FINE), "white")
    draw = ImageDraw.Draw(picture)
    each = height / len(names)
    for i, (name, share) in enumerate(zip(names, shares, strict=True)):
        colour, y = COLOURS[i % len(COLOURS)], i * each
        _write(draw, (0, y + each * 0.28), _fitting(name, width - 52), INK, "lm")
        _write(draw, (width - 4, y + each * 0.28), f"{share:.0%}", INK, "rm")
        low, high = (y + each * 0.52) * FINE, (y + each * 0.84) * FINE
        draw.rectangle([0, low, (width - 4) * FINE, high], RULE)
        if share > 0:
            draw.rectangle([0, low, (width - 4) * FINE * share, high], colour)
    return picture.reduce(FINE)


def _draw_line(draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float]], line: Line) -> None:
    thick = 2 * FINE
    if not line.dashed:
        draw.line(list(points), line.colour, thick, joint="curve")
        for x, y in points:
            draw.ellipse([x - thick, y - thick, x + thick, y + thick], line.colour)
        return
    for (x0, y0), (x1, y1) in pairwise(points):
        dashes = max(1, round(((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5 / (10 * FINE)))
        for k in range(dashes):
            a, b = k / dashes, (k + 0.55) / dashes
            draw.line([(x0 + a * (x1 - x0), y0 + a * (y1 - y0)), (x0 + b * (x1 - x0), y0 + b * (y1 - y0))],
                      line.colour, thick)  # fmt: skip


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers within a span: three to eight of them."""
    step = next((s for s in (0.05, 0.1, 0.2, 0.25, 0.5) if (high - low) / s <= 7), 1.0)
    first = round(-(-low // step))
    return [round(k * step, 4) for k in range(first, first + 20) if k * step <= high + 1e-9]


def _spread(ends: Sequence[tuple[float, Line]], top: float, bottom: float) -> list[tuple[float, Line]]:
    """Names moved down, then up, until none lies on another."""
    placed: list[tuple[float, Line]] = []
    for y, line in sorted(ends, key=lambda end: end[0]):
        placed.append((max(y, placed[-1][0] + LINE) if placed else max(y, top), line))
    limit, found = bottom, []
    for y, line in reversed(placed):
        found.append((min(y, limit), line))
        limit = found[-1][0] - LINE
    return found[::-1]


def _fitting(text: str, room: int) -> str:
    font = ImageFont.load_default(SIZE)
    if font.getlength(text) <= room:
        return text
    return next((f"{text[:n]}…" for n in range(len(text), 0, -1) if font.getlength(f"{text[:n]}…") <= room), "…")


def _write(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, colour: str, anchor: str) -> None:
    font = ImageFont.load_default(SIZE * FINE)
    draw.text((at[0] * FINE, at[1] * FINE), text, colour, font, anchor)
