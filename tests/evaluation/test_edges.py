"""Edges' width against steps, ramps and blurs whose width is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from scipy.special import ndtr
from torch import Tensor

from fromnoise.evaluation.edges import edge_width, edge_widths

SIDE = 64
Profile = Callable[[np.ndarray], np.ndarray]


def edge(profile: Profile, angle: float = 0, off: float = 0, levels: tuple[int, int] = (0, 255)) -> Tensor:
    """A straight edge through the picture's middle: ``profile`` says how bright it is (0…1) so far from it."""
    y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
    turn = math.radians(angle)
    bright = np.clip(profile(x * math.cos(turn) + y * math.sin(turn) + off), 0, 1)
    values = (levels[0] + bright * (levels[1] - levels[0])).round().astype(np.uint8)
    return torch.from_numpy(np.repeat(values[None], 3, 0))


def ramp(width: float) -> Profile:
    return lambda d: d / width + 0.5


def blurred(sigma: float) -> Profile:
    return lambda d: ndtr(d / sigma)


def smooth_circle(blur: float) -> Tensor:
    """A black disc on white, antialiased: drawn 8 times larger and averaged; then blurred by a Gaussian."""
    large = Image.new("L", (8 * SIDE, 8 * SIDE), 255)
    ImageDraw.Draw(large).ellipse((96, 96, 416, 416), fill=0)
    picture = torch.from_numpy(np.asarray(large, np.float64).copy()).view(SIDE, 8, SIDE, 8).mean((1, 3))
    if blur:
        at = torch.arange(SIDE, dtype=torch.float64)
        weights = torch.exp(-((at[:, None] - at[None, :]) ** 2) / (2 * blur**2))
        weights /= weights.sum(1, keepdim=True)
        picture = weights @ picture @ weights.T
    return picture.round().to(torch.uint8).expand(3, -1, -1).contiguous()


@pytest.mark.parametrize("angle", [0, 90, 180, 270])
def test_a_step_between_two_pixels_is_0_8_pixels_wide(angle: float) -> None:
    assert edge_width(edge(ramp(1), angle)) == pytest.approx(0.8, abs=1e-9)
    assert edge_width(edge(ramp(1), angle, levels=(100, 200))) == pytest.approx(0.8, abs=1e-9)


def test_a_step_through_the_middle_of_pixels_is_1_6_pixels_wide() -> None:
    assert edge_width(edge(ramp(1), off=0.5)) == pytest.approx(1.6, abs=0.01)  # half of 255 is no whole number


@pytest.mark.parametrize("width", [3, 5])
def test_a_ramp_that_ends_at_pixels_is_exactly_0_8_of_its_length(width: int) -> None:
    values = torch.full((SIDE,), 0, dtype=torch.uint8)
    values[20 : 20 + width] = torch.arange(width) * 255 // width
    values[20 + width :] = 255
    for picture in (values.expand(3, SIDE, SIDE), values[:, None].expand(3, SIDE, SIDE)):
        assert edge_width(picture.contiguous()) == pytest.approx(0.8 * width, abs=1e-9)


@pytest.mark.parametrize("angle", [0, 10, 30, 45, 77, 200])
@pytest.mark.parametrize("width", [6, 8, 12])
def test_a_ramp_is_0_8_of_its_length_whichever_way_it_is_turned(width: int, angle: float) -> None:
    assert edge_width(edge(ramp(width), angle)) == pytest.approx(0.8 * width, rel=0.01)


@pytest.mark.parametrize("angle", [0, 10, 30, 45, 77, 200])
@pytest.mark.parametrize("sigma", [1.5, 2, 3, 4])
def test_a_gaussian_blur_is_2_563_of_its_sigma_whichever_way_it_is_turned(sigma: float, angle: float) -> None:
    assert edge_width(edge(blurred(sigma), angle)) == pytest.approx(2.5631 * sigma, rel=0.035)


@pytest.mark.parametrize("sigma", [1.5, 2.5])
def test_round_things_are_as_wide_as_straight_ones(sigma: float) -> None:
    assert edge_width(smooth_circle(sigma)) == pytest.approx(2.5631 * sigma, rel=0.06)
    assert 0.8 <= (edge_width(smooth_circle(0)) or 0) <= 1.6


def test_it_does_not_depend_on_the_step() -> None:
    faint, strong = (edge_width(edge(blurred(2), 20, levels=pair)) for pair in ((100, 180), (0, 255)))
    assert faint == pytest.approx(strong, rel=0.03)


def test_a_shading_beside_an_edge_is_no_part_of_it() -> None:
    sharp = edge(ramp(1)).int()
    shaded = sharp.clone()
    shaded[:, :, SIDE // 2 :] = 150 + 2 * torch.arange(SIDE // 2, dtype=torch.int32)  # goes on rising, slowly
    assert edge_width(shaded.to(torch.uint8)) == pytest.approx(0.8, abs=0.05)


def test_the_strongest_edges_count() -> None:
    picture = edge(blurred(3))  # a soft step of 255, and sharp ones of 60
    for row in range(4, SIDE, 16):
        picture[:, row : row + 8, 4:12] = 60
    assert edge_width(picture) == pytest.approx(2.5631 * 3, rel=0.05)


def test_a_picture_without_edges_has_no_width() -> None:
    plain = torch.full((3, SIDE, SIDE), 77, dtype=torch.uint8)
    shading = edge(ramp(200))
    grain = torch.randint(120, 130, (3, SIDE, SIDE), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert [edge_width(p) for p in (plain, shading, grain)] == [None, None, None]
    found = edge_widths(torch.stack([plain, edge(ramp(1))]))
    assert found.dtype == torch.float64
    assert found.isnan().tolist() == [True, False]


def test_an_edge_that_the_border_cuts_does_not_count() -> None:
    assert edge_width(edge(blurred(3), off=SIDE / 2 - 1)) is None
