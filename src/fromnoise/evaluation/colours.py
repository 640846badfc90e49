"""Which colour is a thing? Words for colours, measured from the pixels that are not background.

The words and their places in CIE L*a*b* are those with which the stickers' own colours were measured when the data was
built; shades of one colour ("light blue", "dark blue", "blue") count as that colour here.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from fromnoise.data.stickers.render import PALETTE, lab

BACKGROUND = 245  # channels of at least this are background: pictures stand on white
NAMES = tuple(dict.fromkeys("green" if name == "teal" else name.split()[-1] for name in PALETTE))
_PLACE = [NAMES.index("green" if name == "teal" else name.split()[-1]) for name in PALETTE]


def colour_shares(pictures: Tensor, least: float = 0.0) -> Tensor:
    """Share of each colour of :data:`NAMES` in the pixels that are not background.

    Args:
        pictures: uint8 [N,3,H,W].
        least: how much of a picture must not be background for that to count.

    Returns:
        float64 [N,C]; zeros for a picture with less than ``least``, or nothing, that is not background.
    """
    return torch.stack([torch.from_numpy(_shares(picture, least)) for picture in pictures])


def main_colour(shares: Tensor) -> list[str]:
    """The colour with the largest share, picture by picture; "" for none."""
    return [NAMES[int(row.argmax())] if row.any() else "" for row in shares]


def _shares(picture: Tensor, least: float) -> np.ndarray:
    pixels = picture.permute(1, 2, 0).numpy()
    thing = pixels[(pixels < BACKGROUND).any(-1)]
    if not len(thing) or len(thing) < least * pixels.shape[0] * pixels.shape[1]:
        return np.zeros(len(NAMES))
    palette = lab(np.array(list(PALETTE.values())))
    nearest = ((lab(thing)[:, None] - palette) ** 2).sum(-1).argmin(1)
    return np.bincount(np.array(_PLACE)[nearest], minlength=len(NAMES)) / len(thing)
