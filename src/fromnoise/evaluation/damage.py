"""Pictures a little damaged in ways that have nothing to do with any model: what a judge of looks must see past.

A judge that has only seen clean pictures goes by what is exact in them: areas without the slightest change, edges one
pixel wide. Nothing that came through a decoder has those, so it would take all of it for one style. So it learns from
every picture twice, once as it is and once blurred, compressed, scaled or noisy.
"""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageFilter
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.pictures import opened_file

WAYS = ("blur", "jpeg", "scale", "noise")


def damaged(pictures: Tensor, seeds: Sequence[int]) -> Tensor:
    """Each picture damaged in one way, chosen by its seed.

    Args:
        pictures: uint8 [N,3,H,W].
        seeds: one for each picture; the same picture and seed give the same damage.

    Returns:
        uint8 [N,3,H,W].
    """
    return torch.stack([_damaged(p, np.random.default_rng(seed)) for p, seed in zip(pictures, seeds, strict=True)])


def _damaged(picture: Tensor, rng: np.random.Generator) -> Tensor:
    way = WAYS[rng.integers(len(WAYS))]
    if way == "blur":
        return _tensor(to_image(picture).filter(ImageFilter.GaussianBlur(rng.uniform(0.5, 1.2))))
    if way == "jpeg":
        return _compressed(picture, int(rng.integers(25, 70)))
    if way == "scale":
        return _scaled(picture, rng.uniform(0.5, 0.8))
    noise = torch.from_numpy(rng.normal(0, rng.uniform(2, 9), picture.shape))
    return (picture + noise).round().clamp(0, 255).to(torch.uint8)


def _compressed(picture: Tensor, quality: int) -> Tensor:
    buffer = io.BytesIO()
    to_image(picture).save(buffer, "JPEG", quality=quality)
    with opened_file(buffer.getvalue(), ("JPEG",)) as again:
        return _tensor(again)


def _scaled(picture: Tensor, factor: float) -> Tensor:
    small = [max(1, round(side * factor)) for side in picture.shape[1:]]
    x = F.interpolate(picture[None].float(), small, mode="bicubic", antialias=True, align_corners=False)
    x = F.interpolate(x, picture.shape[1:], mode="bicubic", align_corners=False)
    return x[0].round().clamp(0, 255).to(torch.uint8)


def _tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.asarray(picture.convert("RGB")).copy()).permute(2, 0, 1)
