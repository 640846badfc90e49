"""Checkpoints' schedulers: a config goes to diffusers and to us, and the same network must draw the same picture.

Every run goes the whole way: diffusers' scheduler is built, its config is read by ``weights.schedulers``, and what was
read builds our schedule, path and sampler. The network is a smooth nonlinear function of x and t, noise is shared.

Errors are relative to the largest number of the picture, or absolute below 1. diffusers keeps its levels in float32
and we in float64. Measured: 1e-5 at most (2e-5 Heun, which divides small differences). Its Euler family works on
numbers of the size of s: from s = 157, DDPM's own schedule, 3e-5 are left, from 4096 in place of infinity 6e-4. The
cosine schedule ends on 1 - 0.999 in float32, at s = 20,291: there 3e-3 are left.
"""

from __future__ import annotations

import inspect
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.diffusion.paths import Path as Walk
from fromnoise.diffusion.paths import path
from fromnoise.diffusion.samplers import Sampler, sampler
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.weights.foreign_paths import ForeignPathConfig
from fromnoise.weights.schedulers import Scheduler, scheduler_from_foreign

NOISE = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(1))
PICTURE = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(2))
COUNTS = (1, 2, 5, 20, 30)
SPACINGS = ("leading", "trailing", "linspace")
SPREADS = ("", "karras", "exponential", "beta")
PREDICTIONS = ("epsilon", "v_prediction", "sample")
SD = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
TIGHT, FROM_157, FROM_4096, COSINE = 2e-5, 5e-5, 1e-3, 3e-3


def network(x_t: Tensor, t: Tensor, cond: Any = None) -> Tensor:
    return torch.tanh(0.9 * x_t + 0.5 * torch.cos(t.reshape(-1, 1, 1, 1).float() / 150)) + 0.2 * x_t


def generators() -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in (5, 6)]


def theirs(peer: Any, n: int, given: Tensor | None = None, first: int = 0) -> Tensor:
    """The loop of diffusers' pipelines; ``given`` is a picture to start from, at step ``first``."""
    peer.set_timesteps(n)
    if hasattr(peer, "set_begin_index"):
        peer.set_begin_index(first)
    times = peer.timesteps[first * peer.order :]
    x = NOISE * getattr(peer, "init_noise_sigma", 1.0)
    if given is not None:
        x = peer.add_noise(given, NOISE, times[:1].repeat(len(NOISE)))
    extra = {"generator": generators()} if "generator" in inspect.signature(peer.step).parameters else {}
    for t in times:
        scaled = peer.scale_model_input(x, t) if hasattr(peer, "scale_model_input") else x
        x = peer.step(network(scaled, t.reshape(1)), t, x, return_dict=False, **extra)[0]
    return x


def read(peer: Any, as_sampler: str | None = None) -> Scheduler:
    values = {k: v for k, v in peer.config.items() if not k.startswith("_")}
    return scheduler_from_foreign({**values, "_class_name": type(peer).__name__}, Path("config"), as_sampler)


def built(said: Scheduler, n: int) -> tuple[Walk, Sampler]:
    schedule = ScheduleConfig.from_dict(said.schedule).build()
    walk = path(schedule, said.sampler, n, ForeignPathConfig.from_dict(said.path))
    return walk, sampler(said.sampler, walk, said.options)


def ours(said: Scheduler, n: int) -> Tensor:
    walk, solver = built(said, n)
    denoiser = NetworkDenoiser(network, walk, said.prediction)
    *_, last = solver.steps(denoiser, NOISE * walk.start_scale, None, generators())
    return last.x_next


def compare(peer: Any, tolerance: float = TIGHT, counts: tuple[int, ...] = COUNTS) -> None:
    said = read(peer)
    assert not said.note
    for n in counts:
        expected = theirs(peer, n)
        error = float((ours(said, n) - expected).abs().max() / expected.abs().max().clamp_min(1))
        assert error < tolerance, (n, error, said)


def spread(name: str) -> dict[str, bool]:
    return {f"use_{name}_sigmas": True} if name else {}


def variants(zero: bool = True, predictions: tuple[str, ...] = PREDICTIONS) -> Iterator[dict[str, Any]]:
    """Predictions and zero terminal SNR, those that go together."""
    for prediction, rescaled in itertools.product(predictions, (False, True) if zero else (False,)):
        if not (rescaled and prediction == "epsilon"):
            yield {**SD, "prediction_type": prediction} | ({"rescale_betas_zero_snr": rescaled} if zero else {})


spacings = pytest.mark.parametrize("spacing", SPACINGS)
spreads = pytest.mark.parametrize("sigmas", SPREADS)
finals = pytest.mark.parametrize("final", ["zero", "sigma_min"])


