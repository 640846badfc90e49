"""DDIM (Song, Meng & Ermon 2021, arXiv 2010.02502)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from fromnoise.diffusion.samplers.base import Calls, Now, Rng, Sampler, Step, draw_like


@dataclass(frozen=True)
class DDIM(Sampler):
    """Split x_t into picture and noise, and mix the two anew at the next level (eq. 12):

        x_next = alpha' x̂_0 + sqrt(sigma'² - s²) noise_hat + s z,
        s² = eta² (sigma'²/sigma²) (1 - alpha²/alpha'²)   (eq. 16)

    Attributes:
        schedule: gives alpha and sigma.
        eta: 0 (deterministic, first order) to 1 (as much fresh noise as DDPM).
    """

    eta: float = 0.0

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        share = 1 - (now.alpha / now.alpha_next) ** 2
        fresh = self.eta * now.sigma_next / now.sigma * math.sqrt(max(share, 0.0))
        kept = math.sqrt(now.sigma_next**2 - fresh**2)
        x_next = now.alpha_next * now.x0_hat + kept * now.noise_hat
        return x_next + fresh * draw_like(now.x_t, rng) if fresh > 0 else x_next
