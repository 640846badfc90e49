"""Networks packed for drawing: the same function, in less time, and the loaded network stays as it was."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from fromnoise.ground.cores import each_alone, together
from fromnoise.models.layers import attention, packed
from fromnoise.models.layers.convolution import windows
from fromnoise.models.layers.packed import PackedConvolution, PackedLinear, can_pack, packed_copy, packed_in_place
from fromnoise.models.unet import UNet, UNetConfig
from fromnoise.models.vae import VAEConfig

CONFIG = UNetConfig(
    sample_size=24,
    in_channels=4,
    out_channels=4,
    block_out_channels=(16, 32, 64),
    attention=(True, True, False),
    layers_per_block=1,
    cross_attention_dim=24,
    heads=(4, 4, 4),
    norm_num_groups=8,
)
FORMATS = [torch.float32, torch.bfloat16]
pytestmark = pytest.mark.formats
needs_packing = pytest.mark.skipif(
    not can_pack(torch.float32), reason="this CPU, or this build of torch, cannot pack weights"
)


def network() -> UNet:
    built = CONFIG.build().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.normal_(std=0.1, generator=generator)
    return built


def inputs(batch: int = 2, size: int = 24) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(batch, 4, size, size, generator=rng)
    return x, torch.tensor([999, 3])[:batch], torch.randn(batch, 7, 24, generator=rng)


@torch.no_grad()
def test_a_packed_network_is_the_same_function_at_every_size() -> None:
    original = network()
    drawing = packed_copy(original, torch.float32)
    for size in (24, 8, 27, 40):  # 24x24 positions take the convolution, 8x8 the packed product; then the way back up
        x, t, context = inputs(size=size)
        expected = original(x, t, context)
        torch.testing.assert_close(drawing(x, t, context), expected, rtol=1e-5, atol=1e-5)
        words = drawing.read(context)
        torch.testing.assert_close(drawing.with_words(x, t, words), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_bf16_is_as_near_packed_as_not() -> None:
    original, (x, t, context) = network(), inputs()
    expected = original(x, t, context)
    plain = copy.deepcopy(original).bfloat16()(x, t, context).float()
    drawn = packed_copy(original, torch.bfloat16)(x, t, context)
    assert drawn.dtype == torch.bfloat16
    error, usual = ((y.float() - expected).norm() / expected.norm() for y in (drawn, plain))
    assert error < 1.5 * usual < 0.05


def test_a_format_is_packed_where_the_cpus_kernels_know_it() -> None:
    """fp32 everywhere; bf16 from AVX512 on (oneDNN computes it, if not in hardware, then in fp32 registers)."""
    if not torch.backends.mkldnn.is_available():
        pytest.skip("this CPU has no oneDNN")
    assert can_pack(torch.float32)
    assert can_pack(torch.bfloat16) == torch.ops.mkldnn._is_mkldnn_bf16_supported()


@pytest.mark.parametrize("dtype", FORMATS)
def test_every_product_is_packed_or_none_and_the_original_is_left_alone(dtype: torch.dtype) -> None:
    original = network()
    before = copy.deepcopy(original.state_dict())
    drawing = packed_copy(original, dtype)
    ordinary, packs = ([m for m in n.modules() if isinstance(m, nn.Linear | nn.Conv2d)] for n in (drawing, original))
    assert len(ordinary) == (0 if can_pack(dtype) else len(packs))
    assert not {id(m) for m in ordinary} & {id(m) for m in packs}
    assert {k: v.dtype for k, v in original.state_dict().items()} == {k: v.dtype for k, v in before.items()}
    assert all(torch.equal(v, before[k]) for k, v in original.state_dict().items())
    original(*inputs()).sum().backward()  # and it still trains
    assert all(parameter.grad is not None for parameter in original.parameters())


@needs_packing
@torch.no_grad()
def test_no_weight_is_kept_twice() -> None:
    drawing = packed_copy(network(), torch.float32)
    drawing(*inputs(size=8))
    layers = [m for m in drawing.modules() if isinstance(m, PackedConvolution)]
    assert layers
    for layer in layers:
        assert len(layer._form) == 1
        assert isinstance(layer._form[0], PackedLinear)
        assert not list(layer.parameters())


@torch.no_grad()
def test_without_the_operators_the_ordinary_layers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "OPERATORS", ("_no_such_operator",))
    can_pack.cache_clear()
    try:
        original = network()
        drawing = packed_copy(original, torch.float32)
        assert drawing is not original
        assert not [m for m in drawing.modules() if isinstance(m, PackedLinear)]
        torch.testing.assert_close(drawing(*inputs()), original(*inputs()), rtol=1e-5, atol=1e-5)
    finally:
        can_pack.cache_clear()


@pytest.mark.parametrize("dtype", FORMATS)
def test_what_was_drawn_before_changes_no_bit(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    def few(x: torch.Tensor, padding: int, stride: int) -> torch.Tensor:
        assert x.shape[2] * x.shape[3] <= packed.FEW  # or the windows of a large picture would fill the memory
        return windows(x, padding, stride)

    monkeypatch.setattr(packed, "windows", few)
    original = network()
    fresh, used = packed_copy(original, dtype), packed_copy(original, dtype)
    small, large = inputs(size=8), inputs(size=32)
    with torch.inference_mode():
        expected = [fresh(*small), packed_copy(original, dtype)(*large)]
        found = [(used(*small), used(*large)) for _ in range(2)]
    for less, more in found:
        assert torch.equal(less, expected[0])
        assert torch.equal(more, expected[1])


@needs_packing
@torch.no_grad()
def test_the_form_of_a_convolution_follows_from_the_positions() -> None:
    layer = PackedConvolution(nn.Conv2d(4, 4, 3, padding=1), torch.float32)
    for height, packed_now in ((16, True), (17, False), (1, True)):  # of 32: 512, 544, 32 positions
        layer(torch.zeros(1, 4, height, 32))
        assert isinstance(layer._form[0], PackedLinear) == packed_now, height


@pytest.mark.parametrize("dtype", FORMATS)
def test_two_threads_that_draw_first_at_once_give_the_same_bits(dtype: torch.dtype) -> None:
    drawing = packed_copy(network(), dtype)
    x, t, context = inputs(size=8)
    rows = [(x[:1], t[:1], context[:1])] * 2
    first, second = each_alone(drawing, rows)
    assert torch.equal(first, second)
    assert torch.equal(together(drawing, rows[0]), first)


@torch.no_grad()
def test_a_packed_vae_decodes_the_same_picture() -> None:
    config = VAEConfig(latent_channels=4, block_out_channels=(16, 32), norm_num_groups=8, mid_attention=True)
    vae = config.build().eval()
    z = torch.randn(1, 4, 20, 20, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(packed_copy(vae, torch.float32).decode(z), vae.decode(z), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("spread", [1.0, 5.0, 20.0])
@torch.no_grad()
def test_attention_in_chunks_rounds_large_scores_finely(spread: float) -> None:
    rng = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(2, 600, 3 * 40, generator=rng).bfloat16() for _ in range(3))
    query = query * spread
    wide = (x.double().unflatten(-1, (3, -1)).transpose(1, 2) for x in (query, key, value))
    exact = nn.functional.scaled_dot_product_attention(*wide).transpose(1, 2).flatten(2)
    found = attention.attend(query, key, value, heads=3)
    assert found.shape == exact.shape
    assert (found.double() - exact).norm() < 0.015 * exact.norm()


@torch.no_grad()
def test_attention_in_chunks_treats_each_row_of_a_batch_alone() -> None:
    rng = torch.Generator().manual_seed(0)
    parts = [torch.randn(3, 300, 64, generator=rng).bfloat16() for _ in range(3)]
    batch = attention.attend(*parts, heads=2)
    for i in range(3):
        assert torch.equal(attention.attend(*(x[i : i + 1] for x in parts), heads=2), batch[i : i + 1])


@pytest.mark.parametrize("dtype", FORMATS)
@torch.no_grad()
def test_packing_in_place_gives_the_same_bits_as_a_copy(dtype: torch.dtype) -> None:
    x, t, context = inputs()
    copied = packed_copy(network(), dtype)
    changed = packed_in_place(original := network(), dtype)
    assert changed is original
    assert torch.equal(changed(x, t, context), copied(x, t, context))
    assert any(isinstance(module, nn.Linear) for module in changed.modules()) != can_pack(dtype)
