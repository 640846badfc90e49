"""Description → pixels. Every drawing is rendered at its final size and laid over what is behind it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from fromnoise.data.world.choose import World
from fromnoise.data.world.description import Description, Ground, Place, Thing
from fromnoise.data.world.draw import render_vector
from fromnoise.data.world.grounds import BOX, ground_body
from fromnoise.data.world.looks import UPSIDE_DOWN, Look, render


@dataclass(frozen=True)
class Painted:
    """A picture.

    Attributes:
        picture: uint8 [P,P,3], on its ground; on white where it has none.
        alpha: uint8 [P,P]: 255 everywhere before a ground, else how much of a pixel the things fill.
    """

    picture: np.ndarray
    alpha: np.ndarray

    def rgba(self) -> np.ndarray:
        """uint8 [P,P,4]: the picture as seen on white, and its alpha."""
        return np.concatenate([self.picture, self.alpha[..., None]], -1)


def paint(world: World, described: Description, pixels: int) -> Painted:
    """Draw a description of ``world`` as a square of ``pixels``, the last thing first: the first is in front."""
    canvas = _ground(described.ground, pixels).copy()  # premultiplied float [P,P,4], 0…255
    for thing in reversed(described.things):
        look = world.look(thing)
        if look is None:
            raise ValueError(f"drawing {thing.drawing} is not of this world")
        parts: dict[tuple[int, int], np.ndarray] = {}  # copies of one size are rendered once
        for left, top, wide, high in (corners(place, pixels) for place in thing.places):
            if (wide, high) not in parts:
                parts[wide, high] = _copy(world, thing, look, wide, high)
            _lay(canvas, parts[wide, high], left, top)
    picture = canvas[..., :3] + 255 - canvas[..., 3:]
    return Painted(np.round(picture).clip(0, 255).astype(np.uint8), np.round(canvas[..., 3]).astype(np.uint8))


def corners(place: Place, pixels: int) -> tuple[int, int, int, int]:
    """A place in whole pixels: left, top, width, height, inside the picture."""
    wide, high = (min(max(1, round(share * pixels)), pixels) for share in place[2:])
    left, top = (round(share * pixels) for share in place[:2])
    return min(max(left, 0), pixels - wide), min(max(top, 0), pixels - high), wide, high


def _copy(world: World, thing: Thing, look: Look, wide: int, high: int) -> np.ndarray:
    """A thing of width × height pixels, premultiplied float [h,w,4]."""
    flipped = thing.angle == UPSIDE_DOWN
    image = render(world.drawings[thing.drawing], look, wide, high, 0.0 if flipped else thing.angle)
    part = _premultiplied(image)
    return part[::-1, ::-1] if flipped else part


def _lay(canvas: np.ndarray, part: np.ndarray, left: int, top: int) -> None:
    region = canvas[top : top + part.shape[0], left : left + part.shape[1]]
    region *= 1 - part[..., 3:] / 255
    region += part


def _premultiplied(image: Image.Image) -> np.ndarray:
    rgba = np.asarray(image, np.float32)
    return np.concatenate([rgba[..., :3] * rgba[..., 3:] / 255, rgba[..., 3:]], -1)


@lru_cache(64)
def _ground(ground: Ground, pixels: int) -> np.ndarray:
    if not ground.kind:
        return np.zeros((pixels, pixels, 4), np.float32)
    return _premultiplied(render_vector(ground_body(ground), BOX, pixels, pixels))
