"""How sure is a figure? Intervals and the sign test, by scipy.

Shares have the interval of Wilson 1927, which is honest also where all of n pictures agree. Other means, and ratios of
means, are drawn again from the same pictures (the bootstrap of Efron 1979), 2,000 times with a fixed seed, so that a
report is the same every time.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fromnoise.ground.config import Config
from fromnoise.ground.errors import missing_packages

try:
    from scipy.stats import DegenerateDataWarning, binomtest, bootstrap
except ImportError as error:
    raise missing_packages("measuring needs more packages", "evaluate") from error

DRAWS = 2000
AT_ONCE = 500  # draws; 10,000 pictures then need 40 MB for each figure


@dataclass(frozen=True)
class Mean(Config):
    """A mean with its 95 % interval.

    Attributes:
        value: of the n values.
        low, high: of the interval.
        n: how many values.
    """

    value: float
    low: float
    high: float
    n: int


def mean_of(values: Tensor) -> Mean:
    """Mean of values [N] with its interval: Wilson's for yes and no, else by bootstrap; not-a-number for no values."""
    if not len(values):
        return Mean(math.nan, math.nan, math.nan, 0)
    values = values.double()
    if bool(((values == 0) | (values == 1)).all()):
        return share_of(int(values.sum()), len(values))
    return bootstrapped(values[:, None], lambda means: means[..., 0])


def share_of(hits: int, n: int) -> Mean:
    """A share of n > 0 with Wilson's interval."""
    interval = binomtest(hits, n).proportion_ci(0.95, "wilson")
    value = hits / n
    return Mean(value, min(float(interval.low), value), max(float(interval.high), value), n)


def ratio_of_means(a: Tensor, b: Tensor) -> Mean:
    """mean(a) / mean(b) of paired values [N]; pairs are drawn together."""
    return bootstrapped(torch.stack([a, b], 1).double(), lambda means: means[..., 0] / means[..., 1])


def bootstrapped(rows: Tensor, figure: Callable[[Tensor], Tensor]) -> Mean:
    """A figure of column means of ``rows`` [N,K], with its interval; draws that divide by zero are left out."""

    def of_draws(*columns: np.ndarray, axis: int) -> np.ndarray:
        means = np.stack([column.mean(axis) for column in columns], -1)
        return figure(torch.from_numpy(means)).numpy()

    value = float(figure(rows.mean(0)))
    if len(rows) < 2:  # nothing to draw from
        return Mean(value, math.nan, math.nan, len(rows))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DegenerateDataWarning)  # of draws that divide by zero
        drawn = bootstrap(
            tuple(rows.double().numpy().T), of_draws, paired=True, vectorized=True, n_resamples=DRAWS, batch=AT_ONCE,
            method="percentile", random_state=np.random.default_rng(0),
        ).bootstrap_distribution  # fmt: skip
    found = drawn[np.isfinite(drawn)]
    if not len(found):
        return Mean(value, math.nan, math.nan, len(rows))
    low, high = np.quantile(found, (0.025, 0.975)).tolist()
    return Mean(value, low, high, len(rows))


def sign_test(wins: int, losses: int) -> float:
    """Chance of so many wins or more if each were the toss of a fair coin, exact."""
    n = wins + losses
    return float(binomtest(wins, n, 0.5, "greater").pvalue) if n else 1.0
