"""Measured numbers as lines over an axis, drawn with Pillow: small, the same everywhere, no further package."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

COLOURS = ("#1b6fb5", "#c8501e", "#3a8a3f", "#7a4fa3", "#8a6d1d")
LEFT, TOP, RIGHT, BOTTOM = 64, 34, 20, 44  # pixels around the field
TEXT = 14
NARROWEST = 360  # pixels, of a picture with sentences above it
GAP = 12  # between pictures that stand below each other


@dataclass(frozen=True)
class Curve:
    """One line.

    Attributes:
        label: written in its colour.
        values: over the axis; None leaves a gap.
    """

    label: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Axis:
    """What lies below the lines.

    Attributes:
        places: numbers, rising or falling, evenly spread over the width whatever they are.
        labels: of each place; "" for none.
        title: what they are.
    """

    places: Sequence[float]
    labels: Sequence[str]
    title: str


def line_chart(
    title: str, curves: Sequence[Curve], axis: Axis, size: tuple[int, int] = (760, 260), top: float | None = None
) -> Image.Image:
    """Draw lines from 0 (or the lowest value, if that is less) to the highest one.

    Args:
        title: what the values are.
        curves: each with as many values as the axis has places.
        axis: what they are over.
        size: of the picture, pixels.
        top: the highest value; by default a round number above all of them.

    Raises:
        ValueError: a curve with another number of values.
    """
    if any(len(curve.values) != len(axis.places) for curve in curves):
        raise ValueError("every curve needs a value for every place of the axis")
    values = [v for curve in curves for v in curve.values if v is not None]
    high, low = top or _round_above(max(values, default=1.0)), min(0.0, *values) if values else 0.0
    chart = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(chart), ImageFont.load_default(TEXT)
    field = LEFT, TOP, size[0] - RIGHT, size[1] - BOTTOM
    xs = [_between(field[0], field[2], i / max(1, len(axis.places) - 1)) for i in range(len(axis.places))]
    _frame(draw, font, field, (low, high))
    draw.text((8, 6), title, "black", font)
    draw.text(((field[0] + field[2]) / 2, size[1] - 18), axis.title, "#444444", font, anchor="mt")
    for x, label in zip(xs, axis.labels, strict=True):
        draw.text((x, field[3] + 6), label, "#444444", font, anchor="mt")
    for colour, curve in zip(COLOURS * len(curves), curves, strict=False):
        points = [None if v is None else (x, _between(field[3], field[1], (v - low) / (high - low)))
                  for x, v in zip(xs, curve.values, strict=True)]  # fmt: skip
        _line(draw, points, colour)
    _legend(draw, font, [curve.label for curve in curves], size[0] - RIGHT)
    return chart


def below(*pictures: Image.Image) -> Image.Image:
    """Pictures below each other on white, left edges aligned."""
    width, height = max(p.width for p in pictures), sum(p.height for p in pictures) + GAP * (len(pictures) - 1)
    whole, y = Image.new("RGB", (width, height), "white"), 0
    for picture in pictures:
        whole.paste(picture, (0, y))
        y += picture.height + GAP
    return whole


def headed(text: str, picture: Image.Image) -> Image.Image:
    """A picture with sentences above it, in as many lines as they need."""
    font = ImageFont.load_default(TEXT + 1)
    width = max(picture.width, NARROWEST)
    lines = textwrap.wrap(text, width // 8) or [""]
    top = 8 + 20 * len(lines)
    whole = Image.new("RGB", (width, picture.height + top), "white")
    for i, line in enumerate(lines):
        ImageDraw.Draw(whole).text((8, 6 + 20 * i), line, "black", font)
    whole.paste(picture, (0, top))
    return whole


def _round_above(value: float) -> float:
    """The smallest of 1, 2, 2.5, 5 and 10 times a power of ten that is not below a value."""
    if value <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value * (1 - 1e-9))


def _between(a: float, b: float, amount: float) -> float:
    return a + (b - a) * amount


def _frame(
    draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, field: tuple[int, int, int, int],
    ends: tuple[float, float],
) -> None:  # fmt: skip
    """Four lines across, with their values to the left."""
    for i in range(5):
        y = _between(field[3], field[1], i / 4)
        draw.line((field[0], y, field[2], y), "#dddddd" if i else "#888888")
        draw.text((field[0] - 8, y), f"{_between(*ends, i / 4):.3g}", "#444444", font, anchor="rm")


def _line(draw: ImageDraw.ImageDraw, points: Sequence[tuple[float, float] | None], colour: str) -> None:
    for a, b in itertools.pairwise(points):
        if a and b:
            draw.line((*a, *b), colour, 2)
    for point in points:
        if point:
            draw.ellipse((point[0] - 3, point[1] - 3, point[0] + 3, point[1] + 3), colour)


def _legend(
    draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, labels: Sequence[str], right: float
) -> None:
    """Names of the lines, each in its colour, at the top right."""
    for colour, label in reversed(list(zip(COLOURS * len(labels), labels, strict=False))):
        draw.text((right, 6), label, colour, font, anchor="ra")
        right -= font.getlength(label) + 18
