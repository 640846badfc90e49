"""The diffusers layout: one folder per part, each with a ``config.json`` and a safetensors file.

``diffusers.StableDiffusionPipeline.from_pretrained`` opens what is written here, and what it opens can be read
here as far as our networks have the parts. The text side is in :mod:`fromnoise.weights.clip_layout`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fromnoise.models.unet.unet import UNet
from fromnoise.models.vae.vae import VAE
from fromnoise.weights.configs import (
    VERSION,
    schedule_from_foreign,
    schedule_to_foreign,
    unet_from_foreign,
    unet_to_foreign,
    vae_from_foreign,
    vae_to_foreign,
)
from fromnoise.weights.files import check_state, empty, read_json, read_weights, write_json, write_weights
from fromnoise.weights.names import Entry, entries, modern, to_foreign, to_ours, unet_table, vae_table

WEIGHTS = "diffusion_pytorch_model"
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
    network = empty(config)
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
    network = empty(config)
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
    write_json(folder / "scheduler_config.json", schedule_to_foreign(schedule, prediction))


def load_scheduler(folder: Path) -> tuple[dict[str, Any], str]:
    """Read the noise schedule of any scheduler's config: (``ScheduleConfig`` values, prediction).

    Raises:
        UserError: the file is missing or damaged, or the schedule is of a kind that we do not have.
    """
    file = folder / "scheduler_config.json"
    return schedule_from_foreign(read_json(file), file)


def _fill(network: Any, folder: Path, names: list[Entry]) -> Any:
    file, state = read_weights(folder, WEIGHTS)
    expected = {name: tuple(x.shape) for name, x in to_foreign(network.state_dict(), names).items()}
    state = {name: _reshaped(x, expected.get(name, ())) for name, x in modern(state).items()}
    check_state(file, state, expected)
    network.load_state_dict(to_ours(state, names), assign=True)
    return network


def _reshaped(x: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Let a 1x1 convolution stand for a matrix and the other way round: old files mix them."""
    mixed = {x.ndim, len(shape)} == {2, 4} and tuple(x.shape[:2]) == shape[:2] and x.numel() == math.prod(shape)
    return x.reshape(shape) if mixed else x
