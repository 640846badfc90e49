"""A sticker without its white box: a matte computed from the drawn picture.

The networks draw three channels, on white. What of that white is background is found from the border inwards (white
inside a thing, an eye or a snowman, stays), and the soft edge of the thing is unmixed from it (Porter and Duff 1984,
"Compositing Digital Images", *over*): drawn = alpha · colour + (1 − alpha) · white. There is a colour for every alpha
that is large enough, so composing the result on white gives back what was drawn, exactly.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

WHITE = 255
NEAR = 24  # levels below white that a background may have
LEAST_WHITE = 0.2  # share of the border that must be nearly white, for a picture to have a white background
SURE = 40  # levels below white from which a speck is part of the thing
SPREADS = 5  # median deviations that noise may be off the usual
HAZE = 12  # levels below white that ringing around the thing may have
ON_THE_LINE = 20  # levels that a mixture of white and a colour may be off that line
OPAQUE = "the background is not white, so it could not be made transparent; the picture is left as it was drawn"


def cut_out(pictures: Tensor) -> Tensor:
    """Drawn pictures, uint8 [B,3,H,W], without their white background: uint8 [B,4,H,W], each by itself.

    A picture that has no white background stays opaque; see :func:`is_cut_out`.
    """
    return torch.stack([torch.from_numpy(_cut_out(picture)).permute(2, 0, 1) for picture in _rows(pictures)])


def is_cut_out(picture: Tensor) -> bool:
    """Whether any of a picture, uint8 [3,H,W] or [4,H,W], is transparent."""
    return len(picture) == 4 and bool((picture[3] < WHITE).any())


def told_of(picture: Tensor) -> tuple[str, ...]:
    """What to tell whoever asked for this picture without its background, uint8 [4,H,W], and did not get it so."""
    return (OPAQUE,) if len(picture) == 4 and not is_cut_out(picture) else ()


def alpha_of(rgb: np.ndarray) -> np.ndarray:
    """How much of each pixel is the thing: uint8 [H,W]; 255 everywhere where the background is not white.

    Args:
        rgb: a drawn picture, uint8 [H,W,3].
    """
    depth = (WHITE - rgb.min(axis=-1)).astype(np.int32)
    ground = _ground(depth)
    if ground is None:
        return np.full(depth.shape, WHITE, np.uint8)
    haze = _haze(depth, ground)  # is as faint as it can be: black, of hardly any alpha
    return np.where(ground, 0, np.where(haze, depth, _edges(rgb, ground | haze))).astype(np.uint8)


def unmixed(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """A picture and its alpha as uint8 [H,W,4] whose colours have no white mixed in.

    Args:
        rgb: drawn on white, uint8 [H,W,3].
        alpha: uint8 [H,W]; raised where no colour would be dark enough.
    """
    least = WHITE - rgb.min(axis=-1)
    alpha = np.maximum(alpha, least)[..., None].astype(np.int64)
    missing = (WHITE - rgb.astype(np.int64)) * WHITE
    colour = WHITE - (2 * missing + alpha) // np.maximum(2 * alpha, 1)  # rounded, in whole numbers
    return np.concatenate([np.where(alpha > 0, colour, WHITE), alpha], axis=-1).astype(np.uint8)


def reached(way: np.ndarray, begin: np.ndarray) -> np.ndarray:
    """Where one can get to from ``begin`` over ``way``, up, down, left and right; all bool [H,W].

    Whole runs of a row are reached at once, then whole runs of a column, until nothing is new.
    """
    found, before = begin & way, -1
    while (now := int(found.sum())) != before:
        before = now
        found = _along_rows(way, found)
        found = _along_rows(way.T, found.T).T
    return found


def _along_rows(way: np.ndarray, found: np.ndarray) -> np.ndarray:
    fresh = np.ones_like(way)  # where another run begins
    fresh[:, 1:] = way[:, 1:] != way[:, :-1]
    runs = fresh.cumsum().reshape(way.shape) - 1
    hit = np.bincount(runs[found], minlength=int(runs[-1, -1]) + 1) > 0
    return hit[runs] & way


def _cut_out(rgb: np.ndarray) -> np.ndarray:
    alpha = alpha_of(rgb)
    return unmixed(np.where(alpha[..., None] > 0, rgb, WHITE).astype(np.uint8), alpha)  # no noise in the white


def _rows(pictures: Tensor) -> list[np.ndarray]:
    return [np.ascontiguousarray(picture.permute(1, 2, 0).numpy()) for picture in pictures]


def _ground(depth: np.ndarray) -> np.ndarray | None:
    """Where a picture is background, bool [H,W]; None where it has no white one, or nothing stands on it.

    Args:
        depth: how far below white the darkest channel is, int [H,W].
    """
    border = np.ones(depth.shape, bool)
    border[1:-1, 1:-1] = False
    outside = depth[border]
    white = outside[outside <= NEAR]
    if len(white) < LEAST_WHITE * len(outside):
        return None
    usual = np.median(white)  # of the white itself, and not of pale things that reach the border
    noise = min(NEAR, 2 + int(usual + SPREADS * np.median(np.abs(white - usual))))
    ground = reached(depth <= noise, border)
    sure = ~ground & (depth > min(SURE, int(depth.max()) // 2))
    thing = reached(~ground, sure)  # what else is there are specks in the white
    return ~thing if thing.any() else None


def _haze(depth: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """What is hardly darker than white between the background and the thing, bool [H,W]: a decoder's ringing, a blur.

    It is thinner than five pixels; a pale thing, a cloud or the white of a flag, is not.
    """
    pale = reached(depth <= HAZE, ground) & ~ground
    thick = np.pad(pale, 2)  # beyond the border nothing is pale: what is squeezed against it is thin
    core = ~_spread(_spread(~thick))[2:-2, 2:-2]
    return pale & ~_spread(_spread(core))


def _edges(rgb: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """Alpha of the pixels that are no background, float [H,W]: below 255 only near it.

    A pixel is the share of the colour behind it that lies in it: the projection of what it lacks of white onto what
    that colour lacks. Where it touches the background it is taken for a mixture; one further in only if it looks like
    one, being on the line from white to that colour.
    """
    missing = (WHITE - rgb).astype(np.float64)
    touching = _spread(np.pad(ground, 1, constant_values=True))[1:-1, 1:-1]  # an edge may end just at the border
    full = _colour_inside(missing, ~touching)
    share = np.clip((missing * full).sum(-1) / np.maximum((full * full).sum(-1), 1), 0, 1)
    apart = np.abs(missing - share[..., None] * full).max(-1)
    mixed = touching | (_spread(touching) & (apart <= ON_THE_LINE))
    return np.where(mixed, np.round(share * WHITE), WHITE)


def _colour_inside(missing: np.ndarray, sure: np.ndarray) -> np.ndarray:
    """What the thing lacks of white beside each pixel, float [H,W,3]: the mean of its sure pixels among the nine, and
    where there are none, as in thin lines, the darkest of the nine."""
    total, darkest = np.zeros_like(missing), missing
    count = np.zeros(sure.shape)
    for near, is_sure in zip(_nine(missing), _nine(sure), strict=True):
        total, count = total + near * is_sure[..., None], count + is_sure
        darkest = np.where((near.max(-1) > darkest.max(-1))[..., None], near, darkest)
    return np.where(count[..., None] > 0, total / np.maximum(count, 1)[..., None], darkest)


def _spread(mask: np.ndarray) -> np.ndarray:
    """A mask and all that touches it, also at corners."""
    return np.logical_or.reduce(list(_nine(mask)))


def _nine(values: np.ndarray) -> Iterator[np.ndarray]:
    """An array [H,W,…] nine times, moved by up to a pixel each way; zeros come in."""
    height, width = values.shape[:2]
    padded = np.pad(values, [(1, 1), (1, 1)] + [(0, 0)] * (values.ndim - 2))
    for down in range(3):
        for right in range(3):
            yield padded[down : down + height, right : right + width]