def times_of(spacing: str) -> dict[str, Any]:
    return {"timestep_spacing": spacing, "steps_offset": 1 if spacing == "leading" else 0}


@spacings
@pytest.mark.parametrize("to_one", [True, False])
def test_ddim(spacing: str, to_one: bool) -> None:
    for config in variants():
        peer = diffusers.DDIMScheduler(**config, **times_of(spacing), clip_sample=False, set_alpha_to_one=to_one)
        compare(peer, counts=(*COUNTS, 7))  # 7 does not divide 1000: diffusers' steps do not meet


@spacings
def test_ddpm(spacing: str) -> None:
    for config in variants():
        compare(diffusers.DDPMScheduler(**config, **times_of(spacing), clip_sample=False))


@pytest.mark.parametrize("to_one", [True, False])
@pytest.mark.parametrize("offset", [0, 1])
def test_plms(to_one: bool, offset: int) -> None:
    """Stable Diffusion 1.x as it came. On other spacings diffusers' first step starts where its sample is not."""
    config = {**SD, "steps_offset": offset, "set_alpha_to_one": to_one, "skip_prk_steps": True}
    compare(diffusers.PNDMScheduler(**config))


@pytest.mark.parametrize("original", [50, 40])
def test_lcm(original: int) -> None:
    for config in variants():
        compare(diffusers.LCMScheduler(**config, original_inference_steps=original, timestep_scaling=8.0))


@spacings
@spreads
@finals
def test_euler(spacing: str, sigmas: str, final: str) -> None:
    for config in variants():
        tolerance = FROM_4096 if config["rescale_betas_zero_snr"] else TIGHT
        peer = diffusers.EulerDiscreteScheduler(
            **config, **times_of(spacing), **spread(sigmas), final_sigmas_type=final
        )
        compare(peer, tolerance)


@pytest.mark.parametrize("sigmas", SPREADS[1:])
def test_euler_with_its_own_ends(sigmas: str) -> None:
    compare(diffusers.EulerDiscreteScheduler(**SD, **spread(sigmas), sigma_min=0.002, sigma_max=80.0))


@spacings
def test_euler_ancestral(spacing: str) -> None:
    for config in variants(predictions=("epsilon", "v_prediction")):
        tolerance = FROM_4096 if config["rescale_betas_zero_snr"] else TIGHT
        compare(diffusers.EulerAncestralDiscreteScheduler(**config, **times_of(spacing)), tolerance)


@spacings
@spreads
def test_heun(spacing: str, sigmas: str) -> None:
    for config in variants(zero=False):
        compare(diffusers.HeunDiscreteScheduler(**config, **times_of(spacing), **spread(sigmas)), 2 * TIGHT)


def heun_counts(settings: dict[str, Any]) -> tuple[int, ...]:
    """From 15 steps on, diffusers' "heun" divides 0 by 0 where a spread path ends on its last level."""
    spread_out = any(settings.get(f"use_{name}_sigmas") for name in SPREADS)
    return (5,) if spread_out and settings["final_sigmas_type"] == "sigma_min" else (5, 20)


@spacings
@spreads
@finals
def test_dpm_solver(spacing: str, sigmas: str, final: str) -> None:
    for config in variants():
        settings = {**config, **times_of(spacing), **spread(sigmas), "final_sigmas_type": final}
        compare(diffusers.DPMSolverMultistepScheduler(**settings))
        compare(diffusers.DPMSolverMultistepScheduler(**settings, solver_type="heun"), counts=heun_counts(settings))


@spacings
@spreads
@finals
def test_dpm_solver_sde(spacing: str, sigmas: str, final: str) -> None:
    for config in variants():
        settings = {**config, **times_of(spacing), **spread(sigmas), "final_sigmas_type": final}
        settings["algorithm_type"] = "sde-dpmsolver++"
        compare(diffusers.DPMSolverMultistepScheduler(**settings))
        compare(diffusers.DPMSolverMultistepScheduler(**settings, solver_type="heun"), counts=heun_counts(settings))


@pytest.mark.parametrize("settings", [{"euler_at_final": True}, {"lower_order_final": False}])
def test_how_dpm_solver_ends(settings: dict[str, bool]) -> None:
    compare(diffusers.DPMSolverMultistepScheduler(**SD, **settings, final_sigmas_type="sigma_min"))


@spacings
@spreads
@finals
def test_unipc(spacing: str, sigmas: str, final: str) -> None:
    for config in variants():
        settings = {**config, **times_of(spacing), **spread(sigmas), "final_sigmas_type": final}
        compare(diffusers.UniPCMultistepScheduler(**settings))


