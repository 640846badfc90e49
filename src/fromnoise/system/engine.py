"""What computes the U-Net and the VAE's decoder while drawing: torch, or another engine that a model is given."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import to_bytes
from fromnoise.models.layers.packed import packed_copy
from fromnoise.models.unet.unet import UNet
from fromnoise.models.vae.bands import decode_any_size
from fromnoise.models.vae.vae import VAE
from fromnoise.system.picturewise import ExactBatches


class Engine(Protocol):
    """A part of a model: computes its networks. What it decodes goes through :func:`shown`, which may raise.

    Attributes:
        precision: what the U-Net's products are computed in, "fp32" or "bf16".
        batches: which batch sizes give the bits of single calls.
    """

    @property
    def precision(self) -> str:
        """What the U-Net's products are computed in, "fp32" or "bf16"."""
        ...

    @property
    def batches(self) -> ExactBatches:
        """Which batch sizes give the bits of single calls."""
        ...

    def predict(self, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
        """The U-Net's raw output [B,C,h,w] for noisy latents [B,C+M,h,w], times [B] and read words [B,L,W]."""
        ...

    def decode(self, latents: Tensor) -> Tensor:
        """uint8 pictures [B,3,H,W] for clean latents [B,C,h,w], on the latents' device."""
        ...


def shown(decoded: Tensor) -> Tensor:
    """What a decoder made, about −1…1, as uint8 pictures.

    Raises:
        UserError: some of it is no number, which would else be a black picture that nobody was warned of.
    """
    if not bool(torch.isfinite(decoded).all()):
        raise UserError(
            "the model's VAE made not-a-number of the drawing: its weights are damaged, or too large for their number "
            "format; fetch the model again, or draw with another one"
        )
    return to_bytes(decoded)


class TorchEngine:
    """The networks as they are.

    Args:
        unet, vae: of the model.
    """

    def __init__(self, unet: UNet, vae: VAE) -> None:
        self._unet, self._vae, self._wide = unet, vae, vae
        self.batches = ExactBatches(self.predict)

    @property
    def precision(self) -> str:
        """ "fp32" or "bf16"."""
        return "bf16" if next(self._unet.parameters()).dtype == torch.bfloat16 else "fp32"

    def predict(self, x: Tensor, t: Tensor, words: Tensor) -> Tensor:
        """The U-Net's raw output."""
        return self._unet.with_words(x, t, words)

    def decode(self, latents: Tensor) -> Tensor:
        """uint8 pictures; what is too large for a VAE in float16 is decoded once more in float32."""
        found = decode_any_size(self._vae, latents)
        if self._vae.post_quant_conv.weight.dtype == torch.float16 and not bool(torch.isfinite(found).all()):
            if self._wide is self._vae:
                self._wide = packed_copy(self._vae, torch.float32)
            found = decode_any_size(self._wide, latents)
        return shown(found)
