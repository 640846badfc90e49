"""What is to be seen in a picture, by stated rules on its pixels: how many things, where, how large, of which colour.

A picture is uint8 [3,H,W]; shares are of its side, 0 at the top and at the left. Things stand on white: what is not
white is the thing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fromnoise.data.scenes import compose
from fromnoise.evaluation.colours import colour_shares, main_colour
from fromnoise.evaluation.things import INK, LEAST_OF_LARGEST, count_things
from fromnoise.ground.errors import missing_packages

SMALL, LARGE = 0.55, 0.8  # longest side of a small thing at most, of a large one at least
ASIDE = 0.08  # how far from the middle the centre of a thing "on the left" is, at least
RIM = 1 / 16  # of the side: the border that shows the background
NEAR = 0.1  # largest gap between a thing and what it is on
WHOLE = ((0.06, 0.06, 0.88),)  # where a part is shown alone


@dataclass(frozen=True, eq=False)
class Seen:
    """What a picture shows.

    Attributes:
        count: how many things.
        colour: what most of the thing is.
        border: what most of the picture's border is; "" for white.
        centre: of what is not white, (from the left, from the top).
        extent: longest side of the box around it.
    """

    count: int
    colour: str
    border: str
    centre: tuple[float, float]
    extent: float


def seen(picture: Tensor) -> Seen:
    """Look at a picture, uint8 [3,H,W]."""
    ink, side = _ink(picture), picture.shape[-1]
    rows, columns = np.nonzero(ink)
    if not len(rows):
        return Seen(0, "", "", (0.5, 0.5), 0.0)
    centre = (float(columns.mean() + 0.5) / side, float(rows.mean() + 0.5) / side)
    extent = max(np.ptp(rows), np.ptp(columns)) + 1
    border = main_colour(colour_shares(_rim(picture)[None], least=0.5))[0]
    return Seen(count_things(picture), main_colour(colour_shares(picture[None]))[0], border, centre, extent / side)


def is_at(found: Seen, place: str) -> bool:
    """Whether the thing is on the left, on the right, at the top or at the bottom: further that way than any other."""
    x, y = found.centre[0] - 0.5, found.centre[1] - 0.5
    aside = {"left": -x, "right": x, "top": -y, "bottom": y}
    return max(aside, key=lambda name: aside[name]) == place and aside[place] >= ASIDE


def parts(picture: Tensor, down: bool) -> tuple[Tensor, Tensor, float] | None:
    """The two things of a picture, each alone, in their order from the left, or from the top.

    Where all hangs together in one piece it is cut in the middle of the box around it.

    Returns:
        Both, uint8 [3,H,W] each, and the gap between them as a share of the side (0 for one piece; below 0 where they
        overlap); None where nothing is there, or the two largest pieces lie rather the other way.
    """
    ink = _ink(picture)
    if not ink.any():
        return None
    pieces = _pieces(ink)
    axis = 0 if down else 1
    if len(pieces) < 2:
        place = np.nonzero(ink)[axis]
        middle = (place.min() + place.max() + 1) // 2
        first = np.arange(ink.shape[axis]) < middle
        first = first[:, None] if down else first[None, :]
        masks, gap = (ink & first, ink & ~first), 0.0
    else:
        centres = [np.array([n.mean() for n in np.nonzero(piece)]) for piece in pieces]
        apart = np.abs(centres[0] - centres[1])
        if apart[axis] < apart[1 - axis]:
            return None
        one, other = sorted(range(2), key=lambda i: centres[i][axis])
        masks = (pieces[one], pieces[other])
        gap = float(np.nonzero(masks[1])[axis].min() - np.nonzero(masks[0])[axis].max() - 1) / ink.shape[axis]
    return (*(_alone(picture, mask) for mask in masks), gap)  # type: ignore[return-value]


def _ink(picture: Tensor) -> np.ndarray:
    return np.asarray((255 - picture.numpy().min(0)) > INK)


def _pieces(ink: np.ndarray) -> list[np.ndarray]:
    """The two largest pieces that hang together, or the one that there is; smaller ones are parts of the nearest."""
    try:
        from scipy import ndimage
    except ImportError as error:
        raise missing_packages("telling things apart needs scipy", "evaluate") from error
    labels, _ = ndimage.label(ink, structure=np.ones((3, 3)))
    areas = np.bincount(labels.ravel())[1:]
    largest = [i + 1 for i in np.argsort(-areas, kind="stable")[:2] if areas[i] >= LEAST_OF_LARGEST * areas.max()]
    far = np.stack([ndimage.distance_transform_edt(labels != label) for label in largest])
    return [ink & (far.argmin(0) == i) for i in range(len(largest))]


def _alone(picture: Tensor, mask: np.ndarray) -> Tensor:
    """What a mask shows, alone and as large as single things are."""
    only = torch.where(torch.from_numpy(mask), picture, torch.full_like(picture, 255))
    return compose(only[None], WHOLE)


def _rim(picture: Tensor) -> Tensor:
    """The picture's border as a strip, [3,1,N]."""
    wide = max(1, round(RIM * picture.shape[-1]))
    inside = torch.zeros(picture.shape[1:], dtype=torch.bool)
    inside[wide:-wide, wide:-wide] = True
    return picture[:, ~inside][:, None, :]
