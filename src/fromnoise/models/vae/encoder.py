"""The VAE's encoder: picture in, mean and log-variance of each latent number out."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.models.layers.attention import SpatialSelfAttention
from fromnoise.models.layers.norm import GroupNorm
from fromnoise.models.layers.residual import Downsample, ResidualBlock

EPS = 1e-6


def middle(channels: int, groups: int, attention: bool) -> nn.ModuleDict:
    """Return the blocks at the lowest resolution: residual, optional attention, residual."""
    blocks: dict[str, nn.Module] = {"middle_0": ResidualBlock(channels, channels, groups, EPS)}
    if attention:
        blocks["middle_attention"] = SpatialSelfAttention(channels, groups, EPS)
    blocks["middle_1"] = ResidualBlock(channels, channels, groups, EPS)
    return nn.ModuleDict(blocks)


class Encoder(nn.Module):
    """Convolutional encoder of latent diffusion (arXiv 2112.10752).

    Blocks are named by their downsampling factor: "f2_down_0" works at half of the picture's resolution and
    "f2_to_f4" leads to a quarter.

    Args:
        in_channels: channels of the picture.
        out_channels: channels of the output (twice the latent channels: means and log-variances).
        widths: channels at factors 1, 2, 4, ...
        layers: residual blocks per resolution.
        groups: groups of the group norms.
        attention: whether the middle has self-attention.
    """

    def __init__(
        self, in_channels: int, out_channels: int, widths: Sequence[int], layers: int, groups: int, attention: bool
    ) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.down = nn.ModuleDict()
        channels = widths[0]
        for level, width in enumerate(widths):
            for i in range(layers):
                self.down[f"f{2**level}_down_{i}"] = ResidualBlock(channels, width, groups, EPS)
                channels = width
            if level + 1 < len(widths):
                self.down[f"f{2**level}_to_f{2 ** (level + 1)}"] = Downsample(channels, one_sided=True)
        self.middle = middle(channels, groups, attention)
        self.norm_out = GroupNorm(groups, channels, EPS)
        self.conv_out = nn.Conv2d(channels, out_channels, 3, padding=1)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures (B, in, H, W) to (B, out, H/f, W/f)."""
        x = self.conv_in(pictures)
        for block in (*self.down.values(), *self.middle.values()):
            x = block(x)
        return self.conv_out(F.silu(self.norm_out(x)))
