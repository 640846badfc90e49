"""Small pictures of what the index knows, so that a neighbour can be shown to those who lack the training pictures.

32 pixels, WebP: 326 bytes each on average over the stickers, 1.8 MiB for 5,700. JPEG needs 565, a palette PNG 543.
"""

from __future__ import annotations

import io

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.pictures import UNREADABLE, opened_file

SIDE = 32
QUALITY = 60  # of WebP


def thumbnail(picture: Tensor) -> bytes:
    """A small WebP file of a uint8 picture [3,H,W]."""
    buffer = io.BytesIO()
    small = to_image(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    small.save(buffer, "WEBP", quality=QUALITY, method=6)
    return buffer.getvalue()


def enlarged(data: bytes, side: int) -> Tensor:
    """A thumbnail as uint8 [3,side,side]; grey where it cannot be read."""
    try:
        with opened_file(data, ("WEBP",)) as small:
            if max(small.size) > SIDE:
                raise ValueError("too large")
            big = small.convert("RGB").resize((side, side), Image.Resampling.BICUBIC)
    except UNREADABLE:
        return torch.full((3, side, side), 192, dtype=torch.uint8)
    return torch.from_numpy(np.array(big)).permute(2, 0, 1).contiguous()
