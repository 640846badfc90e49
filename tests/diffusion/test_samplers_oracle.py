"""Samplers against an exact oracle: for Gaussian data everything is known in closed form.

Data ~ N(MU, S² I), so x_t ~ N(alpha MU, alpha² S² + sigma²). The best clean estimate is the conditional mean, and the
probability-flow ODE keeps every picture at the same number of standard deviations from the mean. A deterministic
sampler is then an affine map of the noise, and two starting points tell its mean and its deviation exactly.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from fromnoise.diffusion.samplers import (
    DDIM,
    DDPM,
    LCM,
    PLMS,
    DPMSolver,
    DPMSolverSDE,
    Euler,
    EulerAncestral,
    Heun,
    Sampler,
    UniPC,
)
from fromnoise.diffusion.schedule import NoiseSchedule, ScheduleConfig

MU, S = 0.7, 0.5
REAL = ScheduleConfig().build()
STARTS = torch.tensor([-1.0, 2.0], dtype=torch.float64).reshape(2, 1, 1, 1)
COUNTS = (8, 16, 32, 64, 128)


def fine_schedule(levels: int = 2**17) -> NoiseSchedule:
    """alpha = cos, sigma = sin of an angle that grows evenly with t, ending in pure noise: steps can be cut evenly."""
    angle = torch.arange(1, levels + 1, dtype=torch.float64) / levels * math.pi / 2
    alpha_bar = torch.cos(angle) ** 2
    alpha_bar[-1] = 0
    return NoiseSchedule(alpha_bar)


FINE = fine_schedule()


class Oracle:
    """The conditional mean of the data given x_t."""

    def __init__(self, schedule: NoiseSchedule, s: float = S) -> None:
        self.schedule, self.s = schedule, s

    def __call__(self, x_t: Tensor, t: Tensor, cond: object) -> Tensor:
        alpha, sigma = self.schedule.alpha(int(t[0])), self.schedule.sigma(int(t[0]))
        gain = alpha * self.s**2 / (alpha**2 * self.s**2 + sigma**2)
        return MU + gain * (x_t - alpha * MU)


def deviation(schedule: NoiseSchedule, t: int) -> float:
    return math.hypot(schedule.alpha(t) * S, schedule.sigma(t))


def exact_flow(schedule: NoiseSchedule, x: Tensor, t: int, t_end: int) -> Tensor:
    """Where the probability-flow ODE carries x from t to t_end."""
    ratio = deviation(schedule, t_end) / deviation(schedule, t)
    return schedule.alpha(t_end) * MU + ratio * (x - schedule.alpha(t) * MU)


def error_at(solver: Sampler, n: int, start: float) -> float:
    """Distance from the exact flow after n even steps on FINE from the angle ``start``·90° down to 1/16·90°."""
    first, end = int(FINE.steps * start), FINE.steps // 16
    times = [first - i * (first - end) // n - 1 for i in range(n + 1)]
    *_, last = solver.steps(Oracle(FINE), STARTS, None, timesteps=times)
    return float((last.x_t - exact_flow(FINE, STARTS, times[0], times[-1])).abs().max())


@pytest.mark.parametrize(
    ("solver", "start", "order", "largest"),
    [
        (DDIM(FINE), 1.0, 1, 0.010),
        (Euler(FINE), 1.0, 1, 0.010),
        (Heun(FINE), 1.0, 2, 2.0e-4),  # near pure noise its error is log(n)/n²: measured 1.89
        (DPMSolver(FINE), 1.0, 2, 2.6e-4),  # its first two steps are first order: 1.8 over all n, 2.0 from n = 16
        (DPMSolver(FINE, solver_type="heun"), 1.0, 2, 3.5e-4),
        (UniPC(FINE), 1.0, 2.5, 7e-5),  # the corrector lifts order 2 to 3: 2.4 over all n, 2.9 from n = 64
        (DDIM(FINE), 0.875, 1, 0.008),
        (Heun(FINE), 0.875, 2, 1.0e-4),
        (DPMSolver(FINE), 0.875, 2, 2.3e-4),
        (DPMSolver(FINE, solver_type="heun"), 0.875, 2, 3e-4),
        (UniPC(FINE), 0.875, 2.5, 4.5e-5),
        (PLMS(FINE), 0.875, 2, 2e-5),  # of order 4 but for its first step, which is Heun's: most of what is left
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Sampler) else str(value),
)
def test_order_of_convergence(solver: Sampler, start: float, order: float, largest: float) -> None:
    """Error ~ n^-order: the slope fitted over n = 8..128, from pure noise (start 1) and from a noisy level."""
    errors = [error_at(solver, n, start) for n in COUNTS]
    slope = -np.polyfit(np.log(COUNTS), np.log(errors), 1)[0]
    assert order - 0.25 < slope < order + 0.25
    assert errors[-1] < largest
    assert all(a > b for a, b in itertools.pairwise(errors))


def drawn(solver: Sampler, n: int, spacing: str) -> tuple[float, float]:
    """Mean and deviation of the pictures that an affine solver draws from unit Gaussian noise."""
    times = solver.schedule.timesteps(n, spacing)
    *_, last = solver.steps(Oracle(solver.schedule), STARTS, None, timesteps=times)
    low, high = last.x_next.flatten().tolist()
    gain = (high - low) / 3
    return low + gain, gain


@pytest.mark.parametrize(
    "solver", [DDIM(REAL), Euler(REAL), Heun(REAL), DPMSolver(REAL), UniPC(REAL)], ids=lambda s: type(s).__name__
)
@pytest.mark.parametrize("spacing", ["trailing", "log_snr"])
def test_mean_is_exact_and_deviation_comes_near(solver: Sampler, spacing: str) -> None:
    """Zero terminal SNR: the mean is found in the first step. All solvers draw a little narrow, mostly by the
    last move to clean: "log_snr" always makes it from log-SNR 3.7, "trailing" from ever nearer."""
    results = [drawn(solver, n, spacing) for n in (10, 50, 200)]
    for mean, _ in results:
        assert mean == pytest.approx(MU, abs=1e-9)
    assert abs(results[2][1] - S) < 0.03
    if spacing == "trailing":
        assert abs(results[2][1] - S) < abs(results[1][1] - S) < abs(results[0][1] - S)


def test_all_levels_land_on_the_data() -> None:
    """With every level the only error left is the last move from t = 0 (1.6e-3 of S); DDIM adds its first order."""
    for solver, tolerance in [
        (DPMSolver(REAL), 0.002),
        (Heun(REAL), 0.002),
        (UniPC(REAL), 0.002),
        (PLMS(REAL), 0.002),
        (DDIM(REAL), 0.004),
    ]:
        _, gain = drawn(solver, 1000, "trailing")
        assert gain == pytest.approx(S, abs=tolerance), type(solver).__name__


def test_second_order_beats_first_at_equal_calls() -> None:
    """16 calls in the recipe's spacing: distance of DPM-Solver++ and DDIM from the ODE's solution at the last level."""
    times = REAL.timesteps(16, "log_snr")
    errors = {}
    for solver in (DDIM(REAL), DPMSolver(REAL)):
        *_, last = solver.steps(Oracle(REAL), STARTS, None, timesteps=times)
        errors[type(solver)] = float((last.x_t - exact_flow(REAL, STARTS, 999, times[-1])).abs().max())
    assert errors[DPMSolver] < errors[DDIM] / 5


def test_dpm_solver_after_pure_noise_is_first_order_once_more() -> None:
    """The slope since a step of infinite log-SNR is 0: the second move is DDIM's, the third is not."""
    times = REAL.timesteps(16, "log_snr")
    steps = list(DPMSolver(REAL).steps(Oracle(REAL), STARTS, None, timesteps=times))
    for step, same in [(steps[0], True), (steps[1], True), (steps[2], False)]:
        alone = DDIM(REAL).steps(Oracle(REAL), step.x_t, None, timesteps=times[step.index :])
        assert torch.allclose(next(alone).x_next, step.x_next, atol=1e-12, rtol=0) is same


