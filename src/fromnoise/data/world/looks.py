"""What a drawing looks like, measured once from a small rendering: where it is, what colours, whether it has an up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from fromnoise.data.stickers.render import lab
from fromnoise.data.world.draw import Box, picture_box, render_picture, render_vector
from fromnoise.data.world.drawing import Drawing
from fromnoise.data.world.recolour import coloured, dominates, own_colour, recoloured
from fromnoise.data.world.rules import ON_A_DISC

MEASURED_AT = 72  # pixels
REMEMBERED = 4096  # drawings
SOLID = 128  # alpha from which a pixel belongs to the thing
UPSIDE_DOWN, TILTED = 180.0, (20.0, 40.0)  # degrees


@dataclass(frozen=True)
class Look:
    """Measures of one drawing in one colour at one angle.

    Attributes:
        body: the SVG body in that colour; "" for a picture.
        window: the tight box around it in the units of its view box, turned.
        mask: bool [h,w], what of the window is solid.
        pixels: uint8 [N,3], its solid pixels' colours (N at most 600).
    """

    body: str
    window: Box
    mask: np.ndarray
    pixels: np.ndarray

    @property
    def wide(self) -> float:
        """Width of the window by its longer side."""
        return self.window[2] / max(self.window[2:])

    @property
    def high(self) -> float:
        """Height of the window by its longer side."""
        return self.window[3] / max(self.window[2:])


class Looks:
    """Measures drawings and remembers the last few thousand, so that memory stays constant.

    Args:
        drawings: all of the world.
    """

    def __init__(self, drawings: list[Drawing]) -> None:
        self._drawings = drawings
        self._look = lru_cache(REMEMBERED)(self._measured)
        self.turned_differs = lru_cache(REMEMBERED)(self._turned_differs)
        self.own_colour = lru_cache(REMEMBERED)(self._own_colour)

    def __call__(self, index: int, colour: str = "", angle: float = 0) -> Look | None:
        """The look of a drawing in a named colour ("" is its own), turned by degrees clockwise.

        None where nothing can be seen, or the colour does not come to dominate: then it must not be said.
        """
        return self._look(index, colour, angle)

    def __reduce__(self) -> tuple[type[Looks], tuple[list[Drawing]]]:
        return Looks, (self._drawings,)

    def _own_colour(self, index: int) -> str:
        """The named colour that a drawing plainly has by itself, or ""."""
        look = self(index)
        drawing = self._drawings[index]
        return own_colour(drawing.colours, look.pixels) if look and drawing.style not in ON_A_DISC else ""

    def _turned_differs(self, index: int) -> bool:
        """Whether one can see that the drawing stands on its head: a ball and a star cannot be said to."""
        look = self(index)
        if look is None or not 0.4 < look.window[2] / look.window[3] < 2.5 or _lies_aslant(look.mask):
            return False
        small = render(self._drawings[index], look, 32, 32)
        values = np.asarray(small, np.float32)
        seen = values[..., :3] * values[..., 3:] / 255 + 255 - values[..., 3:]
        return float(np.abs(seen - seen[::-1, ::-1]).mean()) > 18

    def _measured(self, index: int, colour: str, angle: float) -> Look | None:
        drawing = self._drawings[index]
        if colour and not drawing.body:
            return None
        body = drawing.body
        if colour:
            plain = self(index)
            new = _in_colour(drawing, plain, colour) if plain else None
            if new is None:
                return None
            body = new
        look = measure(drawing, body, angle)
        return None if look is None or (colour and not dominates(colour, look.pixels)) else look


def _in_colour(drawing: Drawing, plain: Look, colour: str) -> str | None:
    if drawing.kind == "silhouette":
        return coloured(drawing.body, colour)
    return recoloured(drawing.body, plain.pixels, colour)


def measure(drawing: Drawing, body: str, angle: float = 0) -> Look | None:
    """Measure a drawing; None for one that is blank or that resvg cannot draw."""
    box = drawing.box if body else picture_box(drawing.picture)
    room = box if angle % 180 == 0 else _turned_box(box, angle)
    scale = MEASURED_AT / max(room[2:])
    size = (max(1, round(room[2] * scale)), max(1, round(room[3] * scale)))
    try:
        image = _render(body, drawing.picture, box, size, room, angle)
    except (ValueError, OSError):
        return None
    rgba = np.asarray(image)
    seen = rgba[..., 3] > 16
    if (rgba[..., 3] >= SOLID).sum() < 40:
        return None
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    top, low, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    x, y = room[2] / size[0], room[3] / size[1]  # units of a pixel
    window = (float(room[0] + left * x), float(room[1] + top * y), float((right - left) * x), float((low - top) * y))
    mask = rgba[top:low, left:right, 3] >= SOLID
    pixels = rgba[top:low, left:right, :3][mask]
    return Look(body, window, mask, pixels[:: max(1, len(pixels) // 600)][:600])


def render(drawing: Drawing, look: Look, width: int, height: int, angle: float = 0) -> Image.Image:
    """The drawing as :class:`Look` found it, filling width × height pixels: RGBA."""
    box = drawing.box if look.body else picture_box(drawing.picture)
    return _render(look.body, drawing.picture, box, (width, height), look.window, angle)


def _render(body: str, picture: bytes, box: Box, size: tuple[int, int], window: Box, angle: float) -> Image.Image:
    if body:
        return render_vector(body, box, *size, window, angle)
    return render_picture(picture, *size, window, angle)


def _lies_aslant(mask: np.ndarray) -> bool:
    """Whether a thing is long and drawn aslant, so that a tilt does not show."""
    values, axes = np.linalg.eigh(np.cov(np.argwhere(mask).T))
    slope = np.degrees(np.arctan2(*np.abs(axes[:, 1])))
    return bool(values[1] > 1.8 * values[0] and 18 < slope < 72)


def _turned_box(box: Box, angle: float) -> Box:
    """The smallest upright box around a turned one."""
    c, s = abs(np.cos(np.deg2rad(angle))), abs(np.sin(np.deg2rad(angle)))
    wide, high = box[2] * c + box[3] * s, box[2] * s + box[3] * c
    return (box[0] + box[2] / 2 - wide / 2, box[1] + box[3] / 2 - high / 2, wide, high)


def distance_to(pixels: np.ndarray, rgb: np.ndarray) -> np.ndarray:
    """Distance in CIE L*a*b* of pixels, uint8 [N,3], to one colour, [3]: float [N]."""
    found: np.ndarray = np.sqrt(((lab(pixels) - lab(rgb[None])) ** 2).sum(-1))
    return found
