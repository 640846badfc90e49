"""The U-Net against diffusers' with the same weights, and what training and naming rely on."""

from __future__ import annotations

import copy

import pytest
import torch
from diffusers import UNet2DConditionModel

from fromnoise.ground.errors import UserError
from fromnoise.models.layers.attention import CrossAttention
from fromnoise.models.unet import UNet, UNetConfig
from fromnoise.weights.configs import unet_to_foreign
from fromnoise.weights.names import entries, to_foreign, unet_table

COMMON = {"in_channels": 4, "out_channels": 4, "cross_attention_dim": 24, "norm_num_groups": 8}
CONFIGS = {
    "ours": UNetConfig(sample_size=8, block_out_channels=(32, 64), head_dim=16, layers_per_block=1, **COMMON),
    "one level": UNetConfig(sample_size=4, block_out_channels=(32,), attention=(True,), head_dim=8, **COMMON),
    "plain at the top": UNetConfig(
        sample_size=16, block_out_channels=(16, 32, 32), attention=(False, True, True), head_dim=16, **COMMON
    ),
    "no attention at all": UNetConfig(
        sample_size=8, block_out_channels=(16, 32), attention=(False, False), mid_attention=False, **COMMON
    ),
    "pooled words": UNetConfig(
        sample_size=8, block_out_channels=(16, 32), attention=(False, True), head_dim=16, pooled_heads=3, **COMMON
    ),
    "three layers": UNetConfig(
        sample_size=8, block_out_channels=(16, 24), attention=(True, False), layers_per_block=3, head_dim=8, **COMMON
    ),
    "stable diffusion 1.x": UNetConfig(
        sample_size=16,
        block_out_channels=(16, 32, 64, 64),
        attention=(True, True, True, False),
        layers_per_block=2,
        heads=(8, 8, 8, 8),
        use_linear_projection=False,
        **COMMON,
    ),
}


def randomized(config: UNetConfig, seed: int = 0) -> UNet:
    """A U-Net none of whose layers starts at zero: a zero layer would hide a mistake behind it."""
    network = config.build().eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.1, generator=generator)
    return network


def inputs(config: UNetConfig, size: int, batch: int = 3) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(batch, config.in_channels, size, size, generator=generator)
    context = torch.randn(batch, 7, config.cross_attention_dim, generator=generator)
    return x, torch.tensor([999, 3, 500])[:batch], context


@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_words_read_once_are_words_read_every_time(name: str) -> None:
    network = copy.deepcopy(randomized(CONFIGS[name]))  # a copy must read with its own weights
    for parameter in network.parameters():
        parameter.mul_(1.5)
    x, t, context = inputs(CONFIGS[name], size=CONFIGS[name].sample_size)
    assert torch.equal(network.with_words(x, t, network.read(context)), network(x, t, context))


