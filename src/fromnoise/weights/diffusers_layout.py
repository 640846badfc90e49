"""The diffusers layout: one folder per part, each with a ``config.json`` and a safetensors file.

``diffusers.StableDiffusionPipeline.from_pretrained`` opens what is written here, and what it opens can be read
here as far as our networks have the parts. The text side is in :mod:`fromnoise.weights.clip_names`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fromnoise.errors import UserError
from fromnoise.models.unet.unet import UNet, UNetConfig
from fromnoise.models.vae.vae import VAE, VAEConfig
from fromnoise.weights.files import check_state, read_json, read_weights, write_json, write_weights
from fromnoise.weights.names import Entry, entries, modern, to_foreign, to_ours, unet_table, vae_table

WEIGHTS = "diffusion_pytorch_model"
VERSION = {"_diffusers_version": "0.31.0"}  # the oldest that reads everything we write

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    **VERSION,
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "DDIMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}

# Settings of foreign configs that our networks do not have, with the only value that means "not used".
UNET_FIXED: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu",),
    "addition_embed_type": (None,),
    "center_input_sample": (False,),
    "class_embed_type": (None,),
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "cross_attention_norm": (None,),
    "downsample_padding": (1,),
    "dual_cross_attention": (False,),
    "encoder_hid_dim": (None,),
    "flip_sin_to_cos": (True,),
    "freq_shift": (0,),
    "mid_block_scale_factor": (1,),
    "norm_eps": (1e-5,),
    "num_class_embeds": (None,),
    "only_cross_attention": (False,),
    "resnet_time_scale_shift": ("default",),
    "time_cond_proj_dim": (None,),
    "time_embedding_dim": (None,),
    "time_embedding_type": ("positional",),
    "transformer_layers_per_block": (1,),
}
VAE_FIXED: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu",),
    "use_post_quant_conv": (True,),
    "use_quant_conv": (True,),
}
PREDICTIONS = {"v": "v_prediction", "epsilon": "epsilon", "x0": "sample"}


def save_index(folder: Path) -> None:
    """Write ``model_index.json``, which says which class opens which folder."""
    write_json(folder / "model_index.json", INDEX)


def save_unet(unet: UNet, folder: Path, dtype: torch.dtype) -> None:
    """Write ``config.json`` and the weights of a UNet2DConditionModel."""
    write_json(folder / "config.json", unet_to_foreign(unet.config))
    names = entries(unet.state_dict(), unet_table(unet.config), not unet.config.use_linear_projection)
    write_weights(folder / f"{WEIGHTS}.safetensors", to_foreign(unet.state_dict(), names), dtype)


def load_unet(folder: Path) -> UNet:
    """Read a UNet2DConditionModel, in float32.

    Raises:
        UserError: a file is missing or damaged, does not fit its config, or needs what our U-Net does not have.
    """
    config = unet_from_foreign(read_json(folder / "config.json"), folder / "config.json")
    network = _empty(config)
    names = entries(network.state_dict(), unet_table(config), not config.use_linear_projection)
    return _fill(network, folder, names)


def save_vae(vae: VAE, folder: Path, dtype: torch.dtype) -> None:
    """Write ``config.json`` and the weights of an AutoencoderKL; its scaling factor is 1."""
    write_json(folder / "config.json", vae_to_foreign(vae.config))
    names = entries(vae.state_dict(), vae_table(vae.config))
    write_weights(folder / f"{WEIGHTS}.safetensors", to_foreign(vae.state_dict(), names), dtype)


def load_vae(folder: Path) -> VAE:
    """Read an AutoencoderKL, in float32, with its scaling and shift factors folded into the 1x1 convolutions.

    Raises:
        UserError: a file is missing or damaged, does not fit its config, or needs what our VAE does not have.
    """
    values = read_json(folder / "config.json")
    config = vae_from_foreign(values, folder / "config.json")
    network = _empty(config)
    vae = _fill(network, folder, entries(network.state_dict(), vae_table(config)))
    scale, shift = values.get("scaling_factor", 0.18215), values.get("shift_factor") or 0.0
    if (scale, shift) != (1, 0):
        vae.whiten_(torch.full((config.latent_channels,), shift), torch.full((config.latent_channels,), 1 / scale))
    return vae


def save_scheduler(schedule: Mapping[str, Any], prediction: str, folder: Path) -> None:
    """Write a DDIMScheduler's config.

    Args:
        schedule: ``ScheduleConfig.to_dict()`` (weights know no equations, so only its numbers come here).
        prediction: "v", "epsilon" or "x0".
        folder: e.g. ``model/scheduler``.

    Raises:
        UserError: a prediction that the format cannot name.
    """
    if prediction not in PREDICTIONS:
        raise UserError(f"the diffusers layout cannot store prediction '{prediction}'; it knows {', '.join(PREDICTIONS)}")
    values = {
        "_class_name": "DDIMScheduler",
        **VERSION,
        "beta_end": schedule["beta_end"],
        "beta_schedule": schedule["kind"],
        "beta_start": schedule["beta_start"],
        "clip_sample": False,
        "num_train_timesteps": schedule["steps"],
        "prediction_type": PREDICTIONS[prediction],
        "rescale_betas_zero_snr": schedule["zero_terminal_snr"],
        "set_alpha_to_one": True,
        "steps_offset": 0,
        "timestep_spacing": "trailing",
        "trained_betas": None,
    }
    write_json(folder / "scheduler_config.json", values)


def load_scheduler(folder: Path) -> tuple[dict[str, Any], str]:
    """Read the noise schedule of any scheduler's config: (``ScheduleConfig`` values, prediction).

    Raises:
        UserError: the file is missing or damaged, or the schedule is of a kind that we do not have.
    """
    file = folder / "scheduler_config.json"
    values = read_json(file)
    _check_fixed(values, {"beta_schedule": ("linear", "scaled_linear"), "trained_betas": (None,)}, file)
    kinds = {theirs: ours for ours, theirs in PREDICTIONS.items()}
    prediction = values.get("prediction_type", "epsilon")
    if prediction not in kinds:
        raise UserError(f"{file}: prediction_type = {prediction!r} is not supported")
    schedule = {
        "steps": values.get("num_train_timesteps", 1000),
        "beta_start": values.get("beta_start", 0.0001),
        "beta_end": values.get("beta_end", 0.02),
        "kind": values.get("beta_schedule", "linear"),
        "zero_terminal_snr": values.get("rescale_betas_zero_snr", False),
    }
    return schedule, kinds[prediction]


def unet_to_foreign(config: UNetConfig) -> dict[str, Any]:
    """Return UNet2DConditionModel's config.

    ``attention_head_dim`` holds the *number* of heads: a slip in the format's first version that every reader
    has had to repeat since.
    """
    levels = range(len(config.block_out_channels))
    kinds = ["CrossAttn" if attends else "" for attends in config.attention]
    return {
        "_class_name": "UNet2DConditionModel",
        **VERSION,
        **{name: values[0] for name, values in UNET_FIXED.items()},
        "attention_head_dim": [config.heads_at(level) for level in levels],
        "block_out_channels": list(config.block_out_channels),
        "cross_attention_dim": config.cross_attention_dim,
        "down_block_types": [f"{kind}DownBlock2D" for kind in kinds],
        "in_channels": config.in_channels,
        "layers_per_block": config.layers_per_block,
        "mid_block_type": "UNetMidBlock2DCrossAttn" if config.mid_attention else "UNetMidBlock2D",
        "norm_num_groups": config.norm_num_groups,
        "out_channels": config.out_channels,
        "sample_size": config.sample_size,
        "up_block_types": [f"{kind}UpBlock2D" for kind in reversed(kinds)],
        "use_linear_projection": config.use_linear_projection,
    }


def unet_from_foreign(values: Mapping[str, Any], file: Path) -> UNetConfig:
    """Return our config for UNet2DConditionModel's.

    Raises:
        UserError: a setting that our U-Net does not have.
    """
    _check_fixed(values, UNET_FIXED, file)
    widths = tuple(values.get("block_out_channels", (320, 640, 1280, 1280)))
    down = values.get("down_block_types", ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"])
    up = values.get("up_block_types", ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3)
    if [kind.replace("Up", "Down") for kind in reversed(up)] != list(down):
        raise UserError(f"{file}: up_block_types must mirror down_block_types")
    if not set(down) <= {"CrossAttnDownBlock2D", "DownBlock2D"} or len(down) != len(widths):
        raise UserError(f"{file}: down_block_types = {down} is not supported")
    middle = values.get("mid_block_type", "UNetMidBlock2DCrossAttn")
    if middle not in ("UNetMidBlock2DCrossAttn", "UNetMidBlock2D"):
        raise UserError(f"{file}: mid_block_type = {middle!r} is not supported")
    heads = values.get("num_attention_heads") or values.get("attention_head_dim", 8)
    return _with_heads(
        UNetConfig(
            sample_size=values.get("sample_size") or 64,
            in_channels=values.get("in_channels", 4),
            out_channels=values.get("out_channels", 4),
            block_out_channels=widths,
            layers_per_block=values.get("layers_per_block", 2),
            attention=tuple(kind.startswith("CrossAttn") for kind in down),
            cross_attention_dim=values.get("cross_attention_dim", 1280),
            norm_num_groups=values.get("norm_num_groups", 32),
            mid_attention=middle == "UNetMidBlock2DCrossAttn",
            heads=tuple(heads) if isinstance(heads, list) else (heads,) * len(widths),
            use_linear_projection=values.get("use_linear_projection", False),
        )
    )


def _with_heads(config: UNetConfig) -> UNetConfig:
    """Say ``head_dim`` instead of ``heads`` where all heads are equally wide, as our recipes do."""
    levels = [level for level in range(len(config.heads)) if config.attends(level)]
    sizes = {config.block_out_channels[level] // config.heads[level] for level in levels}
    if len(sizes) != 1:
        return config
    return UNetConfig.from_dict({**config.to_dict(), "heads": (), "head_dim": sizes.pop()})


def vae_to_foreign(config: VAEConfig) -> dict[str, Any]:
    """Return AutoencoderKL's config."""
    levels = len(config.block_out_channels)
    return {
        "_class_name": "AutoencoderKL",
        **VERSION,
        **{name: values[0] for name, values in VAE_FIXED.items()},
        "block_out_channels": list(config.block_out_channels),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "force_upcast": False,
        "in_channels": config.in_channels,
        "latent_channels": config.latent_channels,
        "layers_per_block": config.layers_per_block,
        "mid_block_add_attention": config.mid_attention,
        "norm_num_groups": config.norm_num_groups,
        "out_channels": config.in_channels,
        "scaling_factor": 1.0,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
    }


