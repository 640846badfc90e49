"""How crisp is a picture? The width of its strongest edges, in pixels, from pixels alone.

An edge is as wide as the way on which brightness rises from 10 % to 90 % of its step, as lenses and scanners are
measured (ISO 12233); where to look, and along which line, is found as Canny does (1986, IEEE PAMI 8(6)): where the
gradient is larger than on both sides along its own direction. From there brightness is followed along the gradient both
ways as long as it rises (Marziliano et al. 2002, "A no-reference perceptual blur metric", which does so in rows and
columns), between pixels by bilinear interpolation. What it rises in all is the edge's step, so that soft and sharp
edges are chosen by the same rule: the quarter with the largest steps counts, and the median of their widths is the
picture's.

A straight ramp over w pixels is 0.8 w wide, a step blurred by a Gaussian 2.563 times its sigma. Nothing finer than the
pixels can be seen: a sharp step is 0.8 pixels wide where it falls between two of them and up to 1.6 where it goes
through the middle of one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fromnoise.evaluation.intervals import Mean, mean_of, ratio_of_means
from fromnoise.ground.errors import missing_packages

LUMA = np.array([0.299, 0.587, 0.114])  # how bright red, green and blue are (ITU-R BT.601)
LEAST = 32.0  # of 255: smaller steps are no strong edges
ENDS = 0.05  # of the steepest slope: where less is left, the edge has ended and its surroundings begin
STRONGEST = 0.25  # share of a picture's edges that count, those with the largest steps
FINE = 4  # places per pixel at which brightness is read
REACH = 0.25  # of the shorter side: an edge that has not ended there is a shading


@dataclass(frozen=True)
class Crispness:
    """How wide the edges of pictures are beside those of others.

    Attributes:
        width: mean over the pictures that have edges, in pixels.
        ratio: of that to the others' width, over the pairs in which both have some; 1 is as crisp.
    """

    width: Mean
    ratio: Mean


def crispness(own: Tensor, theirs: Tensor) -> Crispness:
    """Widths of pictures' edges beside those of others, pair by pair: both [N], as :func:`edge_widths` has them."""
    both = ~(own.isnan() | theirs.isnan())
    ratio = ratio_of_means(own[both], theirs[both]) if both.any() else mean_of(own[both])
    return Crispness(mean_of(own[~own.isnan()]), ratio)


def edge_widths(pictures: Tensor) -> Tensor:
    """Width of the strongest edges of each picture, float64 [N], in its own pixels; not-a-number where it has none.

    Args:
        pictures: uint8 [N,3,H,W].
    """
    found = [edge_width(picture) for picture in pictures]
    return torch.tensor([float("nan") if width is None else width for width in found], dtype=torch.float64)


def edge_width(picture: Tensor) -> float | None:
    """Width of a picture's strongest edges in pixels; None where it has no edge, as a plain one.

    Args:
        picture: uint8 [3,H,W].

    Raises:
        UserError: scipy is missing.
    """
    brightness = np.einsum("chw,c->hw", picture.numpy().astype(np.float64), LUMA)
    steps, widths = edges_of(brightness)
    if not len(steps):
        return None
    strong = np.argsort(-steps, kind="stable")[: max(1, round(STRONGEST * len(steps)))]
    return float(np.median(widths[strong]))


def edges_of(brightness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Steps (in units of ``brightness``) and widths (in pixels) of the edges of an array [H,W], both [E]."""
    places, directions = _steepest(brightness)
    if not len(places):
        return np.zeros(0), np.zeros(0)
    reach = max(2, int(REACH * min(brightness.shape))) * FINE
    along = np.arange(-reach, reach + 1) / FINE
    points = places[:, :, None] + directions[:, :, None] * along  # (edges, 2, places along the line)
    profiles = _read(brightness, points)
    first, last = _ends(profiles)
    inside = _inside(points, first, last, brightness.shape)
    profiles, first, last = profiles[inside], first[inside], last[inside]
    each = np.arange(len(profiles))
    low, high = profiles[each, first], profiles[each, last]
    large = high - low >= LEAST
    widths = [_width(*edge) for edge in zip(profiles[large], first[large], last[large], strict=True)]
    return (high - low)[large], np.array(widths)


def _steepest(brightness: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Places (row, column) where the gradient is largest along its own direction, and those directions, both [E,2]."""
    try:
        from scipy.ndimage import sobel
    except ImportError as error:
        raise missing_packages("measuring edges needs scipy", "evaluate") from error
    gradient = np.stack([sobel(brightness, axis, mode="nearest") / 8 for axis in (0, 1)])
    size = np.hypot(*gradient)
    places = np.argwhere(size >= LEAST * ENDS)
    own = size[tuple(places.T)]
    directions = gradient[:, places[:, 0], places[:, 1]].T / own[:, None]
    before, after = (_read(size, (places + way * directions)[:, :, None])[:, 0] for way in (-1, 1))
    steepest = (own >= before) & (own >= after)
    return places[steepest], directions[steepest]


def _read(values: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values between pixels, bilinear, [E,T] at points [E,2,T]; beyond the border its pixels go on."""
    from scipy.ndimage import map_coordinates

    return np.asarray(map_coordinates(values, points.transpose(1, 0, 2), order=1, mode="nearest"))


def _ends(profiles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where the rise through the middle of each profile [E,T] begins and ends, as places on it.

    It ends where the slope over one pixel is less than a twentieth of the steepest within a pixel of the middle. A
    rise that has not ended when the line does ends nowhere: -1 or T.
    """
    length, half = profiles.shape[1], FINE // 2
    slopes = profiles[:, FINE:] - profiles[:, :-FINE]  # over one pixel; slope i is at place i + half
    middle = length // 2 - half
    steepest = slopes[:, middle - half : middle + half + 1]
    peak = middle - half + steepest.argmax(1)
    flat = slopes < ENDS * steepest.max(1)[:, None]
    at = np.arange(slopes.shape[1])
    before, after = flat & (at < peak[:, None]), flat & (at > peak[:, None])
    first = np.where(before.any(1), before.shape[1] - 1 - before[:, ::-1].argmax(1) + half, -1)
    last = np.where(after.any(1), after.argmax(1) + half, length)
    return first, last


def _inside(points: np.ndarray, first: np.ndarray, last: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Which edges begin and end on their lines and within the picture, bool [E]."""
    ends = (first >= 0) & (last < points.shape[2])
    each, most = np.arange(len(points)), np.array(shape)[None, :] - 1
    for place in (first, last):
        at = points[each, :, np.clip(place, 0, points.shape[2] - 1)]
        ends &= ((at >= 0) & (at <= most)).all(1)
    return ends


def _width(profile: np.ndarray, first: int, last: int) -> float:
    """The way from 10 % to 90 % of the rise from place ``first`` to ``last`` of a profile, in pixels."""
    rise = np.maximum.accumulate(profile[first : last + 1])  # a grain of noise on the way is no end of it
    low, high = rise[0], rise[-1]
    ten, ninety = (_reached(rise, low + share * (high - low)) for share in (0.1, 0.9))
    return (ninety - ten) / FINE


def _reached(rise: np.ndarray, level: float) -> float:
    """Where a rise reaches a level above its first value, as a place between its own."""
    i = int(np.argmax(rise >= level))
    return i - float((rise[i] - level) / (rise[i] - rise[i - 1]))
