"""Sizes that clients ask for, and sizes that a model can draw.

A model knows pictures of about one size. A small multiple of that is drawn as it is; what is larger is drawn at the
model's own area in the same shape, and enlarged. Clients of other servers ask for 1024x1024 as a matter of course.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from PIL import Image

from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.settings import Limits
from fromnoise.system.text_to_image import TextToImage

AS_IT_IS = 2.0  # times the model's own side


@dataclass(frozen=True)
class Size:
    """What is drawn, and what is handed out; both (width, height).

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
        """As the API writes it."""
        return f"{self.given[0]}x{self.given[1]}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell whoever asked for it."""
        if not self.enlarged:
            return ()
        drawn = f"{self.drawn[0]}x{self.drawn[1]}"
        return (f"drawn at {drawn}, which the model can draw well, and made {self.text} by enlarging",)

    def fit(self, picture: Image.Image) -> Image.Image:
        """A drawn picture as it is handed out."""
        return picture.resize(self.given, Image.Resampling.LANCZOS) if self.enlarged else picture


def read_size(text: str | None, model: TextToImage, limits: Limits) -> Size:
    """The size of a request: "auto", or width x height in pixels.

    Raises:
        Problem: not a size, or one that is too large.
    """
    own = (model.pixels, model.pixels)
    if text in (None, "", "auto"):
        return Size(own, own)
    found = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", text or "")
    if not found:
        raise Problem(400, f"size is auto or width x height in pixels, as {own[0]}x{own[1]}", "size", "invalid_size")
    given = (int(found[1]), int(found[2]))
    if max(given) > max(limits.enlarged, int(AS_IT_IS * model.pixels)) or min(given) < 16:
        raise Problem(400, f"a side of size must be 16 to {limits.enlarged} pixels", "size", "invalid_size")
    fits = all(side % model.vae.factor == 0 and side >= model.pixels / 2 for side in given)
    if fits and given[0] * given[1] <= (AS_IT_IS * model.pixels) ** 2 and _area_ok(given, model, limits):
        return Size(given, given)
    return Size(_own_area(given, model), given)


def _area_ok(size: tuple[int, int], model: TextToImage, limits: Limits) -> bool:
    return size[0] * size[1] <= limits.pixels * model.pixels**2


def _own_area(given: tuple[int, int], model: TextToImage) -> tuple[int, int]:
    """A size of the same shape with about as many pixels as the model was trained on."""
    factor, scale = model.vae.factor, math.sqrt(model.pixels**2 / (given[0] * given[1]))
    least = 2 * factor
    width, height = (max(least, round(side * scale / factor) * factor) for side in given)
    return min(width, 4 * model.pixels), min(height, 4 * model.pixels)
