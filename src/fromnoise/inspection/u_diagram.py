"""A network with skip connections as a U: down on the left, up on the right, and what goes straight across between."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw

GAP, ACROSS, INDENT, EDGE = 26, 110, 24, 16  # pixels: between rows, between both ways, for each size, around
INK, SKIP, FRAME = (70, 60, 55), (162, 58, 32), (150, 140, 130)
DASH = 7  # pixels of a dash, and of the room between two
Box = tuple[int, int, int, int]  # left, top, right, bottom
Point = tuple[int, int]


@dataclass(frozen=True)
class Layout:
    """Which part stands where.

    Attributes:
        rows: from above, what goes down and what comes up again level with it; None where there is nothing.
        bottom: what is on neither way, in the order in which a picture passes it.
    """

    rows: tuple[tuple[str | None, str | None], ...]
    bottom: tuple[str, ...]


def layout(paths: Sequence[str], skips: Sequence[tuple[str, str]]) -> Layout:
    """Lay a network out: each part that takes what another one left stands level with it.

    Args:
        paths: of all parts, in the order in which a picture passes them.
        skips: see :func:`fromnoise.inspection.architecture.skips_of`.
    """
    left = {source for source, _ in skips}
    taken = {path: source for source, path in skips}
    first = next(i for i, path in enumerate(paths) if path in taken)
    rows = tuple((taken.get(path), path) for path in reversed(paths[first:]))
    return Layout(rows, tuple(path for path in paths[:first] if path not in left))


def u_diagram(
    parts: Mapping[str, Image.Image],
    levels: Mapping[str, int],
    skips: Sequence[tuple[str, str]],
    ends: tuple[Image.Image, Image.Image],
) -> Image.Image:
    """Draw the U.

    Args:
        parts: what stands in the box of each part, by its path, in the order in which a picture passes them.
        levels: how often the map of each has become smaller; deeper ones stand further inside.
        skips: see :func:`layout`.
        ends: what goes in, above the first part, and what comes out, above the last.

    Returns:
        RGB, on white.
    """
    found = layout(list(parts), skips)
    boxes = _boxes(parts, levels, found, max(end.height for end in ends) + GAP)
    width = max(box[2] for box in boxes.values()) + EDGE
    whole = Image.new("RGB", (width, max(box[3] for box in boxes.values()) + EDGE), "white")
    draw = ImageDraw.Draw(whole)
    for path, picture in parts.items():
        left, top, right, bottom = boxes[path]
        draw.rectangle([left - 1, top - 1, right, bottom], outline=FRAME)
        whole.paste(picture, (left, top))
    for source, path in skips:
        (_, top, right, bottom), to = boxes[source], boxes[path]
        y = (max(top, to[1]) + min(bottom, to[3])) // 2
        _arrow(draw, [(right + 4, y), (to[0] - 4, y)], SKIP, dashed=True)
    _ends(whole, draw, found, boxes, ends)
    _way(draw, found, boxes)
    return whole


def _boxes(parts: Mapping[str, Image.Image], levels: Mapping[str, int], found: Layout, top: int) -> dict[str, Box]:
    """Where each part stands."""
    inside, widest = max(levels.values()) * INDENT, max(picture.width for picture in parts.values())
    middle = EDGE + widest + inside + ACROSS // 2
    boxes: dict[str, Box] = {}
    for row in found.rows:
        height = max(parts[path].height for path in row if path)
        for path, side in zip(row, (-1, 1), strict=True):
            if path:
                picture, off = parts[path], ACROSS // 2 + inside - levels[path] * INDENT
                left = middle - off - picture.width if side < 0 else middle + off
                boxes[path] = (left, top, left + picture.width, top + picture.height)
        top += height + GAP
    for path in found.bottom:
        left = middle - parts[path].width // 2
        boxes[path] = (left, top, left + parts[path].width, top + parts[path].height)
        top += parts[path].height + GAP
    return boxes


def _ends(
    whole: Image.Image,
    draw: ImageDraw.ImageDraw,
    found: Layout,
    boxes: Mapping[str, Box],
    ends: tuple[Image.Image, Image.Image],
) -> None:
    for path, end, comes_in in zip(found.rows[0], ends, (True, False), strict=True):
        if path is None:
            continue
        x, y = _middle(boxes[path])[0], boxes[path][1]
        whole.paste(end, (x - end.width // 2, y - GAP - end.height))
        line = [(x, y - GAP + 2), (x, y - 4)]
        _arrow(draw, line if comes_in else line[::-1], INK)


def _way(draw: ImageDraw.ImageDraw, found: Layout, boxes: Mapping[str, Box]) -> None:
    """Arrows from part to part: down, through the bottom, up."""
    down = [boxes[path] for path, _ in found.rows if path]
    up = [boxes[path] for _, path in reversed(found.rows) if path]
    bottom = [boxes[path] for path in found.bottom]
    for one, other in [*itertools.pairwise(down), *itertools.pairwise(bottom)]:
        x = _middle(other)[0]
        _arrow(draw, [(x, one[3] + 4), (x, other[1] - 4)], INK)
    for one, other in itertools.pairwise(up):
        x = _middle(one)[0]
        _arrow(draw, [(x, one[1] - 4), (x, other[3] + 4)], INK)
    if bottom:
        (x, y), (last, _) = _middle(bottom[0]), _middle(down[-1])
        _arrow(draw, [(last, down[-1][3] + 4), (last, y), (bottom[0][0] - 4, y)], INK)
        (x, y), (last, _) = _middle(bottom[-1]), _middle(up[0])
        _arrow(draw, [(bottom[-1][2] + 4, y), (last, y), (last, up[0][3] + 4)], INK)


def _middle(box: Box) -> Point:
    return (box[0] + box[2]) // 2, (box[1] + box[3]) // 2


def _arrow(
    draw: ImageDraw.ImageDraw, points: Sequence[Point], colour: Point | Sequence[int], dashed: bool = False
) -> None:
    """A line through points that are level with or above each other, with a head at the last."""
    fill = tuple(colour)
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        long = abs(x1 - x0) + abs(y1 - y0)
        step = 2 * DASH if dashed else max(1, long)
        for at in range(0, long, step):
            ends = (at / max(1, long), min(1.0, (at + (DASH if dashed else step)) / max(1, long)))
            draw.line([(x0 + (x1 - x0) * e, y0 + (y1 - y0) * e) for e in ends], fill, 2)
    (x0, y0), (x1, y1) = points[-2:]
    dx, dy = (x1 > x0) - (x1 < x0), (y1 > y0) - (y1 < y0)
    head = [(x1, y1), (x1 - 9 * dx - 5 * dy, y1 - 9 * dy - 5 * dx), (x1 - 9 * dx + 5 * dy, y1 - 9 * dy + 5 * dx)]
    draw.polygon(head, fill=fill)
