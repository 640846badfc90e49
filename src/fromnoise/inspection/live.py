"""What messages for a page have in common: pictures as addresses that hold them, and maps that stay small."""

from __future__ import annotations

import math

import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.inspection.figure import data_url, png_of

LARGEST = 256  # side of a picture that is one of many, so that all steps of a large model can be sent
WIDEST_MAP = 16  # side of a map for a page; larger ones are averaged, so that a step of Stable Diffusion stays small


def as_url(picture: Tensor, largest: float = math.inf) -> str:
    """A picture, uint8 [3,H,W], as an address that holds it; made smaller where a side is longer than ``largest``."""
    image = to_image(picture)
    if max(image.size) > largest:
        factor = largest / max(image.size)
        small = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
        image = image.resize(small, Image.Resampling.BOX)
    return data_url(png_of(image))


def small(maps: Tensor) -> Tensor:
    """Maps [C,h,w], averaged to at most ``WIDEST_MAP`` positions a side."""
    height, width = maps.shape[1:]
    if max(height, width) <= WIDEST_MAP:
        return maps
    factor = WIDEST_MAP / max(height, width)
    return F.adaptive_avg_pool2d(maps[None], (max(1, round(height * factor)), max(1, round(width * factor))))[0]
