"""What pictures are compared by: the judge's features, and masked pixels at low resolution.

The judge's features are blind to small changes of place and colour; pixels (:mod:`fromnoise.drawing.low_pixels`) are
blind to nothing but fine detail. Pictures are looked at as they are and mirrored, since training mirrors them too.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.drawing.low_pixels import seen
from fromnoise.evaluation.judge import features


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
    return Views(torch.stack([features(p) for p in sides], 1), seen(pictures))


def feature_distances(a: Tensor, b: Tensor) -> Tensor:
    """Chord between directions, 0…2: [N,M] for unit vectors [N,D] and [M,D]."""
    return (2 - 2 * a @ b.T).clamp_min(0).sqrt()