def test_heun_from_pure_noise_beats_a_tiny_alpha() -> None:
    """Why Heun changes coordinates at alpha = 0: with 2^-24 instead, its first move in the recipe's spacing is off by
    several standard deviations of the data (measured 2.5), ours by 1.5e-5."""
    alpha_bar = REAL.alpha_bar.clone()
    alpha_bar[-1] = 2.0**-24
    times = REAL.timesteps(16, "log_snr")
    errors = []
    for schedule in (REAL, NoiseSchedule(alpha_bar)):
        first = next(Heun(schedule).steps(Oracle(schedule), STARTS, None, timesteps=times))
        errors.append(float((first.x_next - exact_flow(schedule, STARTS, 999, times[1])).abs().max()))
    assert errors[0] < 1e-4
    assert errors[1] > 1.0


def one_generator(seed: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed)]


def moments(solver: Sampler, steps: int) -> tuple[float, float]:
    noise = torch.randn(1, 1, 200, 100, generator=torch.Generator().manual_seed(1))
    *_, last = solver.steps(Oracle(REAL), noise, None, one_generator(2), REAL.timesteps(steps))
    return float(last.x_next.mean()), float(last.x_next.std())


@pytest.mark.parametrize(
    "solver",
    [DDPM(REAL), DDIM(REAL, eta=1.0), EulerAncestral(REAL), DPMSolverSDE(REAL)],
    ids=["ddpm", "ddim_eta_1", "euler_a", "dpm++sde"],
)
def test_ancestral_sampling_lands_on_the_data(solver: Sampler) -> None:
    """1,000 steps, 20,000 independent pixels: mean within 4 S/sqrt(n) = 0.014, deviation within 4 S/sqrt(2n) = 0.01."""
    mean, spread = moments(solver, 1000)
    assert mean == pytest.approx(MU, abs=0.014)
    assert spread == pytest.approx(S, abs=0.010)


