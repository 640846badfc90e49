"""Charts whose points are pictures: a plane with areas, a line, a turning space; drawn with Pillow."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.inspection.measures import thing

Colour = tuple[int, int, int]
INK, QUIET, LINE = (27, 27, 27), (95, 95, 95), (205, 203, 198)
# Okabe & Ito 2008: colours that also those can tell apart who do not see red and green as others do.
PALETTE: tuple[Colour, ...] = (
    (230, 159, 0),
    (213, 94, 0),
    (0, 158, 115),
    (0, 114, 178),
    (204, 121, 167),
    (86, 180, 233),
)
TINT = 0.24  # how strong the colour of an area is
TURN_UP = math.radians(18)  # from how high one looks into a space
BIG, DOT = 30, 3  # pixels: side of a drawing, radius of a variant


@functools.cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Pillow's own letters, of a size in pixels."""
    return ImageFont.load_default(size)


def write(draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, width: int, size: int = 15,
          fill: Colour = INK) -> float:  # fmt: skip
    """Write a text in lines no wider than ``width``; returns where the next line would begin."""
    x, y = at
    letters, line = font(size), ""
    for word in [*text.split(), ""]:
        longer = f"{line} {word}".strip()
        if line and (not word or letters.getlength(longer) > width):
            draw.text((x, y), line, fill, letters)
            y += size + 5
            longer = word
        line = longer
    return y


def colours_for(images: Tensor, label: Tensor, kinds: int) -> list[Colour]:
    """One colour of PALETTE for each kind, as like its pictures uint8 [N,3,P,P] as may be, none twice."""
    where = thing(images)[:, None]
    means = [
        ((images * where)[label == k].double().sum((0, 2, 3)) / where[label == k].sum().clamp_min(1)).numpy()
        for k in range(kinds)
    ]
    apart = np.array([[np.linalg.norm(_hue(m) - _hue(np.array(c))) for c in PALETTE] for m in means])
    found: dict[int, Colour] = {}
    for place in np.argsort(apart, axis=None):
        k, c = divmod(int(place), len(PALETTE))
        if k not in found and PALETTE[c] not in found.values():
            found[k] = PALETTE[c]
    return [found[k] for k in range(kinds)]


def _hue(colour: np.ndarray) -> np.ndarray:
    """A colour without its lightness."""
    middle = colour - colour.mean()
    return np.asarray(middle / max(1.0, float(np.linalg.norm(middle))))


def tint(colour: Colour) -> Colour:
    """A colour as light as areas are."""
    red, green, blue = (round(255 - TINT * (255 - c)) for c in colour)
    return red, green, blue


def cut_out(picture: Tensor, side: int) -> Image.Image:
    """A picture uint8 [3,P,P] as a small RGBA one whose white border is transparent."""
    where = thing(picture[None])[0].numpy()
    image = to_image(picture).convert("RGBA")
    image.putalpha(Image.fromarray((where * 255).astype(np.uint8)))
    return image.resize((side, side), Image.Resampling.LANCZOS)


