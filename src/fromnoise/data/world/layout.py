"""Where things lie: boxes as shares of the picture, inside it, and apart where the caption counts or places them."""

from __future__ import annotations

import numpy as np

from fromnoise.data.world.chance import Chance
from fromnoise.data.world.description import Place
from fromnoise.data.world.looks import Look

EDGE = 0.015  # nothing comes nearer to the picture's edge than this
GAP = 0.03  # nor things that are counted to each other
GRID = 96  # cells a side, for measuring what covers what
WHOLE = 1 - 2 * EDGE  # the longest side that a thing may have
SIZES = {"tiny": (0.21, 0.26), "small": (0.33, 0.40), "huge": (0.95, WHOLE)}
WHERE = {
    "on the left": (0.24, None), "on the right": (0.76, None), "at the top": (None, 0.24),
    "at the bottom": (None, 0.76),
    "in the top left corner": (0.0, 0.0), "in the top right corner": (1.0, 0.0),
    "in the bottom left corner": (0.0, 1.0), "in the bottom right corner": (1.0, 1.0), "in the middle": (0.5, 0.5),
}  # fmt: skip
# Middles of cells with their side, for one to five; several layouts of a number.
CELLS: dict[int, tuple[tuple[tuple[float, float, float], ...], ...]] = {
    1: (((0.5, 0.5, 0.86),),),
    2: (((0.26, 0.5, 0.46), (0.74, 0.5, 0.46)), ((0.27, 0.27, 0.46), (0.73, 0.73, 0.46)),
        ((0.27, 0.73, 0.46), (0.73, 0.27, 0.46)), ((0.5, 0.26, 0.46), (0.5, 0.74, 0.46))),
    3: (((0.5, 0.26, 0.46), (0.26, 0.74, 0.46), (0.74, 0.74, 0.46)),
        ((0.26, 0.26, 0.46), (0.74, 0.26, 0.46), (0.5, 0.74, 0.46)),
        ((0.18, 0.5, 0.31), (0.5, 0.5, 0.31), (0.82, 0.5, 0.31))),
    4: (((0.26, 0.26, 0.46), (0.74, 0.26, 0.46), (0.26, 0.74, 0.46), (0.74, 0.74, 0.46)),
        ((0.5, 0.18, 0.32), (0.18, 0.5, 0.32), (0.82, 0.5, 0.32), (0.5, 0.82, 0.32))),
    5: (((0.19, 0.19, 0.34), (0.81, 0.19, 0.34), (0.5, 0.5, 0.27), (0.19, 0.81, 0.34), (0.81, 0.81, 0.34)),
        ((0.18, 0.27, 0.31), (0.5, 0.27, 0.31), (0.82, 0.27, 0.31), (0.34, 0.73, 0.31), (0.66, 0.73, 0.31))),
}  # fmt: skip


def boxed(look: Look, x: float, y: float, side: float) -> Place:
    """The box of a look whose longer side is ``side`` about a middle, moved inside the picture."""
    wide, high = side * look.wide, side * look.high
    left = min(max(x - wide / 2, EDGE), 1 - EDGE - wide)
    top = min(max(y - high / 2, EDGE), 1 - EDGE - high)
    return (left, top, wide, high)


def counted(look: Look, count: int, chance: Chance) -> tuple[Place, ...]:
    """Places for one to five copies, apart from each other, by turns in a row, a triangle, a square or loose."""
    cells = chance.pick(CELLS[count])
    scale = chance.between(0.82, 1.0)
    return tuple(_in_cell(look, cell, scale, chance) for cell in cells)


def two_groups(looks: tuple[Look, Look], counts: tuple[int, int], chance: Chance) -> list[tuple[Place, ...]]:
    """Places for some of one thing and some of another, the first more to the left; at most five in all."""
    cells = sorted(chance.pick(CELLS[sum(counts)]), key=lambda cell: (cell[0], cell[1]))
    kinds = [0] * counts[0] + [1] * counts[1]
    placed = [_in_cell(looks[kind], cell, 0.95, chance) for kind, cell in zip(kinds, cells, strict=True)]
    return [tuple(placed[: counts[0]]), tuple(placed[counts[0] :])]


def _in_cell(look: Look, cell: tuple[float, float, float], scale: float, chance: Chance) -> Place:
    x, y, side = cell
    inner = (side - GAP) * scale
    free = max(side - GAP - inner, 0) / 2
    return boxed(look, x + chance.between(-free, free), y + chance.between(-free, free), inner)


