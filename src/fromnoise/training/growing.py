"""A VAE of twice the pixels for the same latents: another VAE with one more level outside.

A U-Net that draws pictures of 64 pixels then draws 128 at the same price, since its latents mean what they meant. The
grown encoder learns to say of a picture what the known one says of it at half its size; the grown decoder learns to
draw, from what the known one says, the picture itself. What is finer than the known VAE saw is the decoder's alone.
"""

from __future__ import annotations

import copy
import re
from typing import Any, cast

import torch
from torch import Tensor, nn

from fromnoise.ground.errors import UserError
from fromnoise.models.layers.residual import Downsample, ResidualBlock, Upsample
from fromnoise.models.vae.vae import VAE, VAEConfig
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.recipe import VAEStage
from fromnoise.training.tasks.base import Compute

_FACTOR = re.compile(r"(?<=[._])f(\d+)")
OUTER = ("encoder.down.f1_", "decoder.up.f1_", "decoder.up.f2_to_f1")  # what a grown VAE has more than the known one


def check_grows(config: VAEConfig, known: VAEConfig | None) -> None:
    """Refuse to grow (``vae.grows``) from a VAE that is not the inner levels of the recipe's.

    Args:
        config: of the grown VAE.
        known: of the VAE of ``start_from``; None without a model.

    Raises:
        UserError: it says which sizes fit.
    """
    if known is None:
        raise UserError("vae.grows keeps the latents of the model of start_from; set start_from too, or leave it out")
    own, theirs = config.to_dict(), known.to_dict()
    inner = theirs["block_out_channels"]
    fits = list(own["block_out_channels"])[1:] == list(inner) and own["block_out_channels"][0] == inner[0]
    others = [name for name in theirs if name != "block_out_channels" and own[name] != theirs[name]]
    if not fits:
        wanted = ",".join(map(str, (inner[0], *inner)))
        raise UserError(
            f"vae.grows adds one level outside the VAE of start_from: set vae.model.block_out_channels={wanted}"
        )
    if others:
        asked = " ".join(f"--set vae.model.{name}={theirs[name]}" for name in others)
        raise UserError(
            f"vae.grows takes the VAE of start_from as its inner levels: give the recipe its sizes ({asked})"
        )


def known_vae(stage: VAEStage, base: TextToImage | None, compute: Compute) -> VAE | None:
    """The VAE whose latents are kept, frozen and in the compute format, where the stage ``grows``; else None."""
    if base is None or not stage.grows:
        return None
    known = copy.deepcopy(base.vae).to(compute.device, compute.dtype, memory_format=compute.memory_format)  # type: ignore[call-overload]
    return cast(VAE, known.eval().requires_grad_(False))


def is_inside(known: nn.Module, network: nn.Module) -> bool:
    """Whether a VAE may begin as the inner levels of another, which has one level more."""
    if not isinstance(network, VAE) or not isinstance(known, VAE):
        return False
    return len(network.config.block_out_channels) == len(known.config.block_out_channels) + 1


def inner_names(known: nn.Module) -> dict[str, Tensor]:
    """Tensors of a VAE by the names of the same blocks in one with a level more: those say how small pictures are."""
    return {_FACTOR.sub(lambda found: f"f{2 * int(found[1])}", key): tensor
            for key, tensor in known.state_dict().items()}  # fmt: skip


@torch.no_grad()
def let_through(network: nn.Module) -> None:
    """Let a VAE's outermost level change nothing but the size: its residual blocks add nothing, pixels are averaged on
    the way in, and repeated on the way out. So a grown VAE begins as the known one seen through a magnifying glass.
    """
    for name, block in network.named_modules():
        if not name.startswith(OUTER):
            continue
        if isinstance(block, ResidualBlock):
            for parameter in block.conv_2.parameters():
                nn.init.zeros_(parameter)
        elif isinstance(block, (Downsample, Upsample)):
            kernel = torch.zeros(3, 3)
            if isinstance(block, Downsample):  # one-sided: the kernel's first two rows and columns are the pixels' own
                kernel[:2, :2] = 0.25
            else:
                kernel[1, 1] = 1
            channels = len(block.conv.weight)
            nn.init.zeros_(cast(Tensor, block.conv.bias))
            block.conv.weight.copy_(torch.eye(channels)[:, :, None, None] * kernel)


def halved(pictures: Tensor) -> Tensor:
    """Pictures [B,3,H,W] at half their size: means of 2 × 2 pixels."""
    return nn.functional.avg_pool2d(pictures, 2)


@torch.no_grad()
def said_of_half(known: Any, pictures: Tensor) -> Tensor:
    """What the known VAE says of pictures [B,3,H,W] in −1…1 at half their size: mean latents, float32."""
    wanted: Tensor = known.encode(halved(pictures)).mean.float()
    return wanted
