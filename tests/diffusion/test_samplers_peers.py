"""Samplers against diffusers' schedulers: same schedule, same times, same network, same noise.

The network is nonlinear and random; both sides see its raw output. diffusers keeps alpha_bar and its coefficients in
float32, we in float64, so the tolerances are float32 rounding grown over the steps. Measured: at most 2e-6 on pictures
of size 3 and 2e-5 on pictures of size 25 (epsilon on an untrained network), 3e-4 after 1,000 DDPM steps; Euler, whose
peer starts from 4096 times the noise, 1.3e-5.
"""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
)
from torch import Tensor

from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.diffusion.samplers import DDIM, DDPM, DPMSolver, Euler, Heun, Sampler
from fromnoise.diffusion.schedule import NoiseSchedule, ScheduleConfig

PLAIN = ScheduleConfig(zero_terminal_snr=False).build()
ZERO = ScheduleConfig(zero_terminal_snr=True).build()
TERMS: dict[str, Any] = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
KINDS = {"v": "v_prediction", "epsilon": "epsilon"}
TIGHT: dict[str, Any] = {"atol": 3e-5, "rtol": 1e-5}
LONG: dict[str, Any] = {"atol": 5e-4, "rtol": 1e-4}
WEIGHT = 0.3 * torch.randn(4, 4, 3, 3, generator=torch.Generator().manual_seed(9))
NOISE = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))


def tiny_instead_of_zero() -> NoiseSchedule:
    """The zero-terminal-SNR schedule as diffusers' Euler, Heun and DPM-Solver hold it: 2^-24 in the last place."""
    alpha_bar = ZERO.alpha_bar.clone()
    alpha_bar[-1] = 2.0**-24
    return NoiseSchedule(alpha_bar)


TINY = tiny_instead_of_zero()


def network(x_t: Tensor, t: Tensor, cond: Any = None) -> Tensor:
    """A random nonlinear network of x and t."""
    time = (t.float() / 1000).reshape(-1, 1, 1, 1)
    return torch.tanh(torch.nn.functional.conv2d(x_t, WEIGHT, padding=1) + time) + 0.3 * x_t


def ours(
    solver: Sampler, kind: str, times: list[int], noise: Tensor = NOISE, seeds: tuple[int, int] = (5, 6)
) -> Tensor:
    rng = [torch.Generator().manual_seed(seed) for seed in seeds]
    denoiser = NetworkDenoiser(network, solver.schedule, kind)
    *_, last = solver.steps(denoiser, noise, None, rng, times)
    return last.x_next


def theirs(scheduler: Any, start: Tensor, **extra: Any) -> Tensor:
    """The loop of StableDiffusionPipeline."""
    x = start
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(x, t)
        x = scheduler.step(network(scaled, t.reshape(1)), t, x, return_dict=False, **extra)[0]
    return x


def scheduler_times(scheduler: Any, n: int) -> list[int]:
    scheduler.set_timesteps(n)
    return list(dict.fromkeys(int(t) for t in scheduler.timesteps))  # Heun names each time twice


@pytest.mark.parametrize(("kind", "schedule"), [("v", ZERO), ("v", PLAIN), ("epsilon", PLAIN)])
@pytest.mark.parametrize("eta", [0.0, 0.6])
def test_ddim(kind: str, schedule: NoiseSchedule, eta: float) -> None:
    peer = DDIMScheduler(
        **TERMS,
        prediction_type=KINDS[kind],
        timestep_spacing="trailing",
        rescale_betas_zero_snr=schedule is ZERO,
        clip_sample=False,
    )
    times = scheduler_times(peer, 20)
    assert times == schedule.timesteps(20)
    generators = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    expected = theirs(peer, NOISE, eta=eta, generator=generators)
    torch.testing.assert_close(ours(DDIM(schedule, eta), kind, times), expected, **TIGHT)


