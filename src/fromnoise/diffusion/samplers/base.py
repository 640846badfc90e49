"""The sampling loop, written once. A solver is one short ``step`` under its formula."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import Denoiser
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.errors import UserError

Rng = Sequence[torch.Generator] | None


@dataclass(frozen=True, eq=False)
class Step:
    """One move of a sampler: what it saw, what it believed, where it went.

    Attributes:
        index, total: this is move ``index`` (from 0) of ``total``.
        t, t_next: noise level before and after; t_next = -1 is fully clean.
        x_t: before the move, float32 [B,C,H,W].
        x0_hat: the clean estimate at x_t, [B,C,H,W].
        x_next: after the move, [B,C,H,W]; of the last step, the picture.
        calls: how often the denoiser was called so far.
    """

    index: int
    total: int
    t: int
    t_next: int
    x_t: Tensor
    x0_hat: Tensor
    x_next: Tensor
    calls: int


@dataclass(frozen=True, eq=False)
class Now:
    """Where a solver stands. The levels are Python floats (float64), so coefficients are rounded only once.

    Attributes:
        t, t_next: noise level before and after the move.
        alpha, sigma: share of picture and of noise at t.
        alpha_next, sigma_next: the same at t_next.
        x_t: the noisy pictures, float32 [B,C,H,W].
        x0_hat: the clean estimate, float32 [B,C,H,W].
    """

    t: int
    t_next: int
    alpha: float
    sigma: float
    alpha_next: float
    sigma_next: float
    x_t: Tensor
    x0_hat: Tensor

    @property
    def noise_hat(self) -> Tensor:
        """The noise that x̂_0 implies, (x_t - alpha x̂_0) / sigma, [B,C,H,W]."""
        return noise_in(self.x_t, self.x0_hat, self.alpha, self.sigma)


class Calls:
    """The denoiser with its conditioning, called at one t for the whole batch, and counted."""

    def __init__(self, denoiser: Denoiser, cond: Any) -> None:
        self._denoiser, self._cond, self.made = denoiser, cond, 0

    def __call__(self, x_t: Tensor, t: int) -> Tensor:
        """x̂_0 [B,C,H,W] of x_t [B,C,H,W] at level t."""
        self.made += 1
        return self._denoiser(x_t, torch.full((len(x_t),), t, dtype=torch.int64, device=x_t.device), self._cond)


@dataclass(frozen=True)
class Sampler(ABC):
    """Walks from noise to a picture. Holds settings only: everything that changes lives in the loop's own frame.

    Attributes:
        schedule: gives alpha and sigma.
    """

    schedule: NoiseSchedule
    default_steps: ClassVar[int] = 50

    @abstractmethod
    def step(self, now: Now, previous: Step | None, estimate: Calls, rng: Rng) -> Tensor:
        """Move from now.t to now.t_next and return x_next [B,C,H,W].

        Only elementwise multiplications and additions are allowed here, so that a picture in a batch equals the same
        picture alone, bit for bit.

        Args:
            now: where we are, with x̂_0.
            previous: the step before, for multistep solvers; None at the first.
            estimate: further clean estimates, (x_t, t) → x̂_0.
            rng: one generator per picture, for solvers that add noise.
        """

    def steps(
        self,
        denoiser: Denoiser,
        noise: Tensor,
        cond: Any,
        rng: Rng = None,
        timesteps: Sequence[int] | None = None,
    ) -> Generator[Step, None, None]:
        """Yield the moves from noise to picture. Closing the generator cancels: nothing more is computed.

        Args:
            denoiser: (x_t, t, cond) → x̂_0.
            noise: x at timesteps[0], float32 [B,C,H,W]: unit Gaussian, or a picture with noise added up to there.
            cond: handed to the denoiser as it is.
            rng: one CPU generator per picture; only samplers that add noise draw from it.
            timesteps: falling times, as from ``schedule.timesteps``; by default ``default_steps`` trailing ones.

        Raises:
            UserError: times that do not fall or leave the schedule, or generators missing or too few.
        """
        times = self._times(timesteps)
        estimate, x, previous = Calls(denoiser, cond), noise, None
        for index, (t, t_next) in enumerate(zip(times, [*times[1:], -1], strict=True)):
            with torch.no_grad():
                now = self._now(t, t_next, x, estimate(x, t))
                x = self.step(now, previous, estimate, rng)
            previous = Step(index, len(times), t, t_next, now.x_t, now.x0_hat, x, estimate.made)
            yield previous

    def _now(self, t: int, t_next: int, x_t: Tensor, x0_hat: Tensor) -> Now:
        at = self.schedule
        return Now(t, t_next, at.alpha(t), at.sigma(t), at.alpha(t_next), at.sigma(t_next), x_t, x0_hat)

    def _times(self, timesteps: Sequence[int] | None) -> list[int]:
        if timesteps is None:
            return self.schedule.timesteps(min(self.default_steps, self.schedule.steps))
        times = [int(t) for t in timesteps]
        falling = all(a > b for a, b in pairwise(times))
        if not times or not falling or times[0] >= self.schedule.steps or times[-1] < 0:
            raise UserError(f"timesteps must fall strictly within {self.schedule.steps - 1}..0, not {times}")
        return times


def noise_in(x_t: Tensor, x0_hat: Tensor, alpha: float, sigma: float) -> Tensor:
    """The noise that a clean estimate implies, (x_t - alpha x̂_0) / sigma, [B,C,H,W]; sigma > 0."""
    return (x_t - alpha * x0_hat) / sigma


def to_level(now: Now, x0_hat: Tensor) -> Tensor:
    """Carry x_t to the next level while x̂_0 stays constant; every first-order solver here is this move.

    With y = x/sigma and r = alpha/sigma the probability-flow ODE (Song et al. 2021, arXiv 2011.13456, eq. 13) reads
    dy/dr = x̂_0, so y_next = y + (r_next - r) x̂_0. Multiplied by sigma_next it has no singular point: at pure noise
    (alpha 0, where Karras' sigma/alpha is infinite) it gives sigma_next x_t + alpha_next x̂_0, and at the clean end
    (sigma_next 0) it gives x̂_0.
    """
    ratio = now.sigma_next / now.sigma
    return ratio * now.x_t + (now.alpha_next - ratio * now.alpha) * x0_hat


def draw_like(x: Tensor, rng: Rng) -> Tensor:
    """Unit Gaussian noise [B,C,H,W], drawn picture by picture so that it does not depend on the batch.

    Raises:
        UserError: not exactly one generator per picture.
    """
    if rng is None or len(rng) != len(x):
        raise UserError(f"this sampler adds noise: give one generator per picture ({len(x)}) as rng")
    drawn = [torch.randn(x.shape[1:], generator=g, dtype=x.dtype, device=g.device) for g in rng]
    return torch.stack(drawn).to(x.device)
