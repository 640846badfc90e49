"""The sampling loop, written once. A solver is one short ``step`` under its formula."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import Denoiser
from fromnoise.diffusion.schedule import NoiseSchedule
from fromnoise.ground.errors import UserError

Rng = Sequence[torch.Generator] | None
Keep = Callable[[Tensor, float], Tensor]  # (x, t) → x with what must not change put back
MOST_PAST = 3  # steps that a solver can look back on; the loop forgets older ones, so memory stays flat


@dataclass(frozen=True, eq=False)
class Step:
    """One move of a sampler: what it saw, what it believed, where it went.

    Attributes:
        index, total: this is move ``index`` (from 0) of ``total``.
        t, t_next: noise level before and after; t_next = -1 is the end, on most paths fully clean. Whole numbers are
            ints; a path may have levels between them.
        x_t: before the move, float32 [B,C,H,W].
        x0_hat: the clean estimate at x_t, [B,C,H,W].
        x_next: after the move, [B,C,H,W]; of the last step, the picture.
        calls: how often the denoiser was called so far.
    """

    index: int
    total: int
    t: float
    t_next: float
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
        left: how many moves are left, this one included.
    """

    t: float
    t_next: float
    alpha: float
    sigma: float
    alpha_next: float
    sigma_next: float
    x_t: Tensor
    x0_hat: Tensor
    left: int

    @property
    def noise_hat(self) -> Tensor:
        """The noise that x̂_0 implies, (x_t - alpha x̂_0) / sigma, [B,C,H,W]."""
        return noise_in(self.x_t, self.x0_hat, self.alpha, self.sigma)


class Calls:
    """The denoiser with its conditioning, called at one t for the whole batch, and counted."""

    def __init__(self, denoiser: Denoiser, cond: Any, keep: Keep | None = None) -> None:
        self._denoiser, self._cond, self._keep, self.made = denoiser, cond, keep, 0

    def kept(self, x: Tensor, t: float) -> Tensor:
        """x [B,C,H,W] at level t with what must not change put back."""
        return x if self._keep is None else self._keep(x, t)

    def __call__(self, x_t: Tensor, t: float) -> Tensor:
        """x̂_0 [B,C,H,W] of x_t [B,C,H,W] at level t."""
        self.made += 1
        dtype = torch.int64 if isinstance(t, int) else torch.float64
        return self._denoiser(x_t, torch.full((len(x_t),), t, dtype=dtype, device=x_t.device), self._cond)


@dataclass(frozen=True)
class Sampler(ABC):
    """Walks from noise to a picture. Holds settings only: everything that changes lives in the loop's own frame.

    Attributes:
        schedule: gives alpha and sigma, and the times when it is a path.
    """

    schedule: NoiseSchedule
    default_steps: ClassVar[int] = 50

    @abstractmethod
    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """Move from now.t to now.t_next and return x_next [B,C,H,W].

        Only elementwise multiplications and additions are allowed here, so that a picture in a batch equals the same
        picture alone, bit for bit.

        Args:
            now: where we are, with x̂_0.
            past: the steps before, the latest last, at most ``MOST_PAST``; empty at the first.
            estimate: further clean estimates, (x_t, t) → x̂_0.
            rng: one generator per picture, for solvers that add noise.
        """

    def steps(
        self,
        denoiser: Denoiser,
        noise: Tensor,
        cond: Any,
        rng: Rng = None,
        timesteps: Sequence[float] | None = None,
        keep: Keep | None = None,
    ) -> Generator[Step, None, None]:
        """Yield the moves from noise to picture. Closing the generator cancels: nothing more is computed.

        Args:
            denoiser: (x_t, t, cond) → x̂_0.
            noise: x at timesteps[0], float32 [B,C,H,W]: unit Gaussian, or a picture with noise added up to there.
            cond: handed to the denoiser as it is.
            rng: one CPU generator per picture; only samplers that add noise draw from it.
            timesteps: falling times, as from ``schedule.timesteps``; by default a path's own times, else
                ``default_steps`` trailing ones.
            keep: (x_next, t_next) → x_next, applied after every move: what must not change is put back.

        Raises:
            UserError: times that do not fall or leave the schedule, or generators missing or too few.
        """
        times = self.schedule.walk(timesteps, self.default_steps)
        estimate, x, past = Calls(denoiser, cond, keep), noise, tuple[Step, ...]()
        for index, (t, t_next) in enumerate(zip(times, [*times[1:], -1], strict=True)):
            with torch.no_grad():
                now = self._now(t, t_next, x, estimate(x, t), len(times) - index)
                x = estimate.kept(self.step(now, past, estimate, rng), t_next)
            step = Step(index, len(times), t, t_next, now.x_t, now.x0_hat, x, estimate.made)
            past = (*past, step)[-MOST_PAST:]
            yield step

    def _now(self, t: float, t_next: float, x_t: Tensor, x0_hat: Tensor, left: int) -> Now:
        at = self.schedule
        return Now(t, t_next, at.alpha(t), at.sigma(t), *at.aim(t, t_next), x_t, x0_hat, left)