def vae_from_foreign(values: Mapping[str, Any], file: Path) -> VAEConfig:
    """Return our config for AutoencoderKL's.

    Raises:
        UserError: a setting that our VAE does not have.
    """
    _check_fixed(values, VAE_FIXED, file)
    widths = tuple(values.get("block_out_channels", (64,)))
    for name, kind in (("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")):
        if values.get(name, [kind]) != [kind] * len(widths):
            raise UserError(f"{file}: {name} = {values.get(name)} is not supported")
    return VAEConfig(
        in_channels=values.get("in_channels", 3),
        latent_channels=values.get("latent_channels", 4),
        block_out_channels=widths,
        layers_per_block=values.get("layers_per_block", 1),
        norm_num_groups=values.get("norm_num_groups", 32),
        mid_attention=values.get("mid_block_add_attention", True),
    )


def _check_fixed(values: Mapping[str, Any], fixed: Mapping[str, tuple[Any, ...]], file: Path) -> None:
    for name, allowed in fixed.items():
        if name in values and values[name] not in allowed:
            raise UserError(f"{file}: {name} = {values[name]!r} is not supported")


def _empty(config: Any) -> Any:
    """Build a network whose tensors take no memory and no time; ``_fill`` puts the stored ones in their place."""
    with torch.device("meta"):
        return config.build()


def _fill(network: Any, folder: Path, names: list[Entry]) -> Any:
    file, state = read_weights(folder, WEIGHTS)
    state = modern(state)
    shapes = {key: x.shape for key, x in foreign_shapes(network, names).items()}
    state = {key: _reshaped(x, shapes.get(key)) for key, x in state.items()}
    check_state(file, state, {key: tuple(shape) for key, shape in shapes.items()})
    network.load_state_dict(to_ours(state, names), assign=True)
    return network.requires_grad_(True)


def foreign_shapes(network: nn.Module, names: list[Entry]) -> dict[str, torch.Tensor]:
    """Return what a network's tensors look like under their foreign names."""
    return to_foreign(network.state_dict(), names)


def _reshaped(x: torch.Tensor, shape: torch.Size | None) -> torch.Tensor:
    """Let a 1x1 convolution stand for a matrix and the other way round: old files mix them."""
    fits = shape is not None and x.numel() == shape.numel() and {x.ndim, len(shape)} == {2, 4}
    return x.reshape(shape) if fits and shape is not None else x
