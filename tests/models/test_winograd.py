"""Winograd's convolution is the convolution: values, gradients, borders, bands."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.models.layers import winograd
from fromnoise.models.layers.convolution import Convolution3x3
from fromnoise.models.layers.packed import PackedConvolution
from fromnoise.models.layers.winograd import Winograd, convolve, fits, suits, transformed

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


@pytest.mark.parametrize("learnt", [(0,), (1,), (2,), (0, 2)])
def test_only_the_gradients_that_are_needed_are_made_and_they_are_the_same(learnt: tuple[int, ...]) -> None:
    parts = [part.requires_grad_(i in learnt) for i, part in enumerate(inputs((8, 8)))]
    found, direct = Winograd.apply(*parts), F.conv2d(*parts, padding=1)
    assert len(found.grad_fn.saved_tensors) == (2 if 1 in learnt else 1)  # tiles are kept for kernels alone
    wanted = [parts[i] for i in learnt]
    both = [torch.autograd.grad(way.square().sum(), wanted) for way in (found, direct)]
    for ours, theirs in zip(*both, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-9)


def test_a_gradient_of_a_gradient_is_an_error_and_no_wrong_number() -> None:
    x, weight, bias = (part.requires_grad_() for part in inputs((8, 8)))
    (first,) = torch.autograd.grad(Winograd.apply(x, weight, bias).square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        first.sum().backward()


def test_float32_loses_a_hundred_thousandth_of_the_range_at_most() -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(1, 320, 32, 32, generator=rng)
    weight = torch.randn(320, 320, 3, 3, generator=rng) / (9 * 320) ** 0.5
    exact = F.conv2d(x.double(), weight.double(), padding=1)
    assert (convolve(x, transformed(weight), None) - exact).abs().max() < 2e-5 * exact.abs().max()


@pytest.mark.formats
@pytest.mark.parametrize("side", [4, 8, 16])
def test_it_is_the_same_bits_on_any_number_of_threads_and_nearly_so_alone(side: int) -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(4, 96, side, side, generator=rng).to(memory_format=torch.channels_last)
    kernel = transformed(torch.randn(64, 96, 3, 3, generator=rng))
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 2):
            torch.set_num_threads(threads)
            found.append(convolve(x, kernel, None))
            alone = torch.cat([convolve(one, kernel, None) for one in x.split(1)])
            assert (alone - found[-1]).abs().max() < 1e-5 * alone.abs().max()  # a product may round as it is long
    finally:
        torch.set_num_threads(before)
    assert torch.equal(found[0], found[1])


@pytest.mark.parametrize(("capability", "least"), [("AVX2", 64), ("AVX512", 96), ("DEFAULT", 64)])
def test_which_layers_fit(capability: str, least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert fits(nn.Conv2d(least, least, 3, padding=1))
    for layer in (
        nn.Conv2d(least - 1, least, 3, padding=1),
        nn.Conv2d(least, least - 1, 3, padding=1),
        nn.Conv2d(least, least, 3, padding=1, stride=2),
        nn.Conv2d(least, least, 3),
        nn.Conv2d(2 * least, 2 * least, 3, padding=1, groups=2),
    ):
        assert not fits(layer)


@pytest.mark.formats
def test_which_inputs_suit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert suits(torch.zeros(1, 1, 16, 16), learning=False)
    assert not suits(torch.zeros(9, 1, 12, 16), learning=False)  # a picture's company must not matter
    assert suits(torch.zeros(8, 1, 8, 8), learning=True)
    assert not suits(torch.zeros(7, 1, 8, 8), learning=True)
    assert not suits(torch.zeros(1, 1, 16, 16, dtype=torch.bfloat16), learning=False)
    monkeypatch.setenv("FROMNOISE_WINOGRAD", "0")
    assert not suits(torch.zeros(1, 1, 16, 16), learning=False)


def layer(channels: int) -> Convolution3x3:
    torch.manual_seed(0)
    return Convolution3x3(channels, channels).to(memory_format=torch.channels_last)  # type: ignore[call-overload]


def test_training_takes_it_and_one_switch_turns_it_off(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(8, 96, 8, 8, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    convolution = layer(96)
    tiled = convolution(x)
    assert "Winograd" in type(tiled.grad_fn).__name__
    monkeypatch.setenv("FROMNOISE_WINOGRAD", "0")
    direct = convolution(x)
    assert "Winograd" not in type(direct.grad_fn).__name__
    torch.testing.assert_close(tiled, direct, rtol=0, atol=3e-5)


def test_a_kernel_that_would_take_too_much_memory_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.randn(1, 96, 16, 16, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    for largest, kept in ((9 * 96 * 96, True), (9 * 96 * 96 - 1, False)):
        monkeypatch.setattr(winograd, "LARGEST", largest)
        packed = PackedConvolution(layer(96), torch.float32)
        with torch.inference_mode():
            packed(x)
        assert (packed._kernel is not None) == kept


def test_a_packed_layer_changes_its_form_with_the_size_and_back() -> None:
    convolution = layer(96)
    packed = PackedConvolution(convolution, torch.float32)
    sides, found = (16, 8, 40, 16, 8), {}
    for side in sides:
        rng = torch.Generator().manual_seed(side)
        x = torch.randn(1, 96, side, side, generator=rng).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            y = packed(x)
            torch.testing.assert_close(
                y, F.conv2d(x, convolution.weight, convolution.bias, padding=1), rtol=0, atol=3e-5
            )
        assert torch.equal(found.setdefault(side, y), y)
