"""A picture hidden in static: the paper's own algorithm, depths that are found again, and nothing for one eye."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from fromnoise.drawing.stereogram import (
    BASE,
    EYES,
    FAR,
    FIELD,
    NO_SHAPE,
    TOP,
    distance_to_edge,
    dots,
    page_depth,
    page_size,
    same_colour,
    separation,
    stereogram,
    told_of_depth,
)


def as_published(z: np.ndarray) -> list[int]:
    """Thimbleby, Inglis and Witten 1994, figure 3, one row, line by line (C made Python); the end of each chain."""
    width = len(z)
    same = list(range(width))
    for x in range(width):
        s = round((1 - FIELD * z[x]) * EYES / (2 - FIELD * z[x]))
        left = x - s // 2
        right = left + s
        if not (left >= 0 and right < width):
            continue
        t, visible = 1, True
        while True:
            zt = z[x] + 2 * (2 - FIELD * z[x]) * t / (FIELD * EYES)
            visible = bool(z[x - t] < zt and z[x + t] < zt)
            t += 1
            if not (visible and zt < 1):
                break
        if not visible:
            continue
        k = same[left]
        while k not in (left, right):
            if k < right:
                left, k = k, same[k]
            else:
                same[left] = right
                left, k, right = right, same[right], k
        same[left] = right
    for x in reversed(range(width)):
        same[x] = same[same[x]]
    return same


def scene(kind: str, height: int = 120, width: int = 480) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    if kind == "box":
        return np.where((abs(x - 240) < 90) & (abs(y - 60) < 40), 0.8, 0.0)
    if kind == "bump":
        return np.exp(-(((x - 240) / 90.0) ** 2) - ((y - 60) / 40.0) ** 2)
    if kind == "ramp":
        return np.clip((x - 100) / 280, 0, 1).astype(float)
    far_and_near = np.where(abs(x - 180) < 50, 1.0, 0.0)  # "steps": the nearest beside the middle
    return np.maximum(far_and_near, np.where(abs(x - 300) < 50, 0.4, 0.0))


def test_places_of_one_colour_are_those_of_the_published_algorithm() -> None:
    rng = np.random.default_rng(0)
    rows = [scene(kind)[60] for kind in ("box", "bump", "ramp", "steps")]
    rows += [np.repeat(rng.random(16), 30) for _ in range(12)]  # cliffs, which hide what is behind them
    rows += [np.round(rng.random(480), 3) for _ in range(4)]
    found = same_colour(np.stack(rows))
    assert found.tolist() == [as_published(row) for row in rows]


def seen_by_two_eyes(page: np.ndarray) -> np.ndarray:
    """The distance at which each place's surroundings meet themselves again, int [H,W]: all from the page alone."""
    height, width = page.shape[:2]
    found = []
    distances = range(70, 103)
    for apart in distances:
        alike = np.zeros((height, width))
        equal = (page[:, : width - apart] == page[:, apart:]).all(-1)
        alike[:, apart // 2 : apart // 2 + width - apart] = equal
        found.append(ndimage.uniform_filter(alike, 9))
    return np.array(distances)[np.argmax(found, axis=0)]


@pytest.mark.parametrize("kind", ["box", "bump", "ramp", "steps"])
@pytest.mark.parametrize("seed", [1, 7])
def test_the_depth_is_found_again_from_the_page_alone(kind: str, seed: int) -> None:
    depth = scene(kind)
    planted, found = separation(depth), seen_by_two_eyes(dots(depth, seed))
    cliff = np.abs(np.diff(depth, axis=1, prepend=depth[:, :1])) + np.abs(np.diff(depth, axis=0, prepend=depth[:1]))
    inside = ndimage.distance_transform_edt(cliff < 0.1) > 16  # a cliff's surroundings belong to both sides
    inside[:, :FAR] = inside[:, -FAR:] = False
    assert inside.mean() > 0.3
    assert set(planted[inside].tolist()) >= {"box": {81, 96}, "steps": {77, 89, 96}}.get(kind, {80, 87, 95})
    right = np.abs(planted - found)[inside] <= 1
    assert right.mean() > 0.95


@pytest.mark.parametrize(("depth", "period"), [(0.0, 96), (0.5, 87), (1.0, 77)])
def test_an_even_depth_is_a_row_that_repeats_itself(depth: float, period: int) -> None:
    page = dots(np.full((20, 400), depth), 3)
    assert (page[:, period:] == page[:, :-period]).all()
    for other in range(1, period):
        assert (page[:, other:] != page[:, :-other]).any()
    assert np.unique(page).size > 250  # and what repeats itself is static of all colours
    assert (page[0] == page[1]).all()  # in dots of two pixels
    assert not (page[1] == page[2]).all()


def disc(size: int = 64) -> torch.Tensor:
    y, x = np.mgrid[:size, :size]
    picture = np.full((3, size, size), 255, np.uint8)
    middle, radius = (size - 1) / 2, 20 * size / 64
    picture[:, np.hypot(y - middle, x - middle) < radius] = np.array([[200], [30], [30]], np.uint8)
    return torch.from_numpy(picture)


def test_equal_seeds_give_equal_pages_and_others_do_not() -> None:
    assert torch.equal(stereogram(disc(), 7), stereogram(disc(), 7))
    assert (stereogram(disc(), 7) != stereogram(disc(), 8)).float().mean() > 0.9
    assert torch.equal(stereogram(disc(), 2**63 - 1), stereogram(disc(), 2**63 - 1))


def test_a_disc_comes_forward_where_it_is_and_most_in_its_middle() -> None:
    depth = page_depth(disc())
    assert depth.shape == (592, 704)
    y, x = np.mgrid[:592, :704]
    away = np.hypot(y - (TOP + 255.5), x - (FAR + 255.5))
    assert (depth[away < 150] > BASE - 0.01).all()
    assert (depth[away > 170] == 0).all()
    assert depth[TOP + 256, FAR + 256] == depth.max() > depth[TOP + 256, FAR + 256 - 140] + 0.1
    found = seen_by_two_eyes(stereogram(disc(), 5).permute(1, 2, 0).numpy())
    assert (np.abs(found - separation(depth))[away < 120] <= 1).mean() > 0.9


def test_a_large_picture_has_the_depth_of_the_same_one_as_large_as_the_page() -> None:
    depth = page_depth(disc(2048).contiguous())
    smaller = page_depth(disc(512))
    assert depth.shape == smaller.shape == (592, 704)
    assert (abs(depth - smaller) < 0.02).mean() > 0.995


def test_light_parts_are_nearer_than_dark_ones() -> None:
    picture = disc()
    picture[:, 20:30, 20:28] = 60
    picture[:, 20:30, 36:44] = 220
    depth = page_depth(picture)
    dark, light = (depth[TOP + 8 * 25, FAR + 8 * x] for x in (24, 39))
    assert light > dark + 0.05


def test_the_guide_dots_are_as_far_apart_as_places_of_the_ground() -> None:
    page = stereogram(torch.full((3, 48, 64), 255, dtype=torch.uint8), 1)
    black = (page[:, :TOP] == 0).all(0).numpy()
    parts, count = ndimage.label(ndimage.binary_opening(black, np.ones((5, 5))))
    assert count == 2
    (y, left), (same_y, right) = ndimage.center_of_mass(parts > 0, parts, [1, 2])
    assert (y, right - left) == (same_y, FAR)
    assert (left + right) / 2 == pytest.approx(page.shape[2] / 2, abs=0.5)


def test_a_picture_without_a_white_background_is_as_near_as_it_is_light_and_it_is_said() -> None:
    picture = torch.arange(64, dtype=torch.uint8).mul(3)[None, None].expand(3, 32, 64).contiguous()
    assert told_of_depth(picture) == (NO_SHAPE,)
    assert told_of_depth(disc()) == ()
    middle = page_depth(picture)[TOP + 128, FAR:-FAR]
    assert middle.shape == (512,)
    assert (np.diff(middle) >= 0).all()
    assert middle[0] < 0.02 < 0.7 < middle[-1]


@pytest.mark.parametrize(
    ("height", "width", "size"), [(64, 64, (512, 512)), (1024, 512, (256, 512)), (16, 4096, (512, 2))]
)
def test_pages_are_of_one_size_whatever_the_picture(height: int, width: int, size: tuple[int, int]) -> None:
    picture = torch.zeros(3, height, width, dtype=torch.uint8)
    assert page_size(picture) == size
    assert stereogram(picture, 0).shape == (3, size[1] + 80, size[0] + 192)


def test_distances_to_the_edge_are_scipys() -> None:
    rng = np.random.default_rng(1)
    for share in (0.02, 0.3, 0.6):
        inside = rng.random((37, 50)) > share
        expected = ndimage.distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        np.testing.assert_allclose(distance_to_edge(inside), expected)
