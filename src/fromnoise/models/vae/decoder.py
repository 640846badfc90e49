"""The VAE's decoder: latents in, picture out."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.models.layers.norm import GroupNorm
from fromnoise.models.layers.residual import ResidualBlock, Upsample
from fromnoise.models.vae.encoder import EPS, middle


class Decoder(nn.Module):
    """Convolutional decoder of latent diffusion: the encoder mirrored, with one residual block more per resolution.

    Args:
        in_channels: latent channels.
        out_channels: channels of the picture.
        widths: channels at factors 1, 2, 4, ... (as in the encoder; used from the last to the first).
        layers: residual blocks per resolution.
        groups: groups of the group norms.
        attention: whether the middle has self-attention.
    """

    def __init__(
        self, in_channels: int, out_channels: int, widths: Sequence[int], layers: int, groups: int, attention: bool
    ) -> None:
        super().__init__()
        channels = widths[-1]
        self.conv_in = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.middle = middle(channels, groups, attention)
        self.up = nn.ModuleDict()
        for level, width in reversed(list(enumerate(widths))):
            for i in range(layers):
                self.up[f"f{2**level}_up_{i}"] = ResidualBlock(channels, width, groups, EPS)
                channels = width
            if level > 0:
                self.up[f"f{2**level}_to_f{2 ** (level - 1)}"] = Upsample(channels)
        self.norm_out = GroupNorm(groups, channels, EPS)
        self.conv_out = nn.Conv2d(channels, out_channels, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Map latents (B, in, h, w) to (B, out, h*f, w*f)."""
        x = self.conv_in(latents)
        for block in (*self.middle.values(), *self.up.values()):
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(x)))
