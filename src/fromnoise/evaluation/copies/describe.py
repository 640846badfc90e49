"""What pictures are compared by: the judge's features, and masked pixels at low resolution.

The judge's features are blind to small changes of place and colour; pixels are blind to nothing but fine detail.
White is the paper of our pictures, and two small things on much paper would look alike, so pixels are compared only
where either picture is not white. Pictures are looked at as they are and mirrored, since training mirrors them too,
and pixels also moved by a 32nd of the side in all directions: blocks are larger than that, and yet a copy moved by two
pixels of 64 would go unseen every other time.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.evaluation.judge import features

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


@dataclass(frozen=True, eq=False)
class Views:
    """What pictures are compared by, seen from several sides.

    Attributes:
        features: the judge's, of the picture and of its mirror image, float32 [N,2,1280].
        dark: :func:`darkness` of the picture, then of the picture moved, mirrored, and both, uint8 [N,V,3·SIDE·SIDE].
    """

    features: Tensor
    dark: Tensor

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, chosen: Tensor | slice) -> Views:
        """Some of the pictures."""
        return Views(self.features[chosen], self.dark[chosen])


def joined(first: Views, second: Views) -> Views:
    """The views of both."""
    return Views(torch.cat([first.features, second.features]), torch.cat([first.dark, second.dark]))


def look(pictures: Tensor) -> Views:
    """Describe uint8 pictures [N,3,P,P].

    Raises:
        UserError: the judge's packages are missing.
    """
    sides = pictures, pictures.flip(3)
    dark = [darkness(moved(p, x, y)) for p in sides for x, y in MOVES]
    return Views(torch.stack([features(p) for p in sides], 1), torch.stack(dark, 1))


def moved(pictures: Tensor, x: int, y: int) -> Tensor:
    """Pictures [N,3,P,P] moved right by x and down by y 32nds of their side; white comes in."""
    step = max(1, pictures.shape[3] // 32)
    x, y = x * step, y * step
    return F.pad(pictures.float(), (x, -x, y, -y), value=255.0)


def squared(pictures: Tensor, side: int) -> Tensor:
    """Pictures of any size as uint8 [N,3,side,side], padded with white where they are not square."""
    height, width = pictures.shape[2:]
    if (height, width) == (side, side):
        return pictures
    top, left = (max(height, width) - height) // 2, (max(height, width) - width) // 2
    square = F.pad(pictures.float(), (left, max(height, width) - width - left, top, max(height, width) - height - top),
                   value=255.0)  # fmt: skip
    small = F.interpolate(square, (side, side), mode="bicubic", antialias=True, align_corners=False)
    return small.round().clamp(0, 255).to(torch.uint8)


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


def feature_distances(a: Tensor, b: Tensor) -> Tensor:
    """Chord between directions, 0…2: [N,M] for unit vectors [N,D] and [M,D]."""
    return (2 - 2 * a @ b.T).clamp_min(0).sqrt()
