"""UniPC of order 2 (Zhao et al. 2023, "UniPC: A Unified Predictor-Corrector Framework", arXiv 2302.04867)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from fromnoise.diffusion.samplers.base import Calls, Now, Rng, Sampler, Step, lambda_rise, to_level
from fromnoise.diffusion.schedule import NoiseSchedule


@dataclass(frozen=True)
class UniPC(Sampler):
    """Predict x_next as DPM-Solver++ 2M does, and mend it once x̂_0 there is known, for no further call.

    Predictor, with h and D as in ``DPMSolver`` (algorithm 6 with B(h) = exp(-h) - 1; "bh2"):

        x_next = (sigma'/sigma) x_t - alpha' B(h) D,  D = x̂_0 + (1/2) (x̂_0_before - x̂_0) / r,  r = -h_before/h

    Corrector (algorithm 5): the last step is taken again with the weights that its end point allows,

        D = x̂_0_before + w_0 (x̂_0_earlier - x̂_0_before)/r + w_1 (x̂_0 - x̂_0_before)

    where w_0 + w_1 = b_1 and r w_0 + w_1 = b_2, or w_0 = 0 and w_1 = 1/2 if that step was of first order. Both D are
    linear in what is known, so the mended x_t is the old one plus -alpha B(h) times their difference, and the sample
    that the step started from need not be kept.

    Attributes:
        schedule: gives alpha and sigma.
        lower_order_final: the last step is of first order, as it always is to sigma' = 0.
    """

    lower_order_final: bool = True

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        x_t = now.x_t + self._correction(now, past) if past else now.x_t
        x0 = now.x0_hat
        if past and now.sigma_next > 0 and not (self.lower_order_final and now.left == 1):
            r = ratio(self.schedule, past[-1].t, now.t, now.t_next)
            x0 = x0 + 0.5 / r * (past[-1].x0_hat - x0)
        return to_level(now, x0, x_t)

    def _correction(self, now: Now, past: Sequence[Step]) -> Tensor:
        """What to add to x_t [B,C,H,W] now that x̂_0 at x_t is known."""
        last = past[-1]
        h = lambda_rise(self.schedule, last.t, now.t)
        change = now.x0_hat - last.x0_hat
        if last.index == 0:
            better = 0.5 * change
        else:
            r = ratio(self.schedule, past[-2].t, last.t, now.t)
            b_1, b_2 = corrector_sums(h)
            w_0 = (b_1 - b_2) / (1 - r)
            better = (w_0 - 0.5) / r * (past[-2].x0_hat - last.x0_hat) + (b_1 - w_0) * change
        return -now.alpha * math.expm1(-h) * better


def ratio(schedule: NoiseSchedule, t_before: float, t: float, t_next: float) -> float:
    """r = (lambda_before - lambda) / (lambda' - lambda), below 0; -inf after pure noise."""
    return -lambda_rise(schedule, t_before, t) / lambda_rise(schedule, t, t_next)


def corrector_sums(h: float) -> tuple[float, float]:
    """b_1 and b_2 of the corrector's two equations, for B(h) = exp(-h) - 1 and a clean-estimate network."""
    b = math.expm1(-h)
    phi_2 = -b / h - 1  # h phi_2(-h) in the paper
    phi_3 = -phi_2 / h - 0.5
    return phi_2 / b, 2 * phi_3 / b
