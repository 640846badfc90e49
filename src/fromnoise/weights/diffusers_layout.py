"""The diffusers layout: one folder per part, each with a ``config.json`` and a safetensors file.

``diffusers.StableDiffusionPipeline.from_pretrained`` opens what is written here, and what it opens can be read
here as far as our networks have the parts. The text side is in :mod:`fromnoise.weights.clip_layout`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.models.unet.unet import UNet, UNetConfig
from fromnoise.models.vae.vae import VAE, VAEConfig
from fromnoise.weights import schedulers
from fromnoise.weights.configs import (
    VERSION,
    is_number,
    unet_from_foreign,
    unet_to_foreign,
    vae_from_foreign,
    vae_to_foreign,
)
from fromnoise.weights.files import empty, read_json, write_json, write_weights
from fromnoise.weights.names import State, entries, modern_name, to_foreign, unet_table, vae_table
from fromnoise.weights.schedulers import Scheduler
from fromnoise.weights.stored import Weights, fill, find_weights

JOINTS = tuple(f"{joint}.{kind}" for joint in ("quant_conv", "post_quant_conv") for kind in ("weight", "bias"))
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


def save_index(
    folder: Path, scheduler: str, two_texts: bool = False, for_inpainting: bool = False, zero_empty: bool = False
) -> None:
    """Write ``model_index.json``, which says which class opens which folder.

    Args:
        folder: of the model.
        scheduler: name of the scheduler's class.
        two_texts: it has two text towers, as Stable Diffusion XL.
        for_inpainting: its U-Net sees a mask.
        zero_empty: an empty negative prompt stands for zeros.
    """
    kind = f"StableDiffusion{'XL' if two_texts else ''}{'Inpaint' if for_inpainting else ''}Pipeline"
    index = {**INDEX, "_class_name": kind, "scheduler": ["diffusers", scheduler]}
    if two_texts:
        index |= {"text_encoder_2": ["transformers", "CLIPTextModelWithProjection"]}
        index |= {"tokenizer_2": ["transformers", "CLIPTokenizer"], "force_zeros_for_empty_prompt": zero_empty}
        index = {k: v for k, v in index.items() if k not in ("safety_checker", "requires_safety_checker")}
    write_json(folder / "model_index.json", index)


def save_unet(unet: UNet, folder: Path, dtype: torch.dtype | None) -> None:
    """Write ``config.json`` and the weights of a UNet2DConditionModel."""
    write_json(folder / "config.json", unet_to_foreign(unet.config))
    names = entries(unet.state_dict(), unet_table(unet.config), not unet.config.use_linear_projection)
    write_weights(folder / f"{WEIGHTS}.safetensors", to_foreign(unet.state_dict(), names), dtype)


def load_unet(folder: Path, dtype: torch.dtype | None = torch.float32) -> UNet:
    """Read a UNet2DConditionModel.

    Raises:
        UserError: a file is missing or damaged, does not fit its config, or needs what our U-Net does not have.
    """
    config = unet_from_foreign(read_json(folder / "config.json"), folder / "config.json")
    return filled_unet(config, find_weights(folder, WEIGHTS), dtype)


def filled_unet(config: UNetConfig, weights: Weights, dtype: torch.dtype | None = torch.float32) -> UNet:
    """Return a U-Net with stored weights, under UNet2DConditionModel's names."""
    network: UNet = empty(config)
    fill(network, weights, entries(network.state_dict(), unet_table(config), not config.use_linear_projection), dtype)
    return network


def save_vae(vae: VAE, folder: Path, dtype: torch.dtype | None) -> None:
    """Write ``config.json`` and the weights of an AutoencoderKL.

    Its scaling factor is 1, except when the VAE was read with another one and is still the same: then what was read
    is written, to the bit.
    """
    original = unfolded(vae)
    factors = {"scaling_factor": original.scale, "shift_factor": original.shift or None}
    write_json(folder / "config.json", {**vae_to_foreign(vae.config), **factors})
    names = entries(vae.state_dict(), vae_table(vae.config))
    state = {**vae.state_dict(), **original.tensors_like(vae)}
    write_weights(folder / f"{WEIGHTS}.safetensors", to_foreign(state, names), dtype)