CLASSES = ("DDIM", "DDPM", "LCM", "EulerDiscrete", "EulerAncestralDiscrete", "DPMSolverMultistep", "UniPCMultistep")


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("kind", ["linear", "squaredcos_cap_v2"])
@spacings
def test_other_schedules(name: str, kind: str, spacing: str) -> None:
    """Those of DDPM and of Nichol & Dhariwal, and betas given one by one."""
    make = getattr(diffusers, f"{name}Scheduler")
    extra = {"clip_sample": False} if name in ("DDIM", "DDPM") else {}
    for prediction in ("epsilon", "v_prediction"):
        settings = {**times_of(spacing), **extra, "prediction_type": prediction}
        compare(make(beta_schedule=kind, **settings), FROM_157 if kind == "linear" else COSINE)
    betas = torch.linspace(0.001, 0.02, 1000).tolist()
    compare(make(trained_betas=betas, **times_of(spacing), **extra), counts=(5,))


@spreads
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_matching_euler(sigmas: str, shift: float) -> None:
    compare(diffusers.FlowMatchEulerDiscreteScheduler(shift=shift, **spread(sigmas)))


@pytest.mark.parametrize("name", ["DPMSolverMultistepScheduler", "UniPCMultistepScheduler"])
@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_flow_matching_multistep(name: str, shift: float) -> None:
    compare(getattr(diffusers, name)(use_flow_sigmas=True, flow_shift=shift, prediction_type="flow_prediction"))


GIVEN = (
    diffusers.DDIMScheduler(**SD, steps_offset=1, clip_sample=False),
    diffusers.EulerDiscreteScheduler(**SD, timestep_spacing="linspace"),
    diffusers.EulerDiscreteScheduler(**SD, use_karras_sigmas=True),
    diffusers.EulerAncestralDiscreteScheduler(**SD, timestep_spacing="trailing"),
    diffusers.DPMSolverMultistepScheduler(**SD, use_karras_sigmas=True),
    diffusers.DPMSolverMultistepScheduler(**SD, algorithm_type="sde-dpmsolver++"),
    diffusers.UniPCMultistepScheduler(**SD),
    diffusers.LCMScheduler(**SD),
)


@pytest.mark.parametrize("peer", GIVEN, ids=lambda peer: type(peer).__name__)
@pytest.mark.parametrize("strength", [0.3, 0.6, 1.0])
def test_from_a_given_picture(peer: Any, strength: float) -> None:
    """Image to image: the picture with noise up to a level of the path, and the rest of the walk."""
    said, n = read(peer), 20
    walk, solver = built(said, n)
    times = walk.after(strength)
    t = torch.full((2,), times[0], dtype=torch.int64 if isinstance(times[0], int) else torch.float64)
    x_t = walk.add_noise(PICTURE, NOISE, t)
    denoiser = NetworkDenoiser(network, walk, said.prediction)
    *_, last = solver.steps(denoiser, x_t, None, generators(), times)
    torch.testing.assert_close(last.x_next, theirs(peer, n, PICTURE, n - len(times)), atol=TIGHT, rtol=TIGHT)


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("dpm++", diffusers.DPMSolverMultistepScheduler),
        ("euler", diffusers.EulerDiscreteScheduler),
        ("euler_a", diffusers.EulerAncestralDiscreteScheduler),
        ("unipc", diffusers.UniPCMultistepScheduler),
        ("lcm", diffusers.LCMScheduler),
    ],
)
def test_another_sampler_for_the_same_checkpoint(name: str, other: Any) -> None:
    """What ``pipe.scheduler = Other.from_config(pipe.scheduler.config)`` does to Stable Diffusion 1.5's config."""
    original = {**SD, "skip_prk_steps": True, "set_alpha_to_one": False, "steps_offset": 1, "clip_sample": False}
    said = scheduler_from_foreign({**original, "_class_name": "PNDMScheduler"}, Path("config"), name)
    peer = other.from_config(original)
    for n in (4, 20):
        torch.testing.assert_close(ours(said, n), theirs(peer, n), atol=TIGHT, rtol=TIGHT)


def test_how_far_plms_is_off_on_other_spacings() -> None:
    """diffusers steps T//n down from where it is not; ours meet. The same picture still, to some percent."""
    peer = diffusers.PNDMScheduler(**SD, skip_prk_steps=True, timestep_spacing="trailing")
    for n, limit in ((20, TIGHT), (30, 0.05)):
        expected = theirs(peer, n)
        assert float((ours(read(peer), n) - expected).abs().max()) < limit * float(expected.abs().max())
