"""Folders in the diffusers layout: both directions, and what is wrong is said with the file's name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler, PNDMScheduler, UNet2DConditionModel
from safetensors.torch import load_file, save_file

from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError
from fromnoise.models.unet import UNet, UNetConfig
from fromnoise.models.vae import VAE, VAEConfig
from fromnoise.weights.diffusers_layout import (
    load_scheduler,
    load_unet,
    load_vae,
    save_scheduler,
    save_unet,
    save_vae,
)

UNET = UNetConfig(
    sample_size=8,
    in_channels=4,
    out_channels=4,
    block_out_channels=(16, 32),
    layers_per_block=1,
    cross_attention_dim=24,
    head_dim=8,
    norm_num_groups=8,
)
CONVOLUTION = UNetConfig.from_dict({**UNET.to_dict(), "use_linear_projection": False, "attention": (True, False)})
MIXED_HEADS = UNetConfig.from_dict({**UNET.to_dict(), "heads": (4, 4), "head_dim": 48})
VAE_SIZES = VAEConfig(latent_channels=4, block_out_channels=(16, 32))


def unet(config: UNetConfig = UNET) -> UNet:
    network = config.build()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.1, generator=generator)
    return network


def vae(config: VAEConfig = VAE_SIZES) -> VAE:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return config.build()


def same(a: torch.nn.Module, b: torch.nn.Module) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return left.keys() == right.keys() and all(torch.equal(left[key], right[key]) for key in left)


@pytest.mark.parametrize("config", [UNET, CONVOLUTION, MIXED_HEADS])
@torch.no_grad()
def test_unet_round_trip_and_peer(config: UNetConfig, tmp_path: Path) -> None:
    ours = unet(config)
    save_unet(ours, tmp_path, torch.float32)
    again = load_unet(tmp_path)
    assert again.config == config
    assert same(ours, again)
    peer = UNet2DConditionModel.from_pretrained(tmp_path).eval()
    x, t, context = torch.randn(2, 4, 8, 8), torch.tensor([10, 900]), torch.randn(2, 5, 24)
    torch.testing.assert_close(again(x, t, context), peer(x, t, context).sample, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("linear", [True, False])
@torch.no_grad()
def test_reads_a_unet_that_diffusers_wrote(linear: bool, tmp_path: Path) -> None:
    peer = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(16, 32, 32),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        layers_per_block=2,
        cross_attention_dim=24,
        attention_head_dim=2 if linear else [2, 4, 8],
        norm_num_groups=8,
        use_linear_projection=linear,
    ).eval()
    peer.save_pretrained(tmp_path)
    x, t, context = torch.randn(2, 4, 8, 8), torch.tensor([10, 900]), torch.randn(2, 5, 24)
    torch.testing.assert_close(load_unet(tmp_path)(x, t, context), peer(x, t, context).sample, rtol=1e-5, atol=1e-5)


def test_vae_round_trip_and_peer(tmp_path: Path) -> None:
    ours = vae()
    save_vae(ours, tmp_path, torch.float32)
    again = load_vae(tmp_path)
    assert again.config == VAE_SIZES
    assert same(ours, again)
    assert AutoencoderKL.from_pretrained(tmp_path).config.scaling_factor == 1.0


@pytest.mark.parametrize("old_names", [False, True])
@torch.no_grad()
def test_reads_stable_diffusions_vae_with_its_scale_folded_in(old_names: bool, tmp_path: Path) -> None:
    peer = AutoencoderKL(
        block_out_channels=(16, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=8,
        shift_factor=0.3,
    ).eval()
    peer.save_pretrained(tmp_path)
    if old_names:
        file = tmp_path / "diffusion_pytorch_model.safetensors"
        state = load_file(file)
        for old, new in (("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")):
            state = {name.replace(f".{new}.", f".{old}."): x for name, x in state.items()}
        state = {k: x[:, :, None, None] if k.endswith("query.weight") else x for k, x in state.items()}
        save_file({name: x.contiguous() for name, x in state.items()}, file)
    ours, x = load_vae(tmp_path), torch.rand(1, 3, 16, 16)
    latents = (peer.encode(x).latent_dist.mean - 0.3) * peer.config.scaling_factor
    torch.testing.assert_close(ours.encode(x).mean, latents, rtol=1e-5, atol=1e-5)
    picture = peer.decode(latents / peer.config.scaling_factor + 0.3).sample
    torch.testing.assert_close(ours.decode(latents), picture, rtol=1e-5, atol=1e-5)


def test_scheduler_is_diffusers_ddim(tmp_path: Path) -> None:
    config = ScheduleConfig()
    save_scheduler(config.to_dict(), "v", tmp_path)
    values, prediction = load_scheduler(tmp_path)
    assert (ScheduleConfig.from_dict(values), prediction) == (config, "v")
    peer = DDIMScheduler.from_pretrained(tmp_path)
    torch.testing.assert_close(config.build().alpha_bar.float(), peer.alphas_cumprod, rtol=1e-4, atol=1e-6)
    peer.set_timesteps(20)
    assert peer.timesteps.tolist() == config.build().timesteps(20, "trailing")
    used = {k: peer.config[k] for k in ("prediction_type", "clip_sample", "set_alpha_to_one", "steps_offset")}
    assert used == {
        "prediction_type": "v_prediction",
        "clip_sample": False,
        "set_alpha_to_one": True,
        "steps_offset": 0,
    }


def test_reads_another_scheduler(tmp_path: Path) -> None:
    PNDMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear").save_pretrained(tmp_path)
    values, prediction = load_scheduler(tmp_path)
    assert prediction == "epsilon"
    assert ScheduleConfig.from_dict(values) == ScheduleConfig(zero_terminal_snr=False)
    with pytest.raises(UserError, match="flow"):
        save_scheduler(ScheduleConfig().to_dict(), "flow", tmp_path)


def test_fp16_is_stored_and_read_as_float32(tmp_path: Path) -> None:
    ours = unet()
    save_unet(ours, tmp_path, torch.float16)
    stored = load_file(tmp_path / "diffusion_pytorch_model.safetensors")
    assert {x.dtype for x in stored.values()} == {torch.float16}
    again = load_unet(tmp_path)
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    assert same(again, unet().half().float())


def test_what_float16_cannot_hold_is_not_saved(tmp_path: Path) -> None:
    ours = unet()
    with torch.no_grad():
        ours.conv_in.weight[0, 0, 0, 0] = 1e6
    with pytest.raises(UserError, match=r"conv_in\.weight.*float16"):
        save_unet(ours, tmp_path, torch.float16)


class TestDamage:
    """Every kind of damage names the file and the reason."""

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        save_unet(unet(), tmp_path, torch.float32)
        return tmp_path

    def refused(self, folder: Path, *words: str) -> None:
        with pytest.raises(UserError) as caught:
            load_unet(folder)
        message = str(caught.value)
        assert str(folder) in message
        assert "\n" not in message
        for word in words:
            assert word in message

    def change_weights(self, folder: Path, **changes: torch.Tensor | None) -> None:
        file = folder / "diffusion_pytorch_model.safetensors"
        state = {**load_file(file), **{name.replace("__", "."): x for name, x in changes.items()}}
        save_file({name: x for name, x in state.items() if x is not None}, file)

    def change_config(self, folder: Path, **changes: object) -> None:
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    def test_no_config(self, folder: Path) -> None:
        (folder / "config.json").unlink()
        self.refused(folder, "config.json", "missing")

    def test_no_weights(self, folder: Path) -> None:
        (folder / "diffusion_pytorch_model.safetensors").unlink()
        self.refused(folder, "diffusion_pytorch_model.safetensors", "missing")

    def test_a_pickle_is_named_and_not_opened(self, folder: Path) -> None:
        (folder / "diffusion_pytorch_model.safetensors").rename(folder / "diffusion_pytorch_model.bin")
        self.refused(folder, "pickle")

    def test_truncated_weights(self, folder: Path) -> None:
        file = folder / "diffusion_pytorch_model.safetensors"
        file.write_bytes(file.read_bytes()[:-100])
        self.refused(folder, file.name, "damaged")

    def test_broken_json(self, folder: Path) -> None:
        (folder / "config.json").write_text("{")
        self.refused(folder, "config.json", "JSON")

    def test_missing_tensor(self, folder: Path) -> None:
        self.change_weights(folder, conv_in__bias=None)
        self.refused(folder, "missing", "conv_in.bias")

    def test_extra_tensor(self, folder: Path) -> None:
        self.change_weights(folder, surprise=torch.zeros(1))
        self.refused(folder, "unknown", "surprise")

    def test_wrong_shape(self, folder: Path) -> None:
        self.change_weights(folder, conv_in__bias=torch.zeros(3))
        self.refused(folder, "conv_in.bias", "(3,)", "(16,)")

    def test_unsupported_setting(self, folder: Path) -> None:
        self.change_config(folder, class_embed_type="timestep")
        self.refused(folder, "class_embed_type", "timestep")

    def test_unsupported_block(self, folder: Path) -> None:
        self.change_config(folder, down_block_types=["AttnDownBlock2D"] * 2, up_block_types=["AttnUpBlock2D"] * 2)
        self.refused(folder, "AttnDownBlock2D")

    def test_nonsense_value(self, folder: Path) -> None:
        self.change_config(folder, layers_per_block="many")
        self.refused(folder, "layers_per_block")
