"""DDPM ancestral sampling (Ho, Jain & Abbeel 2020, arXiv 2006.11239)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fromnoise.diffusion.samplers.base import Calls, Now, Rng, Sampler, Step, draw_like


@dataclass(frozen=True)
class DDPM(Sampler):
    """Draw x_next from q(x_next | x_t, x_0 = x̂_0) (eq. 6-7), for any two levels of the schedule:

        b      = 1 - alpha²/alpha'²                     what noise was added between the two levels
        mean   = (alpha' b / sigma²) x̂_0 + (alpha sigma'² / (alpha' sigma²)) x_t
        var    = b sigma'² / sigma²                     the smaller of the paper's two choices ("fixed_small")

    By default all T levels are visited. It equals DDIM with eta = 1, written as the paper that began it all does.
    """

    default_steps: ClassVar[int] = 1000

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        between = 1 - (now.alpha / now.alpha_next) ** 2
        shrink = (now.sigma_next / now.sigma) ** 2
        mean = now.alpha_next * between / now.sigma**2 * now.x0_hat + (now.alpha / now.alpha_next) * shrink * now.x_t
        deviation = math.sqrt(max(between * shrink, 0.0))
        return mean + deviation * draw_like(now.x_t, rng) if deviation > 0 else mean
