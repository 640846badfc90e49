"""Sizes that are asked for, and sizes that a model can draw.

A model knows pictures of about one size. Up to twice its side is drawn as it is; what is larger, or longer with more
pixels than the model knows, comes out as texture with holes, so it is drawn with about as many pixels as the model
knows, in nearly the same shape, and enlarged. (A request may insist.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fromnoise.drawing.matte import unmixed
from fromnoise.ground.pictures import on_white

AS_IT_IS = 2.0  # times the model's own side
ABOUT_OWN = 1.25  # times the model's own area: a strip of so few pixels is drawn as it is, however long


@dataclass(frozen=True)
class Size:
    """What is drawn, and what is handed out; both (width, height) in pixels.

    >>> Size((64, 64), (1024, 1024)).enlarged
    True
    """

    drawn: tuple[int, int]
    given: tuple[int, int]

    @property
    def enlarged(self) -> bool:
        """Whether they differ."""
        return self.drawn != self.given

    @property
    def text(self) -> str:
        """As people write it."""
        return f"{self.given[0]}x{self.given[1]}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell whoever asked for it."""
        if not self.enlarged:
            return ()
        drawn = f"{self.drawn[0]}x{self.drawn[1]}"
        return (f"drawn at {drawn}, which the model can draw well, and made {self.text} by enlarging",)

    def fit(self, picture: Image.Image) -> Image.Image:
        """A drawn picture as it is handed out, RGB or RGBA.

        What was cut out is enlarged as it looks on white, and unmixed from that again: so no white comes back.
        """
        if not self.enlarged:
            return picture
        larger = on_white(picture).resize(self.given, Image.Resampling.LANCZOS)
        if picture.mode == "RGB":
            return larger
        alpha = picture.getchannel("A").resize(self.given, Image.Resampling.LANCZOS)
        return Image.fromarray(unmixed(np.asarray(larger), np.asarray(alpha)))

    def fit_all(self, pictures: Tensor) -> Tensor:
        """Drawn pictures uint8 [B,C,h,w] as they are handed out, uint8 [B,C,H,W]; C is 3, or 4 with alpha."""
        if not self.enlarged:
            return pictures
        fitted = [self.fit(Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())) for picture in pictures]
        return torch.stack([torch.from_numpy(np.array(x)).permute(2, 0, 1).contiguous() for x in fitted])


def too_large(given: tuple[int, int], pixels: int) -> bool:
    """Whether (width, height) is more than a model with pictures of ``pixels`` squared draws well: all in all, or in
    one direction.

    >>> too_large((128, 128), 64), too_large((256, 64), 64), too_large((160, 32), 64)
    (False, True, False)
    """
    area, own = given[0] * given[1], pixels**2
    return area > AS_IT_IS**2 * own or (max(given) > AS_IT_IS * pixels and area > ABOUT_OWN * own)


def own_area(given: tuple[int, int], pixels: int, factor: int) -> tuple[int, int]:
    """(width, height) of nearly the same shape with about as many pixels as the model was trained on.

    Each side is rounded to a multiple of the factor by itself, which may change the shape by a tenth; a strip longer
    than about 16 : 1 comes out shorter. Enlarging stretches it back.

    >>> own_area((256, 128), 64, 8), own_area((1024, 16), 64, 8)
    ((88, 48), (256, 16))

    Args:
        given: (width, height).
        pixels: side of the pictures that the model was trained on.
        factor: of its VAE; both sides are multiples of it, and at least twice that.
    """
    scale, least = math.sqrt(pixels**2 / (given[0] * given[1])), 2 * factor
    width, height = (max(least, round(side * scale / factor) * factor) for side in given)
    return min(width, 4 * pixels), min(height, 4 * pixels)
