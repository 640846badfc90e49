"""How far is one set of pictures from another? Measured on features, without looking at single pictures.

*KID* (Bińkowski et al. 2018, arXiv 1801.01401): the squared maximum mean discrepancy under the polynomial kernel
k(x, y) = (x·y/d + 1)³. Its unbiased estimate has no error that depends on n, unlike the Fréchet distance; two sets
of one kind therefore measure 0 on average, and a little below it half of the time. *Density and coverage* (Naeem et
al. 2020, arXiv 2002.09797) tell two failures apart: drawings that lie outside the real pictures, and kinds of real
pictures that are never drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.ground.config import Config


@dataclass(frozen=True)
class Kid(Config):
    """KID over random subsets.

    Attributes:
        mean, std: over the subsets. The subsets overlap, so ``std`` is their spread, not the error of ``mean``.
        size: pictures in a subset.
        subsets: how many.
    """

    mean: float
    std: float
    size: int
    subsets: int


@dataclass(frozen=True)
class Manifold(Config):
    """Density and coverage.

    Attributes:
        density: in how many real neighbourhoods a drawing lies, divided by k; about 1 for real pictures.
        coverage: share of the real neighbourhoods that hold at least one drawing.
    """

    density: float
    coverage: float


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x·y/d + 1)³ of every pair, float64 [N,M]."""
    return (x.double() @ y.double().T / x.shape[1] + 1) ** 3


def mmd2_unbiased(x: Tensor, y: Tensor) -> float:
    """Equation 4 of Bińkowski et al.: pairs of a picture with itself are left out.

    Σ_{i≠j} k(x_i, x_j)/(m(m−1)) + Σ_{i≠j} k(y_i, y_j)/(n(n−1)) − 2 Σ_{ij} k(x_i, y_j)/(mn)
    """
    within = [(k.sum() - k.diagonal().sum()) / (len(k) * (len(k) - 1)) for k in (kernel(x, x), kernel(y, y))]
    return float(within[0] + within[1] - 2 * kernel(x, y).mean())


def mmd2_biased(x: Tensor, y: Tensor) -> float:
    """The same with those pairs: never below 0, and for two samples of one kind about 2·(E k(x,x) − E k(x,x′))/n."""
    return float(kernel(x, x).mean() + kernel(y, y).mean() - 2 * kernel(x, y).mean())


def kid(x: Tensor, y: Tensor, size: int = 100, subsets: int = 100) -> Kid:
    """KID of two sets of features [N,D] and [M,D], as published: mean and spread over random subsets.

    Args:
        x, y: features.
        size: of the subsets, cut to half of the smaller set, or else all subsets were the same.
        subsets: how many, chosen with a fixed seed.
    """
    size = min(size, max(2, min(len(x), len(y)) // 2))
    rng = torch.Generator().manual_seed(0)
    found = []
    for _ in range(subsets):
        a, b = (torch.randperm(len(s), generator=rng)[:size] for s in (x, y))
        found.append(mmd2_unbiased(x[a], y[b]))
    values = torch.tensor(found, dtype=torch.float64)
    return Kid(float(values.mean()), float(values.std(correction=0)), size, subsets)


def density_coverage(real: Tensor, drawn: Tensor, k: int = 5) -> Manifold:
    """Density and coverage of drawn features [M,D] among real ones [N,D].

    A real picture's neighbourhood is the ball that reaches to its k-th nearest other real picture. The published
    equations count with ≤; equal pictures are rare either way.
    """
    real, drawn, k = real.double(), drawn.double(), min(k, len(real) - 1)
    exact = "donot_use_mm_for_euclid_dist"  # the fast way loses small distances among large features
    radius = torch.cdist(real, real, compute_mode=exact).kthvalue(k + 1, dim=1).values  # +1: itself is the nearest
    inside = torch.cdist(real, drawn, compute_mode=exact) <= radius[:, None]  # [N,M]
    return Manifold(float(inside.sum()) / (k * len(drawn)), float(inside.any(1).double().mean()))