@pytest.mark.formats
@pytest.mark.parametrize("name", CONFIGS)
@torch.no_grad()
def test_equals_diffusers(name: str) -> None:
    config = CONFIGS[name]
    ours = randomized(config)
    peer = UNet2DConditionModel.from_config(unet_to_foreign(config)).eval()
    table = entries(ours.state_dict(), unet_table(config), not config.use_linear_projection)
    peer.load_state_dict(to_foreign(ours.state_dict(), table))  # strict: every name and shape must be theirs
    for size in (config.sample_size, config.sample_size + 3):  # odd sizes exercise the way back up
        x, t, context = inputs(config, size)
        expected = peer(x, t, context).sample
        assert expected.std() > 0.01
        torch.testing.assert_close(ours(x, t, context), expected, rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_channels_last_changes_nothing_but_rounding() -> None:
    config = CONFIGS["ours"]
    ours, (x, t, context) = randomized(config), inputs(config, 8)
    expected = ours(x, t, context)
    last = ours.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last), t, context)
    torch.testing.assert_close(last, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.formats
@torch.no_grad()
def test_bfloat16_is_the_same_function() -> None:
    config = CONFIGS["ours"]
    ours, (x, t, context) = randomized(config), inputs(config, 8)
    expected = ours(x, t, context)
    rounded = ours.bfloat16()(x, t, context)
    assert rounded.dtype == torch.bfloat16
    error = (rounded.float() - expected).norm() / expected.norm()
    assert error < 0.03  # 8 bits of mantissa through some 40 layers


@pytest.mark.formats
def test_written_out_attention_trains_like_the_fused_one() -> None:
    """On the CPU, bfloat16 training takes another path through attention; outputs and gradients must agree."""
    config = CONFIGS["ours"]
    x, t, context = inputs(config, 8)
    fused, written = randomized(config), randomized(config).bfloat16()
    fused(x, t, context).square().mean().backward()
    output = written(x, t, context)
    output.square().mean().backward()
    with torch.no_grad():
        assert torch.linalg.vector_norm(output.float() - written(x, t, context).float()) < 0.02 * output.float().norm()
    for name in ("up.8x8_up_1.attention.block.self_attention.qkv.weight", "conv_in.weight"):
        a, b = (n.get_parameter(name).grad.float().flatten() for n in (fused, written))
        assert torch.cosine_similarity(a, b, dim=0) > 0.99


@torch.no_grad()
def test_every_input_matters() -> None:
    config = CONFIGS["ours"]
    ours, (x, t, context) = randomized(config), inputs(config, 8)
    base = ours(x, t, context)
    for changed in (ours(x + 0.1, t, context), ours(x, t - 1, context), ours(x, t, context.flip(1) * 2)):
        assert (changed - base).abs().amax(dim=(1, 2, 3)).min() > 1e-5


@torch.no_grad()
def test_starts_from_zero_output_and_identity_blocks() -> None:
    config = CONFIGS["ours"]
    network = config.build()
    x, t, context = inputs(config, 8)
    assert torch.equal(network(x, t, context), torch.zeros_like(x))
    h = torch.randn(2, 64, 4, 4)
    time, words = torch.randn(2, 128), torch.randn(2, 5, 2 * 64)
    assert torch.equal(network.middle["4x4_middle"](h, time, iter([words])), h)


@torch.no_grad()
def test_pooled_words_start_silent_and_then_move_every_block() -> None:
    config = CONFIGS["pooled words"]
    fresh, (x, t, context) = config.build(), inputs(config, 8)
    assert fresh.pooled is not None
    assert torch.equal(fresh.pooled(context), torch.zeros(3, 64))
    ours = randomized(config)
    base = ours(x, t, context)
    for layer in (m for m in ours.modules() if isinstance(m, CrossAttention)):
        layer.kv.weight.zero_()
        layer.kv.bias.zero_() if layer.kv.bias is not None else None
    deaf = ours(x, t, context), ours(x, t, context.flip(2))  # only the time's vector still hears
    assert (deaf[0] - base).abs().max() > 1e-3
    assert (deaf[0] - deaf[1]).abs().amax(dim=(1, 2, 3)).min() > 1e-4


def test_block_names_are_the_architecture() -> None:
    network = CONFIGS["ours"].build()
    assert list(network.down) == ["8x8_down_0", "8x8_to_4x4", "4x4_down_0"]
    assert list(network.middle) == ["4x4_middle"]
    assert list(network.up) == ["4x4_up_0", "4x4_up_1", "4x4_to_8x8", "8x8_up_0", "8x8_up_1"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"norm_num_groups": 7}, "norm_num_groups"),
        ({"head_dim": 20}, "heads"),
        ({"attention": (True,)}, "attention"),
        ({"heads": (4,)}, "heads"),
        ({"sample_size": 1}, "sample_size"),
        ({"pooled_heads": 5}, "pooled_heads"),
        ({"pooled_heads": 3, "vector_width": 8}, "exclude"),
    ],
)
def test_impossible_sizes_are_refused(change: dict[str, object], word: str) -> None:
    with pytest.raises(UserError, match=word):
        UNetConfig.from_dict({**CONFIGS["ours"].to_dict(), **change})


def test_config_round_trip() -> None:
    for config in CONFIGS.values():
        assert UNetConfig.from_dict(config.to_dict()) == config
