"""DPM-Solver++ 2M, without and with fresh noise (Lu et al. 2022, arXiv 2211.01095)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from fromnoise.diffusion.samplers.base import (
    Calls,
    Now,
    Rng,
    Sampler,
    Step,
    lambda_rise,
    to_level,
    to_level_with_noise,
)
from fromnoise.ground.errors import UserError

FEW = 15  # below this many steps the last one is first order, where it would otherwise be second


@dataclass(frozen=True)
class DPMSolver(Sampler):
    """Second order for one call per step: the change of x̂_0 is extrapolated from the previous step.

        lambda = log(alpha/sigma),  h = lambda' - lambda,  h_before = lambda - lambda_before
        D      = x̂_0 + (h / 2 h_before) (x̂_0 - x̂_0_before)          (algorithm 2, midpoint)
        x_next = (sigma'/sigma) x_t - alpha' (exp(-h) - 1) D

    The first step knows no previous x̂_0, and the last, to sigma' = 0, would have h = inf: both use D = x̂_0. When the
    schedule starts in pure noise, lambda_before of the *second* step is -inf, so h / h_before = 0 and it is first order
    too; that costs no order, since in alpha/sigma the first two moves are as short as all others.

    Attributes:
        schedule: gives alpha and sigma.
        solver_type: "midpoint", or "heun", which integrates the slope exactly: k h/h_before (x̂_0 - x̂_0_before) with
            k = 1/(1 - exp(-h)) - 1/h instead of 1/2.
        lower_order_final: with fewer than 15 steps the last is first order even where the path ends in some noise.
        euler_at_final: the same for any number of steps.
    """

    solver_type: str = "midpoint"
    lower_order_final: bool = True
    euler_at_final: bool = False

    def __post_init__(self) -> None:
        """Raise ``UserError`` for an unknown solver_type."""
        if self.solver_type not in ("midpoint", "heun"):
            raise UserError(f"solver_type must be midpoint or heun, not '{self.solver_type}'")

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        return to_level(now, self.extrapolated(now, past, 1.0))

    def extrapolated(self, now: Now, past: Sequence[Step], speed: float) -> Tensor:
        """D, the clean estimate carried on to where this step needs it, [B,C,H,W].

        Args:
            now, past: as ``step`` has them.
            speed: how fast x_t is forgotten: exp(-speed h); 1 for the ODE, 2 for the SDE. "heun" needs to know.
        """
        if not past or now.sigma_next == 0 or self._is_first_order(now, past):
            return now.x0_hat
        before = lambda_rise(self.schedule, past[-1].t, now.t)
        h = lambda_rise(self.schedule, now.t, now.t_next)
        slope = 0.0 if math.isinf(before) else h * self._weight(speed * h) / before
        return (1 + slope) * now.x0_hat - slope * past[-1].x0_hat

    def _is_first_order(self, now: Now, past: Sequence[Step]) -> bool:
        few = self.lower_order_final and past[-1].total < FEW
        return now.left == 1 and (self.euler_at_final or few)

    def _weight(self, h: float) -> float:
        return 0.5 if self.solver_type == "midpoint" or h <= 0 else 1 / -math.expm1(-h) - 1 / h


@dataclass(frozen=True)
class DPMSolverSDE(DPMSolver):
    """SDE-DPM-Solver++ 2M: the same extrapolation, and as much fresh noise as DDPM adds (eq. 18 and appendix D).

    x_next = (sigma'/sigma) exp(-h) x_t + alpha' (1 - exp(-2h)) D + sigma' sqrt(1 - exp(-2h)) z
    """

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        return to_level_with_noise(now, self.extrapolated(now, past, 2.0), rng)
