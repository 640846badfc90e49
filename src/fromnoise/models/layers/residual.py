"""Residual convolution blocks and the two changes of resolution, shared by the U-Net and the VAE.

All blocks keep a channels_last tensor channels_last: nothing here permutes or copies.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.models.layers.convolution import Convolution3x3
from fromnoise.models.layers.norm import GroupNorm


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x))) + time))), the residual block of DDPM (arXiv 2006.11239, appendix B).

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output; a 1x1 convolution joins the shortcut when they differ.
        groups: number of groups of both group norms; must divide both channel counts.
        eps: added to the variance in the norms (1e-5 in the U-Net, 1e-6 in the VAE, as in latent diffusion).
        time_width: width of the time embedding added after the first convolution; 0 = no time.
    """

    def __init__(self, in_channels: int, out_channels: int, groups: int, eps: float, time_width: int = 0) -> None:
        super().__init__()
        self.norm_1 = GroupNorm(groups, in_channels, eps)
        self.conv_1 = Convolution3x3(in_channels, out_channels)
        self.time = nn.Linear(time_width, out_channels) if time_width else None
        self.norm_2 = GroupNorm(groups, out_channels, eps)
        self.conv_2 = Convolution3x3(out_channels, out_channels)
        self.shortcut = nn.Conv2d(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """Map x (B, in, H, W) to (B, out, H, W); ``time`` (B, time_width) has already passed its SiLU."""
        h = self.conv_1(F.silu(self.norm_1(x)))  # (B, out, H, W)
        if self.time is not None:
            h = h + self.time(time)[:, :, None, None]
        h = self.conv_2(F.silu(self.norm_2(h)))
        return (x if self.shortcut is None else self.shortcut(x)) + h


class Downsample(nn.Module):
    """Halve the resolution with a strided 3x3 convolution.

    The U-Net pads all four sides; the VAE's encoder pads right and bottom only (``one_sided``), a habit of
    latent diffusion that a compatible file format has to keep.
    """

    def __init__(self, channels: int, one_sided: bool = False) -> None:
        super().__init__()
        self.one_sided = one_sided
        self.conv = Convolution3x3(channels, channels, stride=2, padding=0 if one_sided else 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, ceil(H/2), ceil(W/2)); one-sided padding rounds down."""
        return self.conv(F.pad(x, (0, 1, 0, 1)) if self.one_sided else x)


class Upsample(nn.Module):
    """Double the resolution by repeating pixels, then smooth with a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = Convolution3x3(channels, channels)

    def forward(self, x: Tensor, size: tuple[int, int] | None = None) -> Tensor:
        """Map (B, C, H, W) to (B, C, *size); ``size`` defaults to (2H, 2W)."""
        height, width = size or (2 * x.shape[2], 2 * x.shape[3])
        return self.conv(F.interpolate(x, size=(height, width), mode="nearest"))