@dataclass(frozen=True, eq=False)
class Marks:
    """What the points of a chart look like.

    Attributes:
        pictures: small RGBA pictures, for those points that are drawings; None for variants, which are dots.
        label: which kind each point is.
        guess: what each was taken for.
        colours: of the kinds.
    """

    pictures: Sequence[Image.Image | None]
    label: Sequence[int]
    guess: Sequence[int]
    colours: Sequence[Colour]

    def order(self, depth: Sequence[float] | None = None) -> list[int]:
        """In which order points are drawn: dots first, then drawings; or what is far first."""
        if depth is not None:
            return sorted(range(len(self.label)), key=lambda i: depth[i])
        return sorted(range(len(self.label)), key=lambda i: self.pictures[i] is not None)

    def put(self, canvas: Image.Image, i: int, x: float, y: float) -> None:
        """Draw point ``i``; what was taken for another kind has a ring in that kind's colour."""
        draw, picture = ImageDraw.Draw(canvas), self.pictures[i]
        wrong = self.guess[i] != self.label[i]
        reach = DOT if picture is None else BIG // 2
        if picture is None:
            box = (x - reach, y - reach, x + reach, y + reach)
            draw.ellipse(box, self.colours[self.label[i]], None if wrong else (255, 255, 255))
        else:
            canvas.paste(picture, (round(x) - BIG // 2, round(y) - BIG // 2), picture)
        if wrong:
            around = reach + (1 if picture is None else 3)
            box = (x - around, y - around, x + around, y + around)
            draw.ellipse(box, outline=self.colours[self.guess[i]], width=2 if picture is None else 3)
            if picture is not None:
                draw.ellipse((box[0] - 1, box[1] - 1, box[2] + 1, box[3] + 1), outline=INK)


@dataclass(frozen=True)
class Plane:
    """Where values stand on a picture.

    Attributes:
        box: left, top, right, bottom in pixels.
        x, y: (lowest, highest) value along each side; y grows upwards.
    """

    box: tuple[int, int, int, int]
    x: tuple[float, float]
    y: tuple[float, float]

    def at(self, x: float, y: float) -> tuple[float, float]:
        """The place of a point."""
        left, top, right, bottom = self.box
        across = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return left + across * (right - left), bottom - up * (bottom - top)

    def grid(self) -> np.ndarray:
        """The values of all pixels, float64 [height·width,2], row by row."""
        left, top, right, bottom = self.box
        x = self.x[0] + (np.arange(right - left) + 0.5) / (right - left) * (self.x[1] - self.x[0])
        y = self.y[1] - (np.arange(bottom - top) + 0.5) / (bottom - top) * (self.y[1] - self.y[0])
        across, up = np.meshgrid(x, y)
        return np.stack([across.ravel(), up.ravel()], 1)

    def paint(self, canvas: Image.Image, kinds: np.ndarray, colours: Sequence[Colour]) -> None:
        """Fill the plane: ``kinds`` int [height·width] says which kind each pixel of :meth:`grid` belongs to."""
        left, top, right, bottom = self.box
        shades = np.array([tint(colour) for colour in colours], np.uint8)
        pixels = shades[kinds].reshape(bottom - top, right - left, 3)
        canvas.paste(Image.fromarray(pixels), (left, top))


def limits(values: Sequence[float], room: float = 0.09) -> tuple[float, float]:
    """Lowest and highest of some values, with room around them."""
    low, high = min(values), max(values)
    wide = max(high - low, 1e-6)
    return low - room * wide, high + room * wide


def ticks(low: float, high: float) -> list[float]:
    """A few round numbers between two others."""
    step = 10 ** math.floor(math.log10(max(high - low, 1e-9)))
    step = next(s for s in (step / 5, step / 2, step, 2 * step) if (high - low) / s <= 6)
    return [i * step for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def rule(draw: ImageDraw.ImageDraw, plane: Plane, name: str, upright: bool = False) -> None:
    """An axis with its numbers and its name, below or to the left of a plane."""
    left, top, right, bottom = plane.box
    small = font(13)
    for value in ticks(*(plane.y if upright else plane.x)):
        text = f"{value:.10g}"
        if upright:
            y = plane.at(plane.x[0], value)[1]
            draw.line((left - 4, y, left, y), QUIET)
            draw.text((left - 7 - small.getlength(text), y - 8), text, QUIET, small)
        else:
            x = plane.at(value, plane.y[0])[0]
            draw.line((x, bottom, x, bottom + 4), QUIET)
            draw.text((x - small.getlength(text) / 2, bottom + 5), text, QUIET, small)
    draw.rectangle((left, top, right - 1, bottom - 1), outline=LINE)
    if upright:
        draw.text((left + 4, top - 20), f"{name} (upwards)", INK, font(15))
    else:
        draw.text((right - font(15).getlength(f"{name} (to the right)"), bottom + 20), f"{name} (to the right)", INK,
                  font(15))  # fmt: skip


def turned(points: np.ndarray, angle: float) -> np.ndarray:
    """Points [N,3] of a space as seen from ``angle`` (radians): to the right, upwards, and towards the eye.

    The third coordinate stands upright; the space turns about it.
    """
    x, y, z = points.T
    right = x * math.cos(angle) - y * math.sin(angle)
    away = x * math.sin(angle) + y * math.cos(angle)
    up, near = z * math.cos(TURN_UP) + away * math.sin(TURN_UP), z * math.sin(TURN_UP) - away * math.cos(TURN_UP)
    return np.stack([right, up, near], 1)
