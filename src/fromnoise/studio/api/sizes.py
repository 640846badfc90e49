"""Sizes that clients ask for: those of other servers ask for 1024x1024 as a matter of course."""

from __future__ import annotations

import re

from fromnoise.drawing.size import AS_IT_IS, Size, own_area, too_large
from fromnoise.ground.pictures import MOST_SIDE
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.settings import Limits
from fromnoise.system.text_to_image import TextToImage


def read_size(text: str | None, model: TextToImage, limits: Limits) -> Size:
    """The size of a request: "auto", or width x height in pixels.

    Raises:
        Problem: not a size, or one that is too large.
    """
    own = (model.pixels, model.pixels)
    if text in (None, "", "auto"):
        return Size(own, own)
    found = re.fullmatch(r"0*([1-9][0-9]*)x0*([1-9][0-9]*)", text or "")
    if found and max(map(len, found.groups())) > len(str(MOST_SIDE)):
        raise Problem(400, f"a side is at most {MOST_SIDE} pixels", "size", "invalid_size")
    if not found:
        raise Problem(400, f"size is auto or width x height in pixels, as {own[0]}x{own[1]}", "size", "invalid_size")
    given = (int(found[1]), int(found[2]))
    if max(given) > max(limits.enlarged, int(AS_IT_IS * model.pixels)) or min(given) < 16:
        raise Problem(400, f"a side of size must be 16 to {limits.enlarged} pixels", "size", "invalid_size")
    fits = all(side % model.vae.factor == 0 and side >= model.pixels / 2 for side in given)
    if fits and not too_large(given, model.pixels) and _area_ok(given, model, limits):
        return Size(given, given)
    return Size(own_area(given, model.pixels, model.vae.factor), given)


def _area_ok(size: tuple[int, int], model: TextToImage, limits: Limits) -> bool:
    return size[0] * size[1] <= limits.pixels * model.pixels**2


def shape_of(size: tuple[int, int], most: int) -> str:
    """The size of a given picture, (width, height), as it is asked for: as it is, with no side beyond ``most``."""
    scale = min(1.0, most / max(size))
    width, height = (max(16, round(side * scale)) for side in size)
    return f"{width}x{height}"