def test_extrapolation_pays_with_fresh_noise_too() -> None:
    """50 steps: first order draws 11 % too narrow, second order 3 %."""
    errors = [abs(moments(solver, 50)[1] - S) for solver in (EulerAncestral(REAL), DPMSolverSDE(REAL))]
    assert errors[1] < errors[0] / 2


@pytest.mark.parametrize("solver", [EulerAncestral(REAL), DPMSolverSDE(REAL)], ids=lambda s: type(s).__name__)
def test_ancestral_steps_of_first_order_are_ddpm(solver: Sampler) -> None:
    """The first step of each, from a noisy level: one move under three names."""
    noise = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    first, ddpm = (
        next(kind.steps(Oracle(REAL), noise, None, one_generator(2), [700, 300])) for kind in (solver, DDPM(REAL))
    )
    torch.testing.assert_close(first.x_next, ddpm.x_next, atol=1e-6, rtol=0)


def test_ddpm_is_ddim_with_eta_one() -> None:
    """Two formulas from two papers, one sampler: same generator, same picture (float32 rounding over 50 steps)."""
    noise = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    pictures = []
    for solver in (DDPM(REAL), DDIM(REAL, eta=1.0)):
        *_, last = solver.steps(Oracle(REAL), noise, None, one_generator(2), REAL.timesteps(50))
        pictures.append(last.x_next)
    torch.testing.assert_close(*pictures, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "solver",
    [kind(REAL) for kind in (DDPM, DDIM, DPMSolver, Heun, UniPC, PLMS, EulerAncestral, DPMSolverSDE, LCM)],
    ids=lambda s: type(s).__name__,
)
def test_one_known_picture_is_found_whatever_the_noise(solver: Sampler) -> None:
    """Data without spread (S = 0): the estimate is always MU, and so is the picture, exactly.

    PLMS ends on four noise estimates, and LCM on a hair of x_t: rounding, a little more of it.
    """
    noise = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    *_, last = solver.steps(Oracle(REAL, s=0.0), noise, None, one_generator(2), REAL.timesteps(7))
    tolerance = 1e-5 if isinstance(solver, PLMS | LCM) else 1e-6
    torch.testing.assert_close(last.x_next, torch.full_like(noise, MU), atol=tolerance, rtol=0)
