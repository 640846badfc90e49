"""Makes the pictures of a tour small enough that it can be sent."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from typing import Any

from PIL import Image

from fromnoise.ground.pictures import opened_file

PNG = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]+)")
# Tried one after the other until the page is small enough: quality (100: without loss) and the largest side.
WAYS = ((100, 512), (90, 512), (80, 384), (70, 256), (60, 192), (50, 128))


def smaller(value: Any, change: Callable[[str], str]) -> Any:
    """A JSON value with every address of a picture changed."""
    if isinstance(value, str):
        return PNG.sub(lambda found: change(found[0]), value) if value.startswith("data:image/png") else value
    if isinstance(value, list | tuple):
        return [smaller(each, change) for each in value]
    if isinstance(value, dict):
        return {name: smaller(each, change) for name, each in value.items()}
    return value


def webp(quality: int, largest: int) -> Callable[[str], str]:
    """Changes the address of a PNG file into that of a WebP file, where that is shorter.

    Args:
        quality: 1…100; 100 is without loss.
        largest: side of the picture; longer ones are made smaller.
    """

    def change(url: str) -> str:
        found = PNG.fullmatch(url)
        assert found is not None
        image = opened_file(base64.b64decode(found[1]), ("PNG",))
        image.thumbnail((largest, largest), Image.Resampling.BOX)
        buffer = io.BytesIO()
        image.save(buffer, "WEBP", quality=quality, lossless=quality == 100, method=4 if quality == 100 else 2)
        made = f"data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}"
        return min(url, made, key=len)

    return change