def noise_in(x_t: Tensor, x0_hat: Tensor, alpha: float, sigma: float) -> Tensor:
    """The noise that a clean estimate implies, (x_t - alpha x̂_0) / sigma, [B,C,H,W]; sigma > 0."""
    return (x_t - alpha * x0_hat) / sigma


def to_level(now: Now, x0_hat: Tensor, x_t: Tensor | None = None) -> Tensor:
    """Carry x_t to the next level while x̂_0 stays constant; every first-order solver here is this move.

    With y = x/sigma and r = alpha/sigma the probability-flow ODE (Song et al. 2021, arXiv 2011.13456, eq. 13) reads
    dy/dr = x̂_0, so y_next = y + (r_next - r) x̂_0. Multiplied by sigma_next it has no singular point: at pure noise
    (alpha 0, where Karras' sigma/alpha is infinite) it gives sigma_next x_t + alpha_next x̂_0, and at the clean end
    (sigma_next 0) it gives x̂_0.

    Args:
        now: the two levels.
        x0_hat: the clean estimate to hold on to, [B,C,H,W].
        x_t: where to start, [B,C,H,W]; by default now.x_t.
    """
    ratio = now.sigma_next / now.sigma
    return ratio * (now.x_t if x_t is None else x_t) + (now.alpha_next - ratio * now.alpha) * x0_hat


def to_level_with_noise(now: Now, x0_hat: Tensor, rng: Rng) -> Tensor:
    """Carry x_t to the next level while x̂_0 stays constant, with as much fresh noise as forgets the most.

        x_next = (sigma'/sigma) g x_t + alpha' (1 - g²) x̂_0 + sigma' sqrt(1 - g²) z,   g = (sigma'/alpha') (alpha/sigma)

    The first-order step of SDE-DPM-Solver++ (Lu et al. 2022, arXiv 2211.01095, eq. 18), with g = exp(-h). In Karras'
    coordinates it is k-diffusion's ancestral Euler step, and where alpha² + sigma² = 1 it is DDPM's.
    """
    g = now.alpha * now.sigma_next / (now.sigma * now.alpha_next)
    x_next = now.sigma_next / now.sigma * g * now.x_t + now.alpha_next * (1 - g**2) * x0_hat
    deviation = now.sigma_next * math.sqrt(max(1 - g**2, 0.0))
    return x_next + deviation * draw_like(now.x_t, rng) if deviation > 0 else x_next


def lambda_rise(schedule: NoiseSchedule, t: float, t_next: float) -> float:
    """h = lambda' - lambda, lambda = log(alpha/sigma): from pure noise and to the clean end infinite."""
    return (schedule.log_snr(t_next) - schedule.log_snr(t)) / 2


def draw_like(x: Tensor, rng: Rng) -> Tensor:
    """Unit Gaussian noise [B,C,H,W], drawn picture by picture so that it does not depend on the batch.

    Raises:
        UserError: not exactly one generator per picture.
    """
    if rng is None or len(rng) != len(x):
        raise UserError(f"this sampler adds noise: give one generator per picture ({len(x)}) as rng")
    drawn = [torch.randn(x.shape[1:], generator=g, dtype=x.dtype, device=g.device) for g in rng]
    return torch.stack(drawn).to(x.device)
