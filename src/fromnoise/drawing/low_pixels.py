"""Pictures as low-passed pixels, compared where either is not white: no network looks.

White is the paper of our pictures, and two small things on much paper would look alike, so pixels are compared only
where either picture is not white. Pictures are looked at as they are and mirrored, since training mirrors them too,
and also moved by a 32nd of the side in all directions: blocks are larger than that, and yet a copy moved by two pixels
of 64 would go unseen every other time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SIDE = 12  # low resolution
WHITE = 0.03  # how far from white, of 1, a position must be to belong to the drawing
MOVES = ((0, 0), *((x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0)))


@dataclass(frozen=True, eq=False)
class Pixels:
    """Pictures at low resolution.

    Attributes:
        dark: darkness (1 - value), float32 [N,3·SIDE·SIDE], 0 where the picture is white.
        mask: float32 [N,SIDE·SIDE], 1 where the picture is not white.
    """

    dark: Tensor
    mask: Tensor


def seen(pictures: Tensor) -> Tensor:
    """:func:`darkness` of uint8 pictures [N,3,P,P] from all sides: as it is, then moved, mirrored, and both.

    Returns:
        uint8 [N,V,3·SIDE·SIDE].
    """
    sides = pictures, pictures.flip(3)
    return torch.stack([darkness(moved(p, x, y)) for p in sides for x, y in MOVES], 1)


def moved(pictures: Tensor, x: int, y: int) -> Tensor:
    """Pictures [N,3,P,P] moved right by x and down by y 32nds of their side; white comes in."""
    step = max(1, pictures.shape[3] // 32)
    x, y = x * step, y * step
    return F.pad(pictures.float(), (x, -x, y, -y), value=255.0)


def squared(pictures: Tensor, side: int) -> Tensor:
    """Pictures of any size as uint8 [N,3,side,side], padded with white where they are not square."""
    if pictures.shape[2:] == (side, side):
        return pictures
    return squared_smoothly(pictures.float(), side).round().clamp(0, 255).to(torch.uint8)


def squared_smoothly(pictures: Tensor, side: int) -> Tensor:
    """:func:`squared` before anything is rounded or cut off, so that there are gradients: 0…255, float [N,3,H,W]."""
    height, width = pictures.shape[2:]
    if (height, width) == (side, side):
        return pictures
    top, left = (max(height, width) - height) // 2, (max(height, width) - width) // 2
    square = F.pad(pictures, (left, max(height, width) - width - left, top, max(height, width) - height - top),
                   value=255.0)  # fmt: skip
    return F.interpolate(square, (side, side), mode="bicubic", antialias=True, align_corners=False)


def darkness(pictures: Tensor) -> Tensor:
    """Means of blocks of pictures [N,3,H,W], 0…255, as an index stores them: 255 - mean, uint8 [N,3·SIDE·SIDE]."""
    means = F.adaptive_avg_pool2d(pictures.float(), SIDE)
    return (255 - means).round().to(torch.uint8).flatten(1)


def masked(dark: Tensor) -> Pixels:
    """What :func:`darkness` returns, as pixels to compare."""
    values = dark.float().unflatten(1, (3, -1)) / 255
    mask = (values.amax(1) > WHITE).float()
    return Pixels((values * mask[:, None]).flatten(1), mask)


def pixel_distances(a: Pixels, b: Pixels) -> Tensor:
    """Root mean square difference of colours, 0…1, over the positions where either is not white: [N,M].

    Where both are white there is no difference, so that sums over all positions are sums over those.
    """
    square = a.dark.square().sum(1)[:, None] + b.dark.square().sum(1)[None] - 2 * a.dark @ b.dark.T
    union = a.mask.sum(1)[:, None] + b.mask.sum(1)[None] - a.mask @ b.mask.T
    return (square.clamp_min(0) / (3 * union).clamp_min(1)).sqrt()
