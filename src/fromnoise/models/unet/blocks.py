"""The one block the U-Net is made of: a residual block, then attention where the level has it."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from fromnoise.models.layers.attention import SpatialTransformer
from fromnoise.models.layers.residual import ResidualBlock

EPS = 1e-5


class UNetBlock(nn.Module):
    """Residual block with time, then an optional spatial transformer with the prompt.

    Args:
        in_channels: channels of the input (with the skip connection's, on the way up).
        out_channels: channels of the output.
        time_width: width of the time embedding.
        context_width: width of the prompt's tokens.
        heads: attention heads; 0 = no attention.
        groups: groups of the group norms.
        depth: transformer blocks where there is attention.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        time_width: int,
        context_width: int,
        heads: int,
        groups: int,
        depth: int = 1,
    ) -> None:
        super().__init__()
        self.residual = ResidualBlock(in_channels, out_channels, groups, EPS, time_width)
        self.attention = SpatialTransformer(out_channels, context_width, heads, groups, depth) if heads else None

    def forward(self, x: Tensor, time: Tensor, words: Iterator[Tensor]) -> Tensor:
        """Map x (B, in, H, W) and time (B, time_width) to (B, out, H, W).

        Args:
            x: feature map.
            time: time embedding.
            words: keys and values of the prompt; a block with attention takes the next ones, (B, L, 2*depth*out).
        """
        x = self.residual(x, time)
        return x if self.attention is None else self.attention(x, next(words))


class MiddleBlock(nn.Module):
    """The lowest resolution: residual, attention, residual; a lone residual block without attention.

    The lone block is what the "UNetMidBlock2D" of the diffusers layout is.
    """

    def __init__(
        self, channels: int, time_width: int, context_width: int, heads: int, groups: int, depth: int = 1
    ) -> None:
        super().__init__()
        self.first = UNetBlock(channels, channels, time_width, context_width, heads, groups, depth)
        self.last = ResidualBlock(channels, channels, groups, EPS, time_width) if heads else None

    def forward(self, x: Tensor, time: Tensor, words: Iterator[Tensor]) -> Tensor:
        """Map x (B, C, H, W) to (B, C, H, W); arguments as in :class:`UNetBlock`."""
        x = self.first(x, time, words)
        return x if self.last is None else self.last(x, time)
