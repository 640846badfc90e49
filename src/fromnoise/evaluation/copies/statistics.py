"""Shares of few, told honestly: exact intervals, and the difference of two shares."""

from __future__ import annotations

from dataclasses import dataclass

from scipy.stats import beta, binomtest

from fromnoise.ground.config import Config


@dataclass(frozen=True)
class Share(Config):
    """``hits`` of ``n``, with a 95 % interval."""

    hits: int
    n: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The share itself."""
        return self.hits / self.n if self.n else float("nan")

    def __str__(self) -> str:
        return f"{self.value:.1%} (95 %: {self.low:.1%}–{self.high:.1%}; {self.hits} of {self.n})"


def share(hits: int, n: int) -> Share:
    """A share with the exact interval of Clopper and Pearson 1934."""
    if n == 0:
        return Share(0, 0, 0.0, 1.0)
    interval = binomtest(hits, n).proportion_ci(0.95, "exact")
    return Share(hits, n, float(interval.low), float(interval.high))


def excess(found: Share, base: Share) -> tuple[float, float, float]:
    """How much larger one share is than another, with a 95 % interval (Newcombe 1998, method 10).

    Both shares' Wilson intervals are put together, which holds where a share is near 0, as the base is here.
    """
    (a, a_low, a_high), (b, b_low, b_high) = _wilson(found), _wilson(base)
    low = ((a - a_low) ** 2 + (b_high - b) ** 2) ** 0.5
    high = ((a_high - a) ** 2 + (b - b_low) ** 2) ** 0.5
    return a - b, a - b - low, a - b + high


def _wilson(found: Share) -> tuple[float, float, float]:
    if found.n == 0:
        return 0.0, 0.0, 1.0
    interval = binomtest(found.hits, found.n).proportion_ci(0.95, "wilson")
    return found.value, float(interval.low), float(interval.high)


def most_allowed(n: int, rate: float, confidence: float = 0.95) -> int:
    """How many of n may be false alarms so that the true rate is at most ``rate``, with that confidence.

    The k smallest of n values are to be flagged. The share of all values below the (k + 1)-th smallest follows
    Beta(k + 1, n - k), whatever the values' distribution (Wilks 1941); its upper quantile must not exceed the rate.

    Returns:
        0 also when n is too small for the promise.
    """
    found = [k for k in range(int(rate * n) + 1) if beta.ppf(confidence, k + 1, n - k) <= rate]
    return max(found, default=0)
