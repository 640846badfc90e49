"""DPM-Solver++ 2M (Lu et al. 2022, arXiv 2211.01095)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from fromnoise.diffusion.samplers.base import Calls, Now, Rng, Sampler, Step, to_level


@dataclass(frozen=True)
class DPMSolver(Sampler):
    """Second order for one call per step: the change of x̂_0 is extrapolated from the previous step.

        lambda = log(alpha/sigma),  h = lambda' - lambda,  h_before = lambda - lambda_before
        D      = x̂_0 + (h / 2 h_before) (x̂_0 - x̂_0_before)          (algorithm 2, midpoint)
        x_next = (sigma'/sigma) x_t - alpha' (exp(-h) - 1) D

    The first step knows no previous x̂_0, and the last, to sigma' = 0, would have h = inf: both use D = x̂_0. When the
    schedule starts in pure noise, lambda_before of the *second* step is -inf, so h / h_before = 0 and it is first order
    too; that costs no order, since in alpha/sigma the first two moves are as short as all others.
    """

    def step(self, now: Now, previous: Step | None, estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        if previous is None or now.sigma_next == 0:
            return to_level(now, now.x0_hat)
        log_snr = self.schedule.log_snr  # twice lambda; the halves cancel in the ratio
        before = log_snr(now.t) - log_snr(previous.t)
        slope = 0.0 if math.isinf(before) else (log_snr(now.t_next) - log_snr(now.t)) / (2 * before)
        return to_level(now, (1 + slope) * now.x0_hat - slope * previous.x0_hat)
