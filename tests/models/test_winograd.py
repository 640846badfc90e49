"""Winograd's convolution is the convolution: values, gradients, borders, bands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.models.layers import winograd
from fromnoise.models.layers.winograd import Winograd, convolve, suits, transformed

SIDES = [(4, 4), (8, 8), (5, 9), (6, 4), (16, 12), (23, 7)]


def inputs(side: tuple[int, int], dtype: torch.dtype = torch.float64, batch: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(0)
    shapes = ((batch, 5, *side), (7, 5, 3, 3), (7,))
    x, weight, bias = (torch.randn(shape, generator=rng, dtype=torch.float64).to(dtype) for shape in shapes)
    return x.to(memory_format=torch.channels_last), weight.to(memory_format=torch.channels_last), bias


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("band", [1, 5, 1000])
def test_it_is_the_convolution(side: tuple[int, int], band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "BAND", band)
    x, weight, bias = inputs(side)
    for b in (bias, None):
        found = convolve(x, transformed(weight), b)
        torch.testing.assert_close(found, F.conv2d(x, weight, b, padding=1), rtol=1e-10, atol=1e-10)
        assert found.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("band", [1, 5, 1000])
def test_its_gradients_are_the_convolutions(side: tuple[int, int], band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "KEPT", band)
    parts = inputs(side)
    gradient = torch.randn(3, 7, *side, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def gradients(way: Callable[..., Tensor]) -> tuple[Tensor, ...]:
        leaves = [part.clone(memory_format=torch.preserve_format).requires_grad_() for part in parts]
        return torch.autograd.grad(way(*leaves), leaves, gradient)

    direct = gradients(lambda x, w, b: F.conv2d(x, w, b, padding=1))
    for ours, theirs in zip(gradients(Winograd.apply), direct, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


def test_float32_loses_a_hundred_thousandth_of_the_range_at_most() -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 320, 32, 32, generator=rng)
    weight = torch.randn(320, 320, 3, 3, generator=rng) / (9 * 320) ** 0.5
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    assert (convolve(x, transformed(weight), None) - exact).abs().max() < 2e-5 * exact.abs().max()


@pytest.mark.formats
@pytest.mark.parametrize("side", [4, 8, 16])
def test_a_picture_is_the_same_bits_alone_and_on_any_number_of_threads(side: int) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(4, 96, side, side, generator=rng).to(memory_format=torch.channels_last)
    kernel = transformed(torch.randn(64, 96, 3, 3, generator=rng))
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(convolve(x, kernel, None))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])


@pytest.mark.parametrize(
    ("shape", "out", "dtype", "wanted"),
    [
        ((1, 64, 4, 4), 64, torch.float32, True),
        ((1, 63, 4, 4), 64, torch.float32, False),
        ((1, 64, 4, 4), 63, torch.float32, False),
        ((1, 64, 3, 64), 64, torch.float32, False),
        ((1, 64, 4, 4), 64, torch.bfloat16, False),
    ],
)
def test_the_rule(shape: tuple[int, ...], out: int, dtype: torch.dtype, wanted: bool) -> None:
    assert suits(torch.zeros(shape, dtype=dtype), out) == wanted


def test_one_switch_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FROMNOISE_WINOGRAD", "0")
    assert not suits(torch.zeros(1, 64, 8, 8), 64)
