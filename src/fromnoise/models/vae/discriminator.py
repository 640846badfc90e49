"""Tells pictures from reconstructions, patch by patch, while a decoder learns; no part of a finished model.

As in R3GAN (Huang et al. 2024, arXiv 2501.05441, section 3) there is no norm, and every residual block begins as the
identity. Other than there, it sees only how pixels differ from their surroundings: with brightness and colour to go by,
both players chase each other through those, which is what every other loss of the decoder is for, and learn nothing of
edges. Its convolutions are torch's own: a penalty on gradients is differentiated twice, which Winograd's way
(:mod:`fromnoise.models.layers.winograd`) refuses.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky ReLUs below 0
AROUND = 7  # pixels across, whose mean a pixel is compared with


class Discriminator(nn.Module):
    """One logit per patch: the higher, the more real. It begins with 0 for every picture.

    Args:
        widths: channels at factors 2, 4, 8, ...; with two of them a logit sees 46 pixels across, with three 90.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 6, stride=2, padding=2)
        self.down = nn.ModuleDict({"f2": PlainBlock(widths[0])})
        for i, (before, after) in enumerate(itertools.pairwise(widths)):
            self.down[f"f{2 ** (i + 1)}_to_f{2 ** (i + 2)}"] = nn.Sequential(
                nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(before, after, 1)
            )
            self.down[f"f{2 ** (i + 2)}"] = PlainBlock(after)
        self.conv_out = _silent(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures (B, 3, H, W), -1..1, to logits (B, 1, about H/f, about W/f), at least one."""
        x = self.conv_in(pictures - F.avg_pool2d(pictures, AROUND, 1, AROUND // 2, count_include_pad=False))
        for block in self.down.values():
            x = block(x)
        return self.conv_out(F.leaky_relu(x, SLOPE))


class PlainBlock(nn.Module):
    """x + conv(lrelu(conv(lrelu(x)))) at one resolution, without norms.

    Args:
        channels: of the input and of the output.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv_2 = _silent(nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to the same shape."""
        return x + self.conv_2(F.leaky_relu(self.conv_1(F.leaky_relu(x, SLOPE)), SLOPE))


def _silent(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with weights of 0."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
