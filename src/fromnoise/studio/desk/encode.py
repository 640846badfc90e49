"""Pictures as bytes: PNG, JPEG or WebP, and as addresses that hold the picture itself."""

from __future__ import annotations

import base64
import io
from typing import Literal

from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.pictures import on_white

Format = Literal["png", "jpeg", "webp"]
TYPES: dict[Format, str] = {"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"}


def encoded(picture: Image.Image, kind: Format = "png", quality: int = 100) -> bytes:
    """A picture as the bytes of a file.

    Args:
        picture: RGB or RGBA.
        kind: of the file; JPEG, which has no transparency, is composed on white.
        quality: 0…100, of JPEG and WebP; 100 is WebP without loss.
    """
    buffer = io.BytesIO()
    if kind == "png":
        picture.save(buffer, "PNG", compress_level=1)
    elif kind == "jpeg":
        on_white(picture).save(buffer, "JPEG", quality=min(quality, 95), subsampling=0)
    else:
        picture.save(buffer, "WEBP", quality=quality, lossless=quality == 100, method=2)
    return buffer.getvalue()


def data_url(picture: Tensor) -> str:
    """uint8 [3,H,W] or [4,H,W] as an address for the page; large ones lose a little, small ones nothing."""
    large: Format = "jpeg" if len(picture) == 3 else "webp"
    kind: Format = "png" if picture.shape[-1] <= 128 else large
    return f"data:{TYPES[kind]};base64,{base64.b64encode(encoded(to_image(picture), kind, 85)).decode()}"
