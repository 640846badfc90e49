"""PLMS, the sampler that Stable Diffusion 1.x was released with (Liu et al. 2022, PNDM, arXiv 2202.09778)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from fromnoise.diffusion.samplers.base import Calls, Now, Rng, Sampler, Step, noise_in, to_level

WEIGHTS = ((1.0,), (3 / 2, -1 / 2), (23 / 12, -16 / 12, 5 / 12), (55 / 24, -59 / 24, 37 / 24, -9 / 24))


@dataclass(frozen=True)
class PLMS(Sampler):
    """Linear multistep of order 4 on the noise estimate, moved as DDIM moves (eq. 9 and 13).

        e      = (55 e_t - 59 e_1 + 37 e_2 - 9 e_3) / 24          e_i: noise_hat, i steps ago
        x_next = (alpha'/alpha) x_t + (sigma' - alpha' sigma/alpha) e

    With less behind it, it takes Adams and Bashforth's weights of order 3 and 2; the first step is Heun's: try, look
    again where it lands, and go along the mean. So n steps make n + 1 calls. It is meant for steps that are equal in t.
    """

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        if now.alpha == 0:  # the noise estimate says nothing there
            return to_level(now, now.x0_hat)
        if not past and now.left > 1:
            tried = move(now, now.noise_hat)
            at = self.schedule.alpha(now.t_next), self.schedule.sigma(now.t_next)
            again = noise_in(tried, estimate(tried, now.t_next), *at)
            return move(now, 0.5 * (now.noise_hat + again))
        weights = WEIGHTS[len(past)]
        noise = weights[0] * now.noise_hat
        for weight, step in zip(weights[1:], reversed(past), strict=True):
            noise = noise + weight * self._noise(step)
        return move(now, noise)

    def _noise(self, step: Step) -> Tensor:
        return noise_in(step.x_t, step.x0_hat, self.schedule.alpha(step.t), self.schedule.sigma(step.t))


def move(now: Now, noise: Tensor) -> Tensor:
    """DDIM's move along a noise estimate, (alpha'/alpha) x_t + (sigma' - alpha' sigma/alpha) noise."""
    grow = now.alpha_next / now.alpha
    return grow * now.x_t + (now.sigma_next - grow * now.sigma) * noise
