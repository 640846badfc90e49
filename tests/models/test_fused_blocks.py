"""Norm, SiLU and sum taken along by a convolution's bands are the norm, the SiLU and the sum."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.models.layers import norm, winograd
from fromnoise.models.layers.packed import PackedResidualBlock
from fromnoise.models.layers.residual import ResidualBlock

SIDES = [(16, 16), (18, 23), (5, 40), (6, 4)]


def picture(batch: int, channels: int, side: tuple[int, int], dtype: torch.dtype = torch.float32) -> Tensor:
    rng = torch.Generator().manual_seed(0)
    x = 3 * torch.randn(batch, channels, *side, generator=rng, dtype=torch.float64) + 7
    return x.to(dtype).to(memory_format=torch.channels_last)


def group_norm(channels: int, groups: int) -> nn.GroupNorm:
    rng = torch.Generator().manual_seed(1)
    layer = nn.GroupNorm(groups, channels, eps=1e-5).requires_grad_(False)
    layer.weight.copy_(torch.randn(channels, generator=rng))
    layer.bias.copy_(torch.randn(channels, generator=rng))
    return layer


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("piece", [7, 1024])
def test_the_affine_form_of_a_norm_is_the_norm(
    side: tuple[int, int], piece: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(norm, "PIECE", piece)
    layer, x = group_norm(12, 3), picture(2, 12, side)
    factors, summands = norm.affine(layer, x)
    found = x * factors[:, :, None, None] + summands[:, :, None, None]
    torch.testing.assert_close(found.double(), layer.double()(x.double()), rtol=0, atol=2e-6)


def test_means_far_from_zero_cost_no_digits() -> None:
    """E[x²] - E[x]² in float32 would have lost them all."""
    layer, x = group_norm(8, 2), picture(1, 8, (64, 64), torch.float64) + 1e4
    factors, _ = norm.affine(layer, x.float())
    exact = layer.weight.double().view(2, 4) / (x.reshape(1, 2, -1).var(-1, correction=0) + layer.eps).sqrt().view(2, 1)
    torch.testing.assert_close(factors[0].double(), exact.flatten(), rtol=1e-4, atol=0)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("band", [1, 6, 1000])
def test_bands_take_norm_activation_and_sum_along(
    side: tuple[int, int], band: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winograd, "BAND", band)
    rng = torch.Generator().manual_seed(2)
    x, plus = picture(3, 5, side, torch.float64), picture(3, 7, side, torch.float64)
    weight, bias = (torch.randn(s, generator=rng, dtype=torch.float64) for s in ((7, 5, 3, 3), (7,)))
    factors, summands = (torch.randn(3, 5, generator=rng, dtype=torch.float64) for _ in range(2))
    kernel = winograd.transformed(weight)
    before = F.silu(x * factors[:, :, None, None] + summands[:, :, None, None])
    expected = F.conv2d(before, weight, bias, padding=1)
    found = winograd.convolve(x, kernel, bias, (factors, summands))
    torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-9)
    torch.testing.assert_close(
        winograd.convolve(x, kernel, bias, (factors, summands), plus), expected + plus, rtol=1e-10, atol=1e-9
    )


@pytest.mark.parametrize(("inside", "outside"), [(96, 96), (96, 128), (128, 96), (16, 16)])
@pytest.mark.parametrize("side", [(8, 8), (16, 16), (18, 33)])
@pytest.mark.parametrize("time_width", [0, 24])
def test_a_packed_block_is_the_block(inside: int, outside: int, side: tuple[int, int], time_width: int) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(inside, outside, groups=8, eps=1e-5, time_width=time_width)
    block = block.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    packed, x = PackedResidualBlock(block, torch.float32), picture(2, inside, side)
    before, time = x.clone(), torch.randn(2, time_width) if time_width else None
    with torch.inference_mode():
        torch.testing.assert_close(packed(x, time), block(x, time), rtol=0, atol=1e-4)
    assert torch.equal(x, before)  # what is written over is the block's own


@pytest.mark.formats
def test_a_packed_block_gives_a_picture_the_same_bits_in_company_and_on_any_number_of_threads() -> None:
    torch.manual_seed(0)
    block = ResidualBlock(96, 96, groups=8, eps=1e-5).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    packed, x = PackedResidualBlock(block, torch.float32), picture(3, 96, (48, 48))
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                found += [packed(x), torch.cat([packed(one.clone()) for one in x.split(1)])]
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(other, found[0]) for other in found[1:])
