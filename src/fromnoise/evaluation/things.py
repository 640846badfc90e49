"""How many separate things does a picture show? And pictures made of several real ones, to know the ceiling."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.errors import missing_packages

INK = 40  # how far below white the darkest channel of a thing's pixel is
LEAST_OF_LARGEST = 0.25  # smaller pieces are parts: a stem, a spark, a shadow
LEAST_OF_PICTURE = 0.004
GAP = 3  # pixels between composed things


def count_things(picture: Tensor) -> int:
    """Pieces that hang together (eight neighbours) in the pixels that are not white, small ones left out.

    Args:
        picture: uint8 [3,H,W] on white.
    """
    try:
        from scipy import ndimage
    except ImportError as error:
        raise missing_packages("counting things needs scipy", "evaluate") from error
    mask = (255 - picture.numpy().min(0)) > INK
    labels, found = ndimage.label(mask, structure=np.ones((3, 3)))
    if not found:
        return 0
    areas = np.bincount(labels.ravel())[1:]
    return int((areas >= max(LEAST_OF_LARGEST * areas.max(), LEAST_OF_PICTURE * mask.size)).sum())


def side_by_side(pictures: Sequence[Tensor]) -> Tensor:
    """Things of several pictures in one, each cut out of its white and made smaller, in a row.

    Args:
        pictures: uint8 [3,P,P], all of one size.

    Returns:
        uint8 [3,P,P].
    """
    side = pictures[0].shape[1]
    cell = (side - GAP * (len(pictures) + 1)) // len(pictures)
    together = Image.new("RGB", (side, side), "white")
    for i, picture in enumerate(pictures):
        thing = _cut_out(picture)
        scale = min(cell / thing.width, (side - 2 * GAP) / thing.height)
        size = (max(1, round(thing.width * scale)), max(1, round(thing.height * scale)))
        left = GAP + i * (cell + GAP) + (cell - size[0]) // 2
        together.paste(thing.resize(size, Image.Resampling.LANCZOS), (left, (side - size[1]) // 2))
    return torch.from_numpy(np.asarray(together).copy()).permute(2, 0, 1)


def _cut_out(picture: Tensor) -> Image.Image:
    ink = (picture < 250).any(0)
    if not ink.any():
        return to_image(picture)
    rows, columns = ink.any(1).nonzero().flatten(), ink.any(0).nonzero().flatten()
    return to_image(picture[:, int(rows[0]) : int(rows[-1]) + 1, int(columns[0]) : int(columns[-1]) + 1])
