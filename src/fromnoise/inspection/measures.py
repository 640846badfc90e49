"""Measures made by hand: what a person would look at to tell a banana from a tomato, as one number for each picture.

All take pictures as uint8 [N,3,P,P] on white and return float32 [N]; none looks at more than the pictures themselves.
"The thing" is everything that is not nearly white. A picture that is all white measures 0 in everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.ground.errors import UserError

WHITE = 24  # a pixel is white that lacks no more than this of 255 in any colour
MOST_PARTS = 20.0
SMALLEST = 0.01  # of the thing: what is smaller is no part of it
FIFTH, THIRD = 5, 3  # of the thing's height, counted from its top


@dataclass(frozen=True, eq=False)
class Measure:
    """One measure.

    Attributes:
        name: one word, as it is chosen.
        about: one plain sentence.
        of: pictures uint8 [N,3,P,P] → float32 [N].
        low, high: between which its values lie.
    """

    name: str
    about: str
    of: Callable[[Tensor], Tensor]
    low: float = 0.0
    high: float = 1.0

    def __call__(self, picture: Tensor) -> float:
        """The measure of one picture, uint8 [3,P,P]."""
        return float(self.of(picture[None])[0])


def thing(pictures: Tensor) -> Tensor:
    """Where something is: bool [N,P,P]."""
    return (255 - pictures.int()).amax(1) > WHITE


def measured(pictures: Tensor, names: Sequence[str] = ()) -> Tensor:
    """All measures of pictures uint8 [N,3,P,P], or the named ones, as float32 [N,M]; a row is one picture.

    Raises:
        UserError: there is no such measure.
    """
    return torch.stack([MEASURES[name].of(pictures) for name in check_measures(names or list(MEASURES))], 1)


def check_measures(names: Sequence[str]) -> Sequence[str]:
    """The names, if all are measures.

    Raises:
        UserError: one is not.
    """
    for name in names:
        if name not in MEASURES:
            raise UserError(f"there is no measure '{name}'; choose among {', '.join(MEASURES)}", "measures")
    return names


# --- colours: means over the thing ------------------------------------------------------------------------------


def _mean(values: Tensor, where: Tensor) -> Tensor:
    """Mean of values [N,P,P] where something is; 0 where nothing is."""
    return (values * where).sum((1, 2)) / where.sum((1, 2)).clamp_min(1)


def _excess(pictures: Tensor, more: list[int], less: list[int]) -> Tensor:
    """How much more of some colours than of others each pixel has, 0…1: [N,P,P]."""
    x = pictures.float() / 255
    return (x[:, more].amin(1) - x[:, less].amax(1)).clamp_min(0)


def yellowness(pictures: Tensor) -> Tensor:
    """How much more red and green than blue; 1 for pure yellow."""
    return _mean(_excess(pictures, [0, 1], [2]), thing(pictures))


def redness(pictures: Tensor) -> Tensor:
    """How much more red than green and blue."""
    return _mean(_excess(pictures, [0], [1, 2]), thing(pictures))


def greenness(pictures: Tensor) -> Tensor:
    """How much more green than red and blue."""
    return _mean(_excess(pictures, [1], [0, 2]), thing(pictures))


def blueness(pictures: Tensor) -> Tensor:
    """How much more blue than red and green."""
    return _mean(_excess(pictures, [2], [0, 1]), thing(pictures))


def lightness(pictures: Tensor) -> Tensor:
    """Mean of all three colours."""
    return _mean(pictures.float().mean(1) / 255, thing(pictures))


def colourfulness(pictures: Tensor) -> Tensor:
    """Strongest colour less the weakest."""
    return _mean((pictures.amax(1).float() - pictures.amin(1)) / 255, thing(pictures))


def patchwork(pictures: Tensor) -> Tensor:
    """How far colours stray from the thing's mean colour; 1 for half black and half white."""
    where, x = thing(pictures), pictures.float() / 255
    means = torch.stack([_mean(x[:, c], where) for c in range(3)], 1)[..., None, None]
    return 2 * _mean(((x - means) ** 2).mean(1), where).sqrt()


def detail(pictures: Tensor) -> Tensor:
    """Mean step of grey from a pixel to its neighbour on the right and below, both inside the thing."""
    where, grey = thing(pictures), pictures.float().mean(1) / 255
    across = (grey[:, :, 1:] - grey[:, :, :-1]).abs(), where[:, :, 1:] & where[:, :, :-1]
    down = (grey[:, 1:] - grey[:, :-1]).abs(), where[:, 1:] & where[:, :-1]
    return (_mean(*across) + _mean(*down)) / 2


