"""A picture hidden in coloured static: an autostereogram, to be seen by looking through the page.

Every point of a scene is seen by two eyes through two places of the page, which must have the same colour; the nearer
the point, the closer together they are. All such demands of a row are gathered, places that must be alike get one
colour, and which one is chance: so each eye alone sees static, and both together see a shape. The geometry, the
symmetry (a point's two places lie evenly to both sides of it) and the removal of hidden surfaces are those of
Thimbleby, Inglis and Witten 1994, "Displaying 3D images: algorithms for single-image random-dot stereograms", IEEE
Computer 27(10), pages 38-48. Depths are 0 (the ground, far) to 1 (nearest).
"""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fromnoise.drawing.matte import WHITE, alpha_of, unmixed
from fromnoise.drawing.picture_file import Origin

EYES, FIELD = 192, 1 / 3  # pixels between the eyes; the nearest point's way towards them, of the ground's distance
FAR = EYES // 2  # pixels from a place to its twin on the ground, which is also the margin at both sides
LONG = 512  # pixels of the hidden picture's longer side on the page
TOP, BOTTOM = 56, 24  # pixels of ground above, for the two guide dots, and below
RADIUS = 6  # pixels of a guide dot
DOT = 2  # pixels of a dot of static
BAND = 64  # rows computed at a time
BASE, ROUND, LIGHT = 0.55, 0.3, 0.15  # of the depth: the shape's edge, what its middle has more, what light parts have
NO_SHAPE = "there is no shape on a white background to hide; light parts are made near and dark ones far"


