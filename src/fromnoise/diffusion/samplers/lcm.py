"""Sampling of latent consistency models (Luo et al. 2023, arXiv 2310.04378)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fromnoise.diffusion.samplers.base import Calls, Now, Rng, Sampler, Step, draw_like

SIGMA_DATA = 0.5


@dataclass(frozen=True)
class LCM(Sampler):
    """Jump to the picture, add fresh noise up to the next level, and jump again (algorithm 3).

        f      = c_skip x_t + c_out x̂_0,  c_skip = 0.25/((s t)² + 0.25),  c_out = s t / sqrt((s t)² + 0.25)
        x_next = alpha' f + sigma' z

    For networks distilled to make that jump, in 2 to 8 steps. The last step ends on f itself, whatever the path.

    Attributes:
        schedule: gives alpha and sigma.
        timestep_scaling: s; at 10 f is x̂_0 at all but the very first levels.
    """

    timestep_scaling: float = 10.0
    default_steps: ClassVar[int] = 4

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        scaled = self.timestep_scaling * now.t
        spread = scaled**2 + SIGMA_DATA**2
        clean = (SIGMA_DATA**2 / spread) * now.x_t + (scaled / math.sqrt(spread)) * now.x0_hat
        if now.left == 1:
            return clean
        return now.alpha_next * clean + now.sigma_next * draw_like(now.x_t, rng)
