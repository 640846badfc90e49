"""Euler's method on the probability-flow ODE (Karras et al. 2022, arXiv 2206.00364, eq. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from fromnoise.diffusion.samplers.base import Calls, Now, Rng, Sampler, Step, to_level, to_level_with_noise


@dataclass(frozen=True)
class Euler(Sampler):
    """Follow the tangent of the ODE to the next level.

    In Karras' coordinates, y = x/alpha and s = sigma/alpha, the ODE is dy/ds = (y - x̂_0)/s and the step is
    y_next = y + (s' - s) (y - x̂_0)/s. At pure noise s is infinite, so the step is taken in the mirrored coordinates
    y = x/sigma, r = alpha/sigma, dy/dr = x̂_0 (see ``to_level``), where it is exact from the first move on. Written out
    in x, both coordinates give the same point, which is also DDIM's with eta = 0: three names, one move.
    """

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        return to_level(now, now.x0_hat)


@dataclass(frozen=True)
class EulerAncestral(Sampler):
    """Euler's move further down than asked for, and fresh noise back up (k-diffusion's ancestral Euler).

    With s = sigma/alpha: s_up² = s'² (s² - s'²)/s², s_down² = s'² - s_up², so s_down/s = (s'/s)², and

        y_next = x̂_0 + (s_down/s) (y - x̂_0) + s_up z

    which is ``to_level_with_noise``. On whole times it is DDPM's step too; what differs is where the steps are taken.
    """

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        return to_level_with_noise(now, now.x0_hat, rng)