def stereogram(picture: Tensor, seed: int) -> Tensor:
    """A page of static with the shape of a drawn picture in it, and two dots to aim the eyes with.

    Look through the page, as at something behind it, until the two dots are three: wall-eyed.

    Args:
        picture: uint8 [3,H,W]; its shape is what is not white background (:mod:`fromnoise.drawing.matte`).
        seed: of the static; the lowest 32 bits count. Equal seeds give equal pages.

    Returns:
        uint8 [3,H',W'], as large as :func:`page_depth` of the picture.
    """
    page = dots(page_depth(picture), seed)
    rows, columns = np.mgrid[: page.shape[0], : page.shape[1]]
    for side in (-1, 1):
        away = np.hypot(rows - TOP // 2, columns - (page.shape[1] + side * FAR) // 2)
        page[away <= RADIUS + 2] = WHITE
        page[away <= RADIUS] = 0
    return torch.from_numpy(page).permute(2, 0, 1).contiguous()


def as_shown(picture: Tensor, origin: Origin) -> Tensor:
    """What a file holds of a drawn picture, uint8 [C,H,W]: itself, or the page that hides it."""
    return stereogram(picture, origin.request.seed) if origin.shown_as == "stereogram" else picture


def dots(depth: np.ndarray, seed: int) -> np.ndarray:
    """Static, uint8 [H,W,3], in which both eyes together see ``depth``, float [H,W], 0…1.

    Where the depth is even, a row repeats itself after :func:`separation` pixels.
    """
    height, width = depth.shape
    shape = (-(-height // DOT), -(-width // DOT), 3)
    rng = torch.Generator().manual_seed(seed)
    static = torch.randint(0, WHITE + 1, shape, generator=rng, dtype=torch.uint8).numpy()
    even = depth[np.arange(height) // DOT * DOT]  # the rows of one row of dots are alike
    alike = np.concatenate([same_colour(even[y : y + BAND]) for y in range(0, height, BAND)])
    return static[np.arange(height)[:, None] // DOT, alike // DOT]


def separation(depth: np.ndarray) -> np.ndarray:
    """Pixels between the two places at which the eyes see points of these depths: int, as ``depth``.

    (1 - μz) E / (2 - μz), Thimbleby, Inglis and Witten 1994, equation 1; 96 on the ground, 77 at the nearest.
    """
    return np.rint((1 - FIELD * depth) * EYES / (2 - FIELD * depth)).astype(np.int64)


def same_colour(depth: np.ndarray) -> np.ndarray:
    """For each place of a row the rightmost one that must have its colour: int64 [H,W], for float [H,W], 0…1."""
    height, width = depth.shape
    apart, x = separation(depth), np.arange(width)
    left = x - apart // 2
    right = left + apart
    rows, columns = np.nonzero((left >= 0) & (right < width) & _seen(depth))
    found = _parts(height * width, *(rows * width + end[rows, columns] for end in (left, right)))
    return found.reshape(depth.shape) % width


def _seen(depth: np.ndarray) -> np.ndarray:
    """Which points both eyes see, bool [H,W]: nothing nearer stands in either's way.

    On its way to an eye a ray is ``t`` pixels further to the side when it is 2 (2 - μz) t / (μE) nearer (the same
    paper, "hidden-surface removal").
    """
    width, seen = depth.shape[1], np.ones(depth.shape, bool)
    for t in range(1, int(FIELD * EYES / 4) + 2):  # further on, all rays are nearer than the nearest point
        ray = depth + 2 * (2 - FIELD * depth) * t / (FIELD * EYES)
        beside = np.pad(depth, [(0, 0), (t, t)])
        seen &= (beside[:, :width] < ray) & (beside[:, 2 * t :] < ray)
    return seen


def _parts(count: int, one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """The largest number among all that each of 0…count-1 is linked to, directly or by others: int64 [count]."""
    top = np.arange(count)
    while True:
        larger, new = np.maximum(top[one], top[other]), top.copy()
        for end in (one, other):
            np.maximum.at(new, top[end], larger)
            np.maximum.at(new, end, larger)
        new = new[new]
        if np.array_equal(new, top):
            return top
        top = new


def page_depth(picture: Tensor) -> np.ndarray:
    """The depth of each place of the page that hides a picture, float64 [H',W'], 0…1: 0 around its shape.

    Args:
        picture: uint8 [3,H,W].
    """
    size = page_size(picture)
    inside, height = _relief(_made_smaller(picture, size))
    shape = np.where(_resized(inside, size) >= 0.5, _resized(height, size).clip(0, 1), 0.0)
    return np.pad(shape, [(TOP, BOTTOM), (FAR, FAR)])


def _made_smaller(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """A picture that is larger than on the page, as large as there: no finer shape can be hidden."""
    if max(picture.shape[1:]) <= LONG:
        return picture
    smaller = Image.fromarray(_rows(picture)).resize(size, Image.Resampling.BOX)  # which never leaves 0…255
    return torch.from_numpy(np.array(smaller)).permute(2, 0, 1)


def page_size(picture: Tensor) -> tuple[int, int]:
    """(width, height) in pixels of a picture, uint8 [3,H,W], on the page."""
    height, width = picture.shape[1:]
    return (max(1, round(width * LONG / max(height, width))), max(1, round(height * LONG / max(height, width))))


def told_of_depth(picture: Tensor) -> tuple[str, ...]:
    """What to tell whoever wants the shape of this picture, uint8 [3,H,W], hidden."""
    return () if (alpha_of(_rows(picture)) < WHITE).any() else (NO_SHAPE,)


def _relief(picture: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """How much of each pixel is the thing, and how near it is: float64 [H,W], 0…1.

    A thing stands out as a cushion does, highest where it is furthest from its edge; its light parts a little more.
    """
    rgb = _rows(picture)
    alpha = alpha_of(rgb)
    light = unmixed(rgb, alpha)[..., :3] @ np.array([0.299, 0.587, 0.114]) / WHITE
    if alpha.min() == WHITE:
        return np.ones(light.shape), light
    inside = alpha >= WHITE / 2
    within = distance_to_edge(inside)
    rise = np.sqrt(1 - (1 - within / max(1.0, float(within.max()))) ** 2)
    light = np.where(inside, light - light[inside].mean() if inside.any() else 0, 0)
    return alpha / WHITE, BASE + ROUND * rise + LIGHT * light


def distance_to_edge(inside: np.ndarray) -> np.ndarray:
    """How far each pixel that is ``inside``, bool [H,W], is from the nearest that is not: float64 [H,W], 0 outside.

    Beyond the border is outside. Exact: first along columns, then the lowest of the parabolas of a row.
    """
    padded = np.pad(inside, 1)
    y, down = np.arange(padded.shape[0])[:, None], np.zeros(padded.shape, np.int64)
    before = np.maximum.accumulate(np.where(padded, -1, y), axis=0)
    after = np.minimum.accumulate(np.where(padded, padded.shape[0], y)[::-1], axis=0)[::-1]
    down = np.minimum(y - before, after - y) ** 2
    aside = np.subtract.outer(np.arange(padded.shape[1]), np.arange(padded.shape[1])) ** 2
    squares = np.stack([(row + aside).min(1) for row in down])
    return np.sqrt(squares)[1:-1, 1:-1]


def _resized(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    picture = Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BICUBIC)
    return np.asarray(picture).astype(np.float64)


def _rows(picture: Tensor) -> np.ndarray:
    return np.ascontiguousarray(picture[:3].permute(1, 2, 0).numpy())