def load_vae(folder: Path, dtype: torch.dtype | None = torch.float32) -> VAE:
    """Read an AutoencoderKL, with its scaling and shift factors folded into the 1x1 convolutions.

    Raises:
        UserError: a file is missing or damaged, does not fit its config, or needs what our VAE does not have.
    """
    values = read_json(folder / "config.json")
    config = vae_from_foreign(values, folder / "config.json")
    shift = values.get("shift_factor")
    factors = values.get("scaling_factor", 0.18215), 0.0 if shift is None else shift
    if not all(is_number(factor) for factor in factors) or factors[0] <= 0:
        raise UserError(f"{folder / 'config.json'}: scaling_factor and shift_factor should be numbers, not {factors}")
    return filled_vae(config, vae_weights(folder), factors, dtype)


def filled_vae(config: VAEConfig, weights: Weights, factors: tuple[float, float], dtype: torch.dtype | None) -> VAE:
    """Return a VAE with stored weights, under AutoencoderKL's names, and (scaling, shift) factors folded in."""
    network: VAE = empty(config)
    fill(network, weights, entries(network.state_dict(), vae_table(config)), dtype)
    if factors != (1, 0):
        _fold(network, weights, *factors)
    return network


def _fold(vae: VAE, weights: Weights, scale: float, shift: float) -> None:
    """Whiten by the factors, in float32 whatever the format, and remember what was read."""
    joints = vae.quant_conv, vae.post_quant_conv
    read = {name: weights.take(name, torch.float32) for name in JOINTS}
    dtype = vae.quant_conv.weight.dtype
    for name, x in read.items():
        vae.get_parameter(name).data = x.clone()
    channels = vae.config.latent_channels
    vae.whiten_(torch.full((channels,), shift), torch.full((channels,), 1 / scale))
    folded = {name: vae.get_parameter(name).detach().clone() for name in JOINTS}
    for joint in joints:
        joint.to(dtype)
    vae.original = Original(scale, shift, read, folded)  # type: ignore[assignment]


@dataclass(frozen=True)
class Original:
    """The 1x1 convolutions of a VAE before its factors were folded into them, and after, in float32."""

    scale: float
    shift: float
    tensors: dict[str, Tensor]
    folded: dict[str, Tensor]

    def tensors_like(self, vae: VAE) -> State:
        """The convolutions before the folding, in the format of the VAE."""
        return {name: x.to(vae.get_parameter(name).dtype) for name, x in self.tensors.items()}


def unfolded(vae: VAE) -> Original:
    """What a VAE was before its factors were folded in; scale 1 and its own tensors where they have changed since."""
    original = getattr(vae, "original", None)
    if isinstance(original, Original):
        now = {name: vae.get_parameter(name) for name in JOINTS}
        if all(torch.equal(now[name], original.folded[name].to(now[name].dtype)) for name in JOINTS):
            return original
    return Original(1.0, 0.0, {}, {})


def save_scheduler(schedule: Mapping[str, Any], prediction: str, folder: Path) -> None:
    """Write the config of our own models' scheduler: a DDIM on trailing times.

    Args:
        schedule: ``ScheduleConfig.to_dict()`` (weights know no equations, so only its numbers come here).
        prediction: "v", "epsilon" or "x0".
        folder: e.g. ``model/scheduler``.

    Raises:
        UserError: a prediction that the format cannot name.
    """
    schedulers.save_scheduler(Scheduler(dict(schedule), prediction, "ddim", {"spacing": "trailing"}), folder)


def load_scheduler(folder: Path) -> tuple[dict[str, Any], str]:
    """Read only the noise schedule of any scheduler's config: (``ScheduleConfig`` values, prediction).

    Raises:
        UserError: the file is missing or damaged, or the schedule is of a kind that we do not have.
    """
    return schedulers.load_schedule(folder)


def vae_weights(folder: Path) -> Weights:
    """Return the weights of an AutoencoderKL under the names of today."""
    found = find_weights(folder, WEIGHTS)
    return found.renamed({modern_name(name): place for name, place in found.places.items()})
