"""Measures made by hand: exact values on shapes whose measures are known on paper, and scipy's counts of pieces."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import ndimage
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.inspection.measures import MEASURES, measured, pieces, spread, thing

SIDE = 64
YELLOW, RED, GREEN, BLUE, BLACK, GREY = (
    *((255, 255, 0), (255, 0, 0), (0, 255, 0)),
    *((0, 0, 255), (0, 0, 0), (51, 51, 51)),
)


def white() -> Tensor:
    return torch.full((3, SIDE, SIDE), 255, dtype=torch.uint8)


def rectangle(top: int, left: int, height: int, width: int, colour: tuple[int, int, int] = BLACK,
              on: Tensor | None = None) -> Tensor:  # fmt: skip
    picture = white() if on is None else on.clone()
    picture[:, top : top + height, left : left + width] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
    return picture


def disc(y: float, x: float, radius: float, colour: tuple[int, int, int] = BLACK, on: Tensor | None = None) -> Tensor:
    picture = white() if on is None else on.clone()
    rows, columns = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    inside = (rows + 0.5 - y) ** 2 + (columns + 0.5 - x) ** 2 <= radius**2
    picture[:, inside] = torch.tensor(colour, dtype=torch.uint8)[:, None]
    return picture


def diamond(radius: int) -> Tensor:
    """A thin line from lower left to upper right, ``2·radius`` pixels, each touching the next by a corner."""
    picture = white()
    for i in range(2 * radius):
        picture[:, 32 + radius - 1 - i, 32 - radius + i] = 0
    return picture


def value(name: str, picture: Tensor) -> float:
    return MEASURES[name](picture)


def test_a_yellow_square_of_known_size() -> None:
    square = rectangle(16, 16, 32, 32, YELLOW)
    wanted = {
        "yellowness": 1,
        "redness": 0,
        "greenness": 0,
        "blueness": 0,
        "colourfulness": 1,
        "lightness": 2 / 3,
        "size": 0.25,
        "roundness": 3 / math.pi,
        "longness": 0,
        "slant": 0,
        "symmetry": 1,
        "fullness": 1,
        "stem": 0,
        "holes": 0,
        "parts": 1,
        "patchwork": 0,
        "detail": 0,
        "green_top": 0,
    }
    assert set(wanted) == set(MEASURES)
    assert {name: value(name, square) for name in wanted} == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize(
    ("colour", "wanted"),
    [
        (RED, {"redness": 1, "yellowness": 0, "lightness": 1 / 3}),
        (GREEN, {"greenness": 1, "yellowness": 0}),
        (BLUE, {"blueness": 1, "yellowness": 0, "redness": 0}),
        (GREY, {"colourfulness": 0, "lightness": 0.2, "yellowness": 0}),
        ((255, 153, 0), {"yellowness": 0.6, "redness": 0.4, "colourfulness": 1}),
    ],
)
def test_colours_are_measured_of_the_thing_alone(colour: tuple[int, int, int], wanted: dict[str, float]) -> None:
    for shape in (rectangle(5, 9, 3, 40, colour), disc(30, 30, 20, colour)):
        assert {name: value(name, shape) for name in wanted} == pytest.approx(wanted, abs=1e-6)


def test_half_red_and_half_blue() -> None:
    halves = rectangle(20, 20, 10, 10, RED, rectangle(20, 30, 10, 10, BLUE))
    assert (value("redness", halves), value("blueness", halves)) == (0.5, 0.5)
    # Each of red and blue strays by 1/2 from its mean, green by nothing: sqrt(2/3 / 4), and twice that.
    assert value("patchwork", halves) == pytest.approx(2 * math.sqrt((0.25 + 0.25) / 3))
    black_white = rectangle(20, 20, 10, 10, BLACK, rectangle(20, 30, 10, 10, (230, 230, 230)))
    assert value("detail", black_white) == pytest.approx((10 * 230 / 255) / (19 * 10) / 2)


@pytest.mark.parametrize(("height", "width"), [(10, 40), (40, 10), (7, 7), (1, 30)])
def test_shapes_of_rectangles(height: int, width: int) -> None:
    shape = rectangle(11, 13, height, width)
    assert value("longness", shape) == pytest.approx(1 - min(height, width) / max(height, width), abs=1e-6)
    # The moment of a rectangle about its middle is h·w·(h² + w²) / 12.
    round_ = (height * width) ** 2 / (2 * math.pi * height * width * (height**2 + width**2) / 12)
    assert value("roundness", shape) == pytest.approx(round_, abs=1e-6)
    assert value("size", shape) == height * width / SIDE**2
    assert (value("slant", shape), value("fullness", shape), value("symmetry", shape)) == pytest.approx((0, 1, 1))


def test_a_disc_is_round_wherever_it_is() -> None:
    for shape in (disc(32, 32, 25), disc(20, 40, 15)):
        assert value("roundness", shape) == pytest.approx(1, abs=2e-3)
        assert value("longness", shape) == pytest.approx(0, abs=5e-3)
        assert value("fullness", shape) == pytest.approx(math.pi / 4, abs=0.02)
        assert value("symmetry", shape) == 1


def test_a_diagonal_line_slants_and_is_long_and_one_piece() -> None:
    line = diamond(20)
    assert value("slant", line) > 0.99
    assert value("longness", line) > 0.9
    assert (value("parts", line), value("symmetry", line)) == (1, 0)  # its mirror image crosses it between the pixels


def test_parts_and_holes() -> None:
    two = disc(16, 16, 8, on=disc(45, 45, 8))
    assert (value("parts", two), value("holes", two)) == (2, 0)
    ring = rectangle(20, 20, 10, 10, (255, 255, 255), rectangle(15, 15, 20, 20))
    assert (value("parts", ring), value("holes", ring)) == (1, 0.25)
    open_ring = rectangle(20, 20, 10, 20, (255, 255, 255), rectangle(15, 15, 20, 20))
    assert value("holes", open_ring) == 0
    speck = rectangle(2, 2, 1, 1, on=rectangle(20, 20, 30, 30))
    assert value("parts", speck) == 1  # below a hundredth of the whole


def test_stem_and_green_top() -> None:
    tomato = rectangle(10, 30, 10, 4, GREEN, rectangle(20, 12, 40, 40, RED))
    assert value("stem", tomato) == pytest.approx(1 - 4 / 40)
    # 50 rows: the upper third is 17 rows, 10 of stem (40 pixels) and 7 of red (280); of the whole it is 40 of 1,640.
    assert value("green_top", tomato) == pytest.approx(40 / 320 - 40 / 1640)
    upside_down = tomato.flip(1)
    assert value("stem", upside_down) == 0
    assert value("green_top", upside_down) == pytest.approx(-40 / 1640)


def test_symmetry_of_an_l() -> None:
    shape = rectangle(20, 20, 10, 10, on=rectangle(30, 20, 10, 20))  # its box is 20×20; 300 pixels
    assert value("symmetry", shape) == pytest.approx(200 / 400)


def test_moving_and_mirroring_change_no_shape() -> None:
    shape = disc(24, 20, 9, RED, rectangle(14, 30, 24, 10, YELLOW))
    moved = torch.roll(shape, (13, 9), (1, 2))
    same = ["yellowness", "redness", "size", "roundness", "longness", "symmetry", "fullness", "stem", "parts", "holes"]
    for other in (moved, shape.flip(2)):
        assert [value(n, other) for n in same] == pytest.approx([value(n, shape) for n in same], abs=1e-5)
    assert value("stem", shape) != value("stem", shape.flip(1))


def test_an_empty_picture_measures_nothing_and_all_values_keep_their_ranges() -> None:
    assert measured(white()[None]).abs().max() == 0
    rng = torch.Generator().manual_seed(0)
    noise = torch.randint(0, 256, (20, 3, SIDE, SIDE), generator=rng, dtype=torch.uint8)
    blots = torch.where(torch.rand(20, 1, SIDE, SIDE, generator=rng) < 0.7, torch.tensor(255, dtype=torch.uint8), noise)
    for picture in (noise, blots, torch.zeros_like(noise)):
        for name, values in zip(MEASURES, measured(picture).T, strict=True):
            measure = MEASURES[name]
            assert measure.low <= values.min() <= values.max() <= measure.high, name


def test_a_batch_is_measured_as_each_picture_alone() -> None:
    pictures = torch.stack([disc(30, 20, 9, RED), rectangle(3, 5, 20, 7, BLUE), white(), diamond(9)])
    together = measured(pictures)
    assert torch.allclose(together, torch.cat([measured(picture[None]) for picture in pictures]), atol=1e-6)
    assert torch.equal(measured(pictures, ["holes", "size"]), together[:, [16, 8]])
    with pytest.raises(UserError, match="no measure 'yelow'; choose among yellowness"):
        measured(pictures, ["yelow"])


@pytest.mark.parametrize("share", [0.2, 0.4, 0.6, 0.8])
def test_pieces_are_those_that_scipy_counts(share: float) -> None:
    where = torch.rand(30, 24, 24, generator=torch.Generator().manual_seed(1)) < share
    expected = [ndimage.label(each.numpy(), np.ones((3, 3)))[1] for each in where]
    assert pieces(where).tolist() == expected


def test_what_flows_stays_within_its_piece_and_reaches_all_of_it() -> None:
    where = torch.rand(20, 24, 24, generator=torch.Generator().manual_seed(2)) < 0.62
    for corners, shape in ((True, np.ones((3, 3))), (False, None)):
        seeds = torch.zeros(where.shape)
        seeds[:, 12, 12] = 1
        for reached, each in zip(spread(seeds, where, corners), where, strict=True):
            labels = ndimage.label(each.numpy(), shape)[0]
            wanted = (labels == labels[12, 12]) & each.numpy()
            assert np.array_equal(reached.numpy() > 0, wanted & bool(each[12, 12]))


def test_holes_are_those_that_scipy_fills() -> None:
    dark = torch.rand(20, 24, 24, generator=torch.Generator().manual_seed(3)) < 0.6
    pictures = torch.where(dark, 0, 255).to(torch.uint8)[:, None].expand(-1, 3, -1, -1)
    filled = [ndimage.binary_fill_holes(each.numpy()) for each in dark]
    expected = [float((f & ~each.numpy()).sum() / f.sum()) for f, each in zip(filled, dark, strict=True)]
    assert MEASURES["holes"].of(pictures).tolist() == pytest.approx(expected)


def test_what_is_nearly_white_is_no_thing() -> None:
    picture = rectangle(0, 0, 1, 1, (231, 255, 255), rectangle(0, 1, 1, 1, (230, 255, 255)))
    assert thing(picture[None])[0].nonzero().tolist() == [[0, 1]]