@pytest.mark.parametrize(("kind", "schedule"), [("v", ZERO), ("v", PLAIN), ("epsilon", PLAIN)])
@pytest.mark.parametrize("n", [20, 1000])
def test_ddpm_with_the_same_noise(kind: str, schedule: NoiseSchedule, n: int) -> None:
    """Every draw is shared: both take one per picture and step from the same generators."""
    peer = DDPMScheduler(
        **TERMS,
        prediction_type=KINDS[kind],
        timestep_spacing="trailing",
        rescale_betas_zero_snr=schedule is ZERO,
        clip_sample=False,
        variance_type="fixed_small",
    )
    times = scheduler_times(peer, n)
    generators = [torch.Generator().manual_seed(seed) for seed in (5, 6)]
    expected = theirs(peer, NOISE, generator=generators)
    torch.testing.assert_close(ours(DDPM(schedule), kind, times), expected, **(TIGHT if n == 20 else LONG))


CASES = [("v", PLAIN), ("epsilon", PLAIN), ("v", TINY)]


@pytest.mark.parametrize(("kind", "schedule"), CASES)
def test_dpm_solver(kind: str, schedule: NoiseSchedule) -> None:
    peer: Any = DPMSolverMultistepScheduler(
        **TERMS, prediction_type=KINDS[kind], timestep_spacing="trailing", rescale_betas_zero_snr=schedule is TINY
    )
    times = scheduler_times(peer, 20)
    torch.testing.assert_close(ours(DPMSolver(schedule), kind, times), theirs(peer, NOISE), **TIGHT)


def test_dpm_solver_in_the_recipe_spacing() -> None:
    times = ZERO.timesteps(16, "log_snr")
    peer: Any = DPMSolverMultistepScheduler(**TERMS, prediction_type="v_prediction", rescale_betas_zero_snr=True)
    peer.set_timesteps(timesteps=times)
    torch.testing.assert_close(ours(DPMSolver(TINY), "v", times), theirs(peer, NOISE), **TIGHT)


@pytest.mark.parametrize(("kind", "schedule"), CASES)
def test_euler(kind: str, schedule: NoiseSchedule) -> None:
    peer = EulerDiscreteScheduler(
        **TERMS, prediction_type=KINDS[kind], timestep_spacing="trailing", rescale_betas_zero_snr=schedule is TINY
    )
    times = scheduler_times(peer, 20)
    expected = theirs(peer, NOISE / schedule.alpha(999))
    torch.testing.assert_close(ours(Euler(schedule), kind, times), expected, **TIGHT)


@pytest.mark.parametrize(("kind", "schedule"), CASES)
def test_heun(kind: str, schedule: NoiseSchedule) -> None:
    """diffusers' Heun has no zero terminal SNR of its own, so it is handed the levels that its Euler has.

    On those levels both multiply float32 rounding by 4096 in the first move: tolerance 2e-3 there.
    """
    peer: Any = HeunDiscreteScheduler(**TERMS, prediction_type=KINDS[kind], timestep_spacing="trailing")
    peer.alphas_cumprod = schedule.alpha_bar.float()
    times = scheduler_times(peer, 20)
    expected = theirs(peer, NOISE / schedule.alpha(999))
    tolerance: dict[str, Any] = {"atol": 2e-3, "rtol": 0.0} if schedule is TINY else TIGHT
    torch.testing.assert_close(ours(Heun(schedule), kind, times), expected, **tolerance)


@pytest.mark.parametrize("solver", [DPMSolver, Euler])
def test_exact_zero_is_the_limit_of_a_tiny_alpha(solver: type[Sampler]) -> None:
    """Our exact zero against their 2^-24: x̂_0 differs by alpha x_t = 2^-12 x_t once, and DPM-Solver++'s second step by
    its small slope from the first. Measured 9e-4 and 5e-4 on pictures of size 3.
    """
    times = ZERO.timesteps(20)
    torch.testing.assert_close(ours(solver(ZERO), "v", times), ours(solver(TINY), "v", times), atol=2e-3, rtol=0)