def green_top(pictures: Tensor) -> Tensor:
    """Greenness of the thing's upper third less that of the whole thing."""
    where, green = thing(pictures), _excess(pictures, [1], [0, 2])
    return _mean(green, where & _upper(where, THIRD)) - _mean(green, where)


# --- shape: of the thing's outline ------------------------------------------------------------------------------


def size(pictures: Tensor) -> Tensor:
    """Share of the picture that is not white."""
    return thing(pictures).float().mean((1, 2))


def _moments(where: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Area and second moments (xx, yy, xy) per area about the middle, of squares as large as pixels: each [N]."""
    side = torch.arange(where.shape[-1], dtype=torch.float64)
    mass = where.double()
    area = mass.sum((1, 2)).clamp_min(1)
    across, down = mass.sum(1), mass.sum(2)  # [N,P] each
    x, y = (across @ side) / area, (down @ side) / area
    xx, yy = (across @ side**2) / area - x**2, (down @ side**2) / area - y**2
    xy = torch.einsum("nyx,y,x->n", mass, side, side) / area - x * y
    return area, xx + 1 / 12, yy + 1 / 12, xy


def roundness(pictures: Tensor) -> Tensor:
    """Area² / (2π · moment about the middle): 1 for a disc, 3/π for a square, near 0 for a line."""
    where = thing(pictures)
    area, xx, yy, _ = _moments(where)
    return (area / (2 * math.pi * (xx + yy))).float() * where.any(2).any(1)


def longness(pictures: Tensor) -> Tensor:
    """1 - short axis / long axis: 0 for a disc or a square, near 1 for a line, whichever way it lies."""
    _, xx, yy, xy = _moments(thing(pictures))
    middle, spread = (xx + yy) / 2, (((xx - yy) / 2) ** 2 + xy**2).sqrt()
    return (1 - ((middle - spread).clamp_min(0) / (middle + spread)).sqrt()).float()


def slant(pictures: Tensor) -> Tensor:
    """How far it lies along a diagonal: 0 for anything upright, lying or round, near 1 for a diagonal line."""
    _, xx, yy, xy = _moments(thing(pictures))
    return (2 * xy.abs() / (xx + yy)).float()


def _box(where: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """First and last column and row of each thing, int64 [N] each; nothing counts as the whole square."""
    side = where.shape[-1]
    columns, rows = where.any(1), where.any(2)
    found = []
    for line in (columns, rows):
        found += [line.int().argmax(1), side - 1 - line.flip(1).int().argmax(1)]
    return found[0], found[1], found[2], found[3]


def fullness(pictures: Tensor) -> Tensor:
    """Share of the thing's box that it fills: 1 for an upright rectangle, π/4 for a disc."""
    where = thing(pictures)
    left, right, top, bottom = _box(where)
    return where.sum((1, 2)) / ((right - left + 1) * (bottom - top + 1)).float()


def symmetry(pictures: Tensor) -> Tensor:
    """The thing's outline and its mirror image in its box: what both cover of what either covers."""
    where = thing(pictures)
    left, right, _, _ = _box(where)
    place = torch.arange(where.shape[-1])
    other = (left + right)[:, None] - place  # where each column is mirrored from
    inside = (other >= 0) & (other < where.shape[-1])
    mirrored = where.gather(2, other.clamp(0, where.shape[-1] - 1)[:, None].expand_as(where)) & inside[:, None]
    return (where & mirrored).sum((1, 2)) / (where | mirrored).sum((1, 2)).clamp_min(1)


def _upper(where: Tensor, part: int) -> Tensor:
    """The rows of each thing's uppermost 1/part, at least one: bool [N,P,1]."""
    _, _, top, bottom = _box(where)
    last = top + ((bottom - top + 1).float() / part).ceil().long()
    rows = torch.arange(where.shape[-1])
    return ((rows >= top[:, None]) & (rows < last[:, None]))[..., None]


def stem(pictures: Tensor) -> Tensor:
    """1 - mean width of its uppermost fifth / its greatest width: 0 for a rectangle, near 1 for a thin stem."""
    where = thing(pictures)
    upper = _upper(where, FIFTH)
    widths = where.sum(2).float()
    top = (widths * upper[..., 0]).sum(1) / upper.sum((1, 2))
    widest = widths.amax(1)
    return torch.where(widest > 0, 1 - top / widest.clamp_min(1), 0.0)


# --- parts and holes --------------------------------------------------------------------------------------------


def spread(seeds: Tensor, where: Tensor, corners: bool) -> Tensor:
    """Let the largest number of ``seeds`` [N,P,P] flow through all places that hang together in ``where``.

    A number flows along whole runs of a row, then of a column, so that few rounds are needed.

    Args:
        seeds: numbers >= 0.
        where: bool [N,P,P]; nothing flows elsewhere.
        corners: whether places that touch only by a corner hang together.
    """
    found, before = (seeds * where).float(), None
    rows, columns = _runs(where), _runs(where.transpose(1, 2))
    while before is None or not torch.equal(found, before):
        before = found
        if corners:
            found = F.max_pool2d(found[:, None], 3, 1, 1)[:, 0] * where
        found = _along(_along(found, rows).transpose(1, 2), columns).transpose(1, 2) * where
    return found


def _runs(where: Tensor) -> Tensor:
    """Numbers the runs of each row from 1 on, int64 as ``where``; 0 stands between them."""
    begins = where & ~F.pad(where, (1, 0))[..., :-1]
    return begins.flatten().cumsum(0).view(where.shape) * where


def _along(values: Tensor, runs: Tensor) -> Tensor:
    """The largest value of each place's run."""
    largest = torch.zeros(int(runs.max()) + 1).scatter_reduce(0, runs.flatten(), values.flatten(), "amax")
    return largest[runs]


def pieces(where: Tensor, smallest: float = 0.0) -> Tensor:
    """How many pieces that touch nowhere, not even by a corner: float32 [N].

    Args:
        where: bool [N,P,P].
        smallest: share of all, below which a piece does not count.
    """
    count = where[0].numel()
    numbers = torch.arange(1, count + 1).view(1, *where.shape[1:]).expand_as(where)
    labels = spread(numbers, where, corners=True).flatten(1).long()
    sizes = torch.zeros(len(where), count + 1).scatter_add_(1, labels, torch.ones(labels.shape))[:, 1:]
    return ((sizes > 0) & (sizes >= smallest * sizes.sum(1, keepdim=True))).sum(1).float()


def parts(pictures: Tensor) -> Tensor:
    """How many pieces the thing has, 20 at most."""
    return pieces(thing(pictures), SMALLEST).clamp_max(MOST_PARTS)


def holes(pictures: Tensor) -> Tensor:
    """White that is enclosed: its share of the thing with all its holes filled."""
    white = F.pad(~thing(pictures), (1, 1, 1, 1), value=True)
    rim = torch.zeros_like(white)
    rim[:, 0, 0] = True
    outside = spread(rim, white, corners=False) > 0
    filled = (~outside).sum((1, 2))
    return (white & ~outside).sum((1, 2)) / filled.clamp_min(1)


_ALL = (
    Measure("yellowness", "how much more red and green light than blue it has: bananas have much of it", yellowness),
    Measure("redness", "how much more red light than green and blue", redness),
    Measure("greenness", "how much more green light than red and blue", greenness),
    Measure("blueness", "how much more blue light than red and green", blueness),
    Measure("lightness", "how light the thing is, from black (0) to white (1)", lightness),
    Measure("colourfulness", "how far from grey its colours are", colourfulness),
    Measure("patchwork", "how much its colours differ from place to place", patchwork),
    Measure("detail", "how much the grey changes from one pixel to the next", detail),
    Measure("size", "how much of the picture it covers", size),
    Measure("roundness", "how near its outline is to a disc (1)", roundness),
    Measure("longness", "how much longer than wide it is: 0 a disc, 1 a line", longness),
    Measure("slant", "how far it lies along a diagonal", slant),
    Measure("symmetry", "how well its outline fits its own mirror image", symmetry),
    Measure("fullness", "how much of the smallest box around it it fills", fullness),
    Measure("stem", "how thin it is at the top, against its widest place", stem),
    Measure("green_top", "how much greener its top is than the rest, as under a tomato's leaves", green_top, -1.0),
    Measure("holes", "how much white it encloses, as the inside of a ring", holes),
    Measure("parts", "how many pieces it has that do not touch", parts, 0.0, MOST_PARTS),
)
MEASURES: dict[str, Measure] = {each.name: each for each in _ALL}