def placed(look: Look, where: str, chance: Chance) -> Place:
    """One thing where the words say."""
    side = chance.between(0.34, 0.44)
    x, y = WHERE[where]
    x = chance.between(0.42, 0.58) if x is None else x
    y = chance.between(0.42, 0.58) if y is None else y
    return boxed(look, x, y, side)


def side_by_side(looks: tuple[Look, Look], chance: Chance) -> list[tuple[Place, ...]]:
    """The first to the left of the second, at one height."""
    y = chance.between(0.4, 0.6)
    sides = chance.between(0.38, 0.46), chance.between(0.38, 0.46)
    return [(boxed(looks[0], 0.25, y, sides[0]),), (boxed(looks[1], 0.75, y, sides[1]),)]


def one_above(looks: tuple[Look, Look], chance: Chance) -> list[tuple[Place, ...]]:
    """The first above the second, not touching."""
    x = chance.between(0.4, 0.6)
    sides = chance.between(0.38, 0.46), chance.between(0.38, 0.46)
    return [(boxed(looks[0], x, 0.25, sides[0]),), (boxed(looks[1], x, 0.75, sides[1]),)]


def one_on(looks: tuple[Look, Look], chance: Chance) -> list[tuple[Place, ...]] | None:
    """The first standing on the second; None where the second has no top that is level enough."""
    top_side, low_side = chance.between(0.34, 0.42), chance.between(0.5, 0.62)
    low = boxed(looks[1], 0.5, 1.0, low_side)
    wide, high = top_side * looks[0].wide, top_side * looks[0].high
    feet = _feet(looks[0]) * wide
    span = (low[0] + low[2] / 2 - wide * 0.3, low[0] + low[2] / 2 + wide * 0.3)
    tops = _tops(solid(looks[1], low), span)
    if tops is None or np.ptp(tops) > 0.09:
        return None
    top = float(np.median(tops)) + 0.025 - high
    if top < EDGE:
        return None
    left = min(max(low[0] + low[2] / 2 - feet, EDGE), 1 - EDGE - wide)
    return [((left, top, wide, high),), (low,)]


def one_before(looks: tuple[Look, Look], chance: Chance) -> list[tuple[Place, ...]] | None:
    """The first in front of the second: it covers a part of it, and most of the second is still to be seen."""
    far = boxed(looks[1], 0.5, 0.42, chance.between(0.72, 0.8))
    x = 0.5 + chance.pick((-1, 1)) * chance.between(0.12, 0.24)
    near = boxed(looks[0], x, 0.8, chance.between(0.36, 0.44))
    first, second = solid(looks[0], near), solid(looks[1], far)
    both = (first & second).sum()
    if both < 0.2 * first.sum() or both > 0.4 * second.sum() or near[1] + near[3] < far[1] + far[3]:
        return None
    return [(near,), (far,)]


def solid(look: Look, place: Place) -> np.ndarray:
    """Which cells of the picture a thing fills: bool [GRID,GRID]."""
    cells = np.zeros((GRID, GRID), bool)
    left, top = round(place[0] * GRID), round(place[1] * GRID)
    wide, high = max(1, round(place[2] * GRID)), max(1, round(place[3] * GRID))
    rows = (np.arange(high) + 0.5) * look.mask.shape[0] / high
    columns = (np.arange(wide) + 0.5) * look.mask.shape[1] / wide
    part = look.mask[rows.astype(int)][:, columns.astype(int)]
    cells[top : top + high, left : left + wide] = part[: GRID - top, : GRID - left]
    return cells


def _feet(look: Look) -> float:
    """Where along its width a thing touches the floor, 0…1."""
    lowest = look.mask[int(look.mask.shape[0] * 0.93) :].any(0)
    return float((np.flatnonzero(lowest).mean() + 0.5) / look.mask.shape[1]) if lowest.any() else 0.5


def _tops(cells: np.ndarray, span: tuple[float, float]) -> np.ndarray | None:
    """The height of the upper edge in the columns of a span; None where some are empty."""
    columns = cells[:, max(0, int(span[0] * GRID)) : int(np.ceil(span[1] * GRID))]
    if not columns.size or not columns.any(0).all():
        return None
    found: np.ndarray = columns.argmax(0) / GRID
    return found
