"""Layers that go their own way in bf16 compute what torch's do, no further from the exact result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from unittest.mock import patch

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.models.layers import convolution
from fromnoise.models.layers.convolution import Convolution3x3, FewPositions
from fromnoise.models.layers.norm import GroupNorm

BF16 = torch.bfloat16


def random(*shape: int, seed: int = 0) -> Tensor:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(BF16)
    return x.to(memory_format=torch.channels_last) if len(shape) == 4 else x


def gradients(way: Callable[..., Tensor], leaves: Sequence[Tensor], gradient: Tensor) -> tuple[Tensor, ...]:
    kept = [leaf.detach().clone(memory_format=torch.preserve_format).requires_grad_() for leaf in leaves]
    out = way(*kept)
    return (out.detach(), *torch.autograd.grad(out, kept, gradient.to(out.dtype)))


def apart(found: Tensor, exact: Tensor) -> float:
    """The largest error, as a share of the range."""
    assert found.shape == exact.shape
    return float((found.double() - exact).abs().max() / exact.abs().max())


@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (2, 0), (1, 0)])
@pytest.mark.parametrize("side", [4, 5])
def test_a_kernels_gradients_on_few_positions_are_the_convolutions(stride: int, padding: int, side: int) -> None:
    leaves = [random(6, 24, side, side), random(40, 24, 3, 3, seed=1), random(40, seed=2)]
    ours = lambda x, w, b: FewPositions.apply(x, w, b, stride, padding)  # noqa: E731
    direct = lambda x, w, b: F.conv2d(x, w, b, stride, padding)  # noqa: E731
    gradient = random(*direct(*leaves).shape, seed=3)
    exact = gradients(direct, [leaf.double() for leaf in leaves], gradient)
    found, theirs = gradients(ours, leaves, gradient), gradients(direct, leaves, gradient)
    for mine, torchs, true in zip(found, theirs, exact, strict=True):
        assert mine.dtype == BF16
        assert apart(mine, true) < max(1.5 * apart(torchs, true), 4e-3)


@pytest.mark.parametrize("learnt", [(0,), (1,), (2,), (1, 2)])
def test_only_the_gradients_that_are_needed_are_made(learnt: tuple[int, ...]) -> None:
    leaves = [random(6, 24, 4, 4), random(40, 24, 3, 3, seed=1), random(40, seed=2)]
    whole = gradients(lambda x, w, b: FewPositions.apply(x, w, b, 1, 1), leaves, random(6, 40, 4, 4, seed=3))[1:]
    kept = [
        leaf.clone(memory_format=torch.preserve_format).requires_grad_(i in learnt) for i, leaf in enumerate(leaves)
    ]
    FewPositions.apply(*kept, 1, 1).backward(random(6, 40, 4, 4, seed=3))
    for i, leaf in enumerate(kept):
        assert (leaf.grad is not None) == (i in learnt)
        assert leaf.grad is None or torch.equal(leaf.grad, whole[i])


def test_a_layer_that_learns_on_few_positions_goes_this_way_and_no_other() -> None:
    layer = Convolution3x3(8, 8).to(BF16)
    few, many = random(1, 8, 4, 4), random(1, 8, 40, 40)
    with patch.object(FewPositions, "apply", wraps=FewPositions.apply) as went:
        layer(few)
        assert went.call_count == 1
        layer(many)
        layer.float()(few.float())
        with torch.no_grad():
            layer.to(BF16)(few)
        layer.requires_grad_(False)(few)  # a LoRA's, whose kernel learns nothing
        assert went.call_count == 1
        halves = Convolution3x3(8, 8, stride=2).to(BF16)
        with patch.object(convolution, "FEW", 16):  # counted where the kernel is put, not where it looks
            halves(random(1, 8, 8, 8))
            assert went.call_count == 2
            halves(random(1, 8, 10, 10))
            assert went.call_count == 2


@pytest.mark.parametrize(("groups", "channels"), [(16, 96), (4, 48), (2, 36), (2, 64)])
@pytest.mark.parametrize("side", [4, 9, 33])
def test_a_norm_is_as_near_as_torchs_to_the_exact_one(groups: int, channels: int, side: int) -> None:
    x, gradient = random(3, channels, side, side) + 3, random(3, channels, side, side, seed=1)
    norms = [kind(groups, channels, 1e-5).to(BF16) for kind in (GroupNorm, nn.GroupNorm)]
    for norm in norms:
        norm.load_state_dict({"weight": random(channels, seed=2), "bias": random(channels, seed=3)})
    ours, torchs = norms
    learnt = [x, *torchs.parameters()]
    exact = gradients(
        lambda x, w, b: F.group_norm(x, groups, w, b, 1e-5), [p.detach().double() for p in learnt], gradient
    )
    kept = x.detach().requires_grad_()
    worst = []
    for norm in (torchs, ours):
        out = norm(kept)
        assert out.dtype == BF16
        assert out.is_contiguous(memory_format=torch.channels_last)
        found = (out, *torch.autograd.grad(out, [kept, *norm.parameters()], gradient))
        worst.append(max(apart(part.detach(), true) for part, true in zip(found, exact, strict=True)))
    assert worst[1] < max(6e-3, 1.01 * worst[0])
    with torch.no_grad():
        assert apart(ours(x), exact[0]) < 6e-3


def test_a_norms_pictures_do_not_know_of_each_other_and_float32_is_torchs() -> None:
    norm = GroupNorm(16, 144).to(BF16)
    x = random(5, 144, 8, 8)
    with torch.no_grad():
        assert torch.equal(norm(x)[2:3], norm(x[2:3]))
    wide = GroupNorm(16, 144)
    assert torch.equal(wide(x.float()), nn.GroupNorm(16, 144)(x.float()))


def test_a_norm_whose_groups_torch_takes_whole_is_torchs() -> None:
    x, y = random(2, 64, 8, 8), random(2, 96, 40, 40)
    with torch.no_grad():
        assert torch.equal(GroupNorm(4, 64).to(BF16)(x), nn.GroupNorm(4, 64).to(BF16)(x))
        assert torch.equal(GroupNorm(16, 96).to(BF16)(y), nn.GroupNorm(16, 96).to(BF16)(y))  # a large map
