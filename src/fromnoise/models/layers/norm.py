"""A group norm's mean and variance, taken piece by piece: exact for large maps, and the same on any number of cores.

torch's own group norm sums a large map's values one by one in float32, which loses digits, and writes the whole map.
With mean and variance known it is a factor and a summand for each channel, which other layers can take along.

:class:`GroupNorm` is torch's, in the number format in which that is fast.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PIECE = 1024  # positions whose mean and variance are taken together, in the cache
VECTOR = 16  # bf16 values that torch takes at once; groups that are no whole number of them it takes one by one
LARGE = 1024  # positions of a map from which on it takes whole rows forwards, and that no longer matters


class GroupNorm(nn.GroupNorm):
    """``nn.GroupNorm``, computed in float32 where torch is slow in bf16: up to three times as fast.

    That is on a CPU, for groups whose channels torch cannot take as whole vectors (``benchmarks/layers.py``). Input,
    output and weights stay bf16.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, ...) to the same shape and format."""
        if not self._slow(x):
            return super().forward(x)
        return F.group_norm(x.float(), self.num_groups, self.weight.float(), self.bias.float(), self.eps).to(x.dtype)

    def _slow(self, x: Tensor) -> bool:
        channels = self.num_channels // self.num_groups
        if x.dtype != torch.bfloat16 or x.device.type != "cpu" or channels % VECTOR == 0:
            return False
        return channels < VECTOR if torch.is_grad_enabled() else math.prod(x.shape[2:]) < LARGE


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel of (positions, C), in float32 or wider, (C,) each."""
    wide = x.to(torch.promote_types(x.dtype, torch.float32))
    mean = wide.mean(0)
    return mean, (wide - mean).square_().mean(0)


def of_groups(means: Tensor, variances: Tensor, shares: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Mean and variance of each group of channels, from those of pieces.

    By the formula of Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances" (1979), for each channel and then for the group.

    Args:
        means: float64 [pieces,C].
        variances: float64 [pieces,C].
        shares: float64 [pieces], of the positions; together 1.
        groups: how many; divides C.

    Returns:
        Float64 [groups] each.
    """
    mean = (shares @ means).reshape(groups, -1).mean(1)
    apart = (means - mean.repeat_interleave(means.shape[1] // groups)).square()
    return mean, (shares @ (variances + apart)).reshape(groups, -1).mean(1)


def as_affine(norm: nn.GroupNorm, mean: Tensor, variance: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """What the norm multiplies by and adds, (C,) each in ``dtype``, for float64 mean and variance of its groups."""
    mean, variance = (moment.repeat_interleave(norm.num_channels // norm.num_groups) for moment in (mean, variance))
    factors = norm.weight.double() / (variance + norm.eps).sqrt()
    return factors.to(dtype), (norm.bias.double() - mean * factors).to(dtype)


def affine(norm: nn.GroupNorm, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the norm multiplies by and adds for pictures (B, C, H, W), float32 [B,C] each; of each picture by itself."""
    found = [as_affine(norm, *_of_picture(rows, norm.num_groups), torch.float32) for rows in _positions(x)]
    factors, summands = (torch.stack(part) for part in zip(*found, strict=True))
    return factors, summands


def _positions(x: Tensor) -> Tensor:
    """(B, C, H, W) as (B, positions, C): a view when x is channels_last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def _of_picture(x: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    pieces = x.split(PIECE)
    means = torch.empty(2, len(pieces), x.shape[1], dtype=torch.float32)
    for i, piece in enumerate(pieces):
        means[0, i], means[1, i] = moments(piece)
    shares = torch.tensor([len(piece) / len(x) for piece in pieces], dtype=torch.float64)
    return of_groups(means[0].double(), means[1].double(), shares, groups)
