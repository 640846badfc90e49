"""Heun's method on the probability-flow ODE (Karras et al. 2022, arXiv 2206.00364, algorithm 1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from fromnoise.diffusion.samplers.base import Calls, Now, Rng, Sampler, Step, noise_in, to_level


@dataclass(frozen=True)
class Heun(Sampler):
    """Second order: try Euler's move, look again where it lands, and go along the mean of both slopes.

    In Karras' coordinates, y = x/alpha and s = sigma/alpha, the slope dy/ds = (y - x̂_0)/s is the noise estimate, so

        x_next = (alpha'/alpha) x_t + (sigma' - alpha' sigma/alpha) (noise_hat + noise_hat')/2

    At pure noise alpha is 0 and s infinite, and this step is undefined (with a tiny alpha instead of 0, as diffusers
    has, it is a wild extrapolation: the two slopes' small difference is multiplied by s = 4096). There the trapezoid
    rule is used in the mirrored coordinates y = x/sigma, r = alpha/sigma, where the slope is x̂_0 and r starts at 0:

        x_next = sigma' x_t + alpha' (x̂_0 + x̂_0')/2

    The last step, to sigma' = 0, is Euler's, so n steps make 2n - 1 calls.
    """

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        tried = estimate.kept(to_level(now, now.x0_hat), now.t_next)
        if now.sigma_next == 0:
            return tried
        x0_again = estimate(tried, now.t_next)
        if now.alpha == 0:
            return to_level(now, 0.5 * (now.x0_hat + x0_again))
        noise = 0.5 * (now.noise_hat + noise_in(tried, x0_again, now.alpha_next, now.sigma_next))
        grow = now.alpha_next / now.alpha
        return grow * now.x_t + (now.sigma_next - grow * now.sigma) * noise
