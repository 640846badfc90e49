"""Curves along which s = sigma/alpha falls: Karras', exponential and beta."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np

Numbers: TypeAlias = np.ndarray[Any, np.dtype[np.float64]]
RHO = 7.0  # Karras' choice
BETA = 0.6  # both parameters of "beta"


def karras(n: int, low: float, high: float) -> Numbers:
    """n values from high to low, even in s^(1/7): short steps near clean (Karras et al. 2022, 2206.00364, eq. 5)."""
    ramp = np.linspace(0, 1, n)
    return np.asarray((high ** (1 / RHO) + ramp * (low ** (1 / RHO) - high ** (1 / RHO))) ** RHO)


def exponential(n: int, low: float, high: float) -> Numbers:
    """n values from high to low, even in log s."""
    return np.exp(np.linspace(math.log(high), math.log(low), n))


def beta(n: int, low: float, high: float) -> Numbers:
    """n values from high to low, at even quantiles of Beta(0.6, 0.6): dense at both ends (Lee et al. 2024, 2407.12173).

    The name is the distribution's; it has nothing to do with the betas of a schedule.
    """
    return np.array([low + beta_quantile(1 - float(u)) * (high - low) for u in np.linspace(0, 1, n)])


SPREADS: dict[str, Callable[[int, float, float], Numbers]] = {
    "karras": karras,
    "exponential": exponential,
    "beta": beta,
}


def beta_quantile(share: float, a: float = BETA) -> float:
    """The x below which a share 0..1 of Beta(a, a) lies, by bisection: to the last bit but a few, without scipy."""
    if share > 0.5:
        return 1 - beta_quantile(1 - share, a)
    low, high = 0.0, 0.5
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _beta_share(middle, a) < share else (low, middle)
    return (low + high) / 2


def _beta_share(x: float, a: float) -> float:
    """The share of Beta(a, a) below x <= 1/2: x^a (1-x)^a / (a B(a,a)) · sum of (2a)_k/(a+1)_k x^k (DLMF 8.17.8)."""
    term = total = 1.0
    k = 0
    while term > 1e-17 * total:
        term *= (2 * a + k) / (a + 1 + k) * x
        total, k = total + term, k + 1
    return (x * (1 - x)) ** a * total * math.gamma(2 * a) / (a * math.gamma(a) ** 2)
