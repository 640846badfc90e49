"""How sure is a figure? Bootstrap intervals (Efron 1979) and the exact sign test.

Means are drawn again from the same pictures, 2,000 times with a fixed seed, so that a report is the same every time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.ground.config import Config

DRAWS = 2000


@dataclass(frozen=True)
class Mean(Config):
    """A mean with its 95 % interval.

    Attributes:
        value: of the n values.
        low, high: between which it fell in 95 % of the draws.
        n: how many values.
    """

    value: float
    low: float
    high: float
    n: int


def mean_of(values: Tensor) -> Mean:
    """Mean of values [N] with its interval; not-a-number for none at all."""
    if not len(values):
        return Mean(math.nan, math.nan, math.nan, 0)
    return bootstrapped(values.double()[:, None], lambda means: means[..., 0])


def ratio_of_means(a: Tensor, b: Tensor) -> Mean:
    """mean(a) / mean(b) of paired values [N]; pairs are drawn together."""
    return bootstrapped(torch.stack([a, b], 1).double(), lambda means: means[..., 0] / means[..., 1])


def share_of_way(value: Tensor, floor: Tensor, ceiling: Tensor) -> Mean:
    """(value − floor) / (ceiling − floor) of means of values [N] that belong together in threes."""
    together = torch.stack([value, floor, ceiling], 1).double()
    return bootstrapped(together, lambda m: (m[..., 0] - m[..., 1]) / (m[..., 2] - m[..., 1]))


def bootstrapped(rows: Tensor, figure: Callable[[Tensor], Tensor]) -> Mean:
    """A figure of column means of ``rows`` [N,K], with its interval; draws that divide by zero are left out."""
    picks = torch.randint(len(rows), (DRAWS, len(rows)), generator=torch.Generator().manual_seed(0))
    found = figure(rows[picks].mean(1))
    found = found[found.isfinite()]
    value = float(figure(rows.mean(0)))
    if not len(found):
        return Mean(value, math.nan, math.nan, len(rows))
    low, high = torch.quantile(found, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Mean(value, low, high, len(rows))


def sign_test(wins: int, losses: int) -> float:
    """Chance of so many wins or more if each were the toss of a fair coin: P(X ≥ wins), X ~ Binomial(n, ½)."""
    n = wins + losses
    return sum(math.comb(n, k) for k in range(wins, n + 1)) / 2**n
