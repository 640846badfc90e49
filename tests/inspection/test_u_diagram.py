"""A U drawn of planted parts: who stands level with whom, and that nothing is drawn over a part."""

from __future__ import annotations

import itertools

import numpy as np
from PIL import Image

from fromnoise.inspection.u_diagram import layout, u_diagram

# Two sizes, two blocks each, as Stable Diffusion has them: what makes a map larger takes nothing from the way down.
PATHS = ["in", "down.a", "down.b", "down.smaller", "down.c", "middle.m", "up.c", "up.smaller", "up.larger", "up.b"]
PATHS += ["up.a", "up.in"]
SKIPS = [("down.c", "up.c"), ("down.smaller", "up.smaller"), ("down.b", "up.b"), ("down.a", "up.a"), ("in", "up.in")]
ROWS = [("in", "up.in"), ("down.a", "up.a"), ("down.b", "up.b"), (None, "up.larger"), ("down.smaller", "up.smaller")]
ROWS += [("down.c", "up.c")]
DEEP = ("down.smaller", "down.c", "middle.m", "up.c", "up.smaller")


def test_a_part_stands_level_with_the_one_that_takes_what_it_left() -> None:
    found = layout(PATHS, SKIPS)
    assert list(found.rows) == ROWS
    assert found.bottom == ("middle.m",)


def boxes_in(picture: Image.Image, colours: dict[str, tuple[int, int, int]]) -> dict[str, tuple[int, int, int, int]]:
    """Where each colour is: left, top, right, bottom; it must fill all of that."""
    pixels, found = np.asarray(picture), {}
    for path, colour in colours.items():
        ys, xs = np.nonzero((pixels == colour).all(-1))
        left, top, right, bottom = (int(n) for n in (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1))
        assert len(xs) == (right - left) * (bottom - top), path
        found[path] = left, top, right, bottom
    return found


def test_the_drawing_is_a_u() -> None:
    colours = {path: (10 * i, 200 - 10 * i, 5 * i) for i, path in enumerate(PATHS)}
    parts = {path: Image.new("RGB", (90, 30 + 4 * (i % 3)), colours[path]) for i, path in enumerate(PATHS)}
    ends = {"noise": (0, 0, 255), "guess": (0, 255, 255)}
    pictures = tuple(Image.new("RGB", (40, 40), colour) for colour in ends.values())
    picture = u_diagram(parts, {path: int(path in DEEP) for path in PATHS}, SKIPS, (pictures[0], pictures[1]))
    found = boxes_in(picture, colours | ends)
    for path, part in parts.items():
        left, top, right, bottom = found[path]
        assert (right - left, bottom - top) == part.size
    for source, to in SKIPS:
        assert found[source][1] == found[to][1]
        assert found[source][2] < found[to][0]
    down = [found[path] for path in PATHS[: PATHS.index("middle.m") + 1]]
    assert all(one[3] < other[1] for one, other in itertools.pairwise(down))
    up = [found[path] for path in PATHS[PATHS.index("middle.m") :]]
    assert all(one[1] > other[3] for one, other in itertools.pairwise(up))
    assert found["down.smaller"][0] > found["down.a"][0] == found["in"][0]
    assert found["up.smaller"][2] < found["up.larger"][2] == found["up.in"][2]
    assert found["noise"][3] < found["in"][1]
    assert found["guess"][3] < found["up.in"][1]
    pixels = np.asarray(picture)
    for source, to in SKIPS:  # a line goes from one to the other, and none where nothing is skipped
        between = pixels[found[source][1] : found[source][3], found[source][2] + 1 : found[to][0] - 1]
        assert (between != 255).any()
    top, bottom = found["up.larger"][1], found["up.larger"][3]
    assert (pixels[top:bottom, found["down.a"][2] + 2 : found["up.larger"][0] - 2] == 255).all()
