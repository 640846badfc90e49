"""Paths: their times fall, their levels are the schedule's, and what cannot be walked is refused."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.diffusion.paths import Path, PathConfig, path
from fromnoise.diffusion.samplers import SAMPLERS, Sampler, sampler
from fromnoise.diffusion.samplers.base import MOST_PAST
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.diffusion.spread import SPREADS, beta_quantile
from fromnoise.ground.errors import UserError

ZERO = ScheduleConfig().build()
PLAIN = ScheduleConfig(zero_terminal_snr=False).build()
SCHEDULES = {"zero": ZERO, "plain": PLAIN, "flow": ScheduleConfig(kind="flow").build()}
NOISE = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def network(x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
    return torch.tanh(x_t + torch.cos(t.float() / 150).reshape(-1, 1, 1, 1))


def draw(solver: Sampler, times: list[float] | None = None, guided: bool = False) -> Tensor:
    denoiser: Any = NetworkDenoiser(network, solver.schedule, "x0")
    if guided:
        denoiser = ClassifierFreeGuidance(denoiser, None, 2.0, (0, 999), rescale=0.5)
    rng = [torch.Generator().manual_seed(i) for i in (3, 4)]
    *_, last = solver.steps(denoiser, NOISE, None, rng, times)
    return last.x_next


@pytest.mark.parametrize("name", [name for name in SAMPLERS if name != "lcm"])
@pytest.mark.parametrize("spacing", ["trailing", "log_snr"])
@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_the_default_walk_draws_the_same_bits_as_the_schedule(name: str, spacing: Any, n: int) -> None:
    walk = path(ZERO, name, n, PathConfig(spacing=spacing))
    times = ZERO.timesteps(n, spacing)
    assert list(walk.times) == times
    assert walk.start_scale == 1.0
    assert torch.equal(draw(sampler(name, walk), guided=True), draw(sampler(name, ZERO), [*times], guided=True))


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(SAMPLERS)),
    st.sampled_from(sorted(SCHEDULES)),
    st.integers(1, 50),
    st.sampled_from(["trailing", "leading", "linspace", "log_snr"]),
    st.integers(0, 1),
    st.sampled_from(["", *SPREADS]),
    st.sampled_from(["zero", "sigma_min"]),
    st.booleans(),
)
def test_any_path_falls_and_can_be_walked(
    name: str, kind: str, n: int, spacing: Any, offset: int, sigmas: Any, final: Any, tiny: bool
) -> None:
    config = PathConfig(spacing, offset, sigmas, final, final == "zero", tiny_alpha=tiny)
    try:
        walk = path(SCHEDULES[kind], name, n, config)
    except UserError:
        assert kind == "flow"  # lcm and ddpm, ends in noise, and Karras on a flow for most samplers
        return
    assert len(walk.times) == n
    assert all(a > b for a, b in itertools.pairwise([*walk.times, -1]))
    assert all(isinstance(t, int) or t != int(t) for t in walk.times)
    signal = [walk.log_snr(t) for t in [*walk.times, -1]]
    assert all(a < b for a, b in itertools.pairwise(signal[:-1]))
    assert signal[-1] >= signal[-2]  # a path may end on its last level, as UniPC's does
    for t in walk.times:
        assert 0 <= walk.told(t) <= 1000
        if kind == "flow":
            assert walk.alpha(t) + walk.sigma(t) == pytest.approx(1)
        else:
            assert walk.alpha(t) ** 2 + walk.sigma(t) ** 2 == pytest.approx(1)
    assert torch.isfinite(draw(sampler(name, walk))).all()


@pytest.mark.parametrize("name", ["euler", "dpm++", "ddim"])
@pytest.mark.parametrize("sigmas", ["", "karras"])
def test_numbers_and_tensors_agree(name: str, sigmas: Any) -> None:
    walk = path(PLAIN, name, 9, PathConfig("linspace", sigmas=sigmas))
    every = [*walk.times, -1]
    fractional = any(isinstance(t, float) for t in every)
    t = torch.tensor(every, dtype=torch.float64 if fractional else torch.int64).reshape(2, 5)
    for look_up in (walk.alpha, walk.sigma, walk.log_snr):
        assert look_up(t).dtype == torch.float32
        assert look_up(t).flatten().tolist() == torch.tensor([look_up(one) for one in every]).tolist()
    told = walk.told(t)
    assert told.dtype == (torch.int64 if all(walk.told(one) == int(walk.told(one)) for one in every) else torch.float32)
    assert told.flatten().tolist() == torch.tensor([float(walk.told(one)) for one in every]).tolist()


def test_who_is_told_fractions() -> None:
    """diffusers' Euler tells the network where it is, DPM-Solver and UniPC the nearest whole time."""
    config = PathConfig("linspace", sigmas="karras")
    euler, dpm = (path(PLAIN, name, 8, config) for name in ("euler", "dpm++"))
    assert [dpm.told(t) for t in dpm.times] == [999, 890, 746, 549, 299, 90, 12, 0]
    assert any(euler.told(t) != int(euler.told(t)) for t in euler.times)
    assert [round(euler.told(t)) for t in euler.times] == [dpm.told(t) for t in dpm.times]


def test_the_network_hears_what_the_path_tells() -> None:
    heard = []
    walk = path(PLAIN, "dpm++", 8, PathConfig(sigmas="karras"))
    denoiser = NetworkDenoiser(lambda x, t, cond: heard.append(t) or x, walk, "epsilon")
    *_, _ = sampler("dpm++", walk).steps(denoiser, NOISE, None)
    assert [int(t[0]) for t in heard] == [999, 890, 746, 549, 299, 90, 12, 0]
    assert {t.dtype for t in heard} == {torch.int64}


@pytest.mark.parametrize("strength", [1.0, 0.75, 0.5, 0.01])
def test_a_given_picture_walks_the_end_of_the_path(strength: float) -> None:
    walk = path(PLAIN, "euler", 20, PathConfig("linspace"))
    rest = walk.after(strength)
    assert len(rest) == max(1, int(20 * strength))
    assert rest == list(walk.times[20 - len(rest) :])
    draw(sampler("euler", walk), rest)


def test_start_scale_is_sigma_where_the_picture_is_taken_for_nothing() -> None:
    assert path(PLAIN, "euler", 5, PathConfig("trailing")).start_scale == PLAIN.sigma(999)
    assert path(PLAIN, "euler", 5, PathConfig("leading")).start_scale == 1
    assert path(PLAIN, "dpm++", 5, PathConfig("trailing")).start_scale == 1


def test_ends() -> None:
    def end(name: str, **settings: Any) -> tuple[float, float]:
        walk = path(PLAIN, name, 5, PathConfig(**settings))
        return walk.alpha(-1), walk.sigma(-1)

    first = PLAIN.alpha(0), PLAIN.sigma(0)
    assert end("dpm++") == end("ddim") == end("euler") == (1, 0)
    assert end("dpm++", final="sigma_min") == end("ddim", set_alpha_to_one=False) == first
    assert end("ddim", final="sigma_min") == end("dpm++", set_alpha_to_one=False) == (1, 0)
    assert end("euler", final="sigma_min") == (1, pytest.approx(first[1] / first[0]))
    assert end("ddpm", final="sigma_min", set_alpha_to_one=False) == (1, 0)


def test_tiny_alpha_is_half_precisions_smallest() -> None:
    walk = path(ZERO, "dpm++", 5, PathConfig(tiny_alpha=True))
    assert walk.alpha(999) == pytest.approx(2**-12)
    assert not walk.ends_in_pure_noise
    assert path(ZERO, "dpm++", 5).ends_in_pure_noise
    assert walk.alpha(walk.times[1]) == ZERO.alpha(int(walk.times[1]))


def test_levels_beyond_the_schedule_have_times_of_their_own() -> None:
    walk = path(PLAIN, "euler", 12, PathConfig(sigmas="exponential", sigma_min=0.002, sigma_max=80.0))
    assert walk.sigma(walk.times[0]) / walk.alpha(walk.times[0]) == pytest.approx(80)
    assert walk.sigma(walk.times[-1]) / walk.alpha(walk.times[-1]) == pytest.approx(0.002)
    assert walk.times[0] > 999
    assert -1 < walk.times[-1] < 0
    assert (walk.told(walk.times[0]), walk.told(walk.times[-1])) == (999, 0)


def test_a_path_knows_its_own_times_only() -> None:
    walk = path(PLAIN, "dpm++", 5)
    with pytest.raises(IndexError, match="not on the path"):
        walk.alpha(500)
    for times in ([500], [199, 399], []):
        with pytest.raises(UserError, match="on the path"):
            next(sampler("dpm++", walk).steps(lambda x, t, c: x, NOISE, None, timesteps=times))
    assert walk.nearest(torch.tensor([PLAIN.log_snr(321)], dtype=torch.float64)).item() == 321


@pytest.mark.parametrize(
    ("name", "n", "settings_", "words"),
    [
        ("dpm++", 0, {}, "between 1 and 1000"),
        ("dpm++", 1000, {"spacing": "linspace"}, "fall strictly"),
        ("ddim", 1000, {"spacing": "leading", "offset": 1}, "fewer steps"),
        ("lcm", 51, {}, "distilled on 50"),
        ("dpm++", 5, {"spacing": "karras"}, "unknown spacing"),
        ("dpm++", 5, {"sigmas": "polyexponential"}, "unknown sigmas"),
        ("dpm++", 5, {"final": "last"}, "final"),
        ("dpm++", 5, {"sigma_min": 2.0, "sigma_max": 1.0}, "sigma_min"),
        ("no such", 5, {}, "unknown sampler"),
    ],
)
def test_what_cannot_be_walked_is_a_user_error(name: str, n: int, settings_: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=words):
        path(PLAIN, name, n, PathConfig(**settings_))


def test_config_is_a_config() -> None:
    config = PathConfig("leading", 1, "karras", sigma_min=0.1)
    assert PathConfig.from_dict(config.to_dict()) == config
    with pytest.raises(UserError, match="sigmas"):
        PathConfig.from_dict({"sigma": "karras"})


@given(st.floats(0, 1))
def test_beta_quantile_is_scipys(share: float) -> None:
    assert beta_quantile(share) == pytest.approx(stats.beta.ppf(share, 0.6, 0.6), abs=1e-9)


@pytest.mark.parametrize("spread", sorted(SPREADS))
@pytest.mark.parametrize("n", [1, 2, 30])
def test_spreads_fall_between_their_ends(spread: str, n: int) -> None:
    s = SPREADS[spread](n, 0.03, 14.6)
    assert s[0] == pytest.approx(14.6)
    assert n == 1 or s[-1] == pytest.approx(0.03)
    assert bool((np.diff(s) < 0).all())


def test_flow_is_the_straight_line() -> None:
    flow = SCHEDULES["flow"]
    assert [flow.sigma(t) for t in (-1, 499, 999)] == [0, 0.5, 1]
    assert flow.ends_in_pure_noise
    assert flow.told(499) == 500
    assert flow.log_snr(499) == pytest.approx(0)
    walk = path(flow, "euler", 4, PathConfig(shift=3.0))
    assert walk.told(walk.times[0]) == 1000
    u = 0.667  # of the four even ones, the second; shifted to 3u/(1+2u)
    assert walk.sigma(walk.times[1]) == pytest.approx(3 * u / (1 + 2 * u), abs=2e-3)
    with pytest.raises(UserError, match="variance-preserving"):
        NetworkDenoiser(network, flow, "v")


def test_trained_betas_and_the_cosine() -> None:
    betas = tuple(np.linspace(0.001, 0.02, 10))
    alpha_bar = ScheduleConfig(steps=10, trained_betas=betas, zero_terminal_snr=False).build().alpha_bar
    torch.testing.assert_close(alpha_bar, torch.tensor(np.cumprod(1 - np.array(betas))))
    with pytest.raises(UserError, match="as many as steps"):
        ScheduleConfig(trained_betas=betas).build()
    cosine = ScheduleConfig(kind="squaredcos_cap_v2", zero_terminal_snr=False).build()
    half = math.cos((0.5 + 0.008) / 1.008 * math.pi / 2) ** 2 / math.cos(0.008 / 1.008 * math.pi / 2) ** 2
    assert float(cosine.alpha_bar[499]) == pytest.approx(half)


def test_the_loop_forgets() -> None:
    """A multistep solver is handed the last three steps, not the whole drawing."""
    seen: list[int] = []

    class Looking(SAMPLERS["euler"]):  # type: ignore[misc]
        def step(self, now: Any, past: Any, estimate: Any, rng: Any) -> Tensor:
            seen.append(len(past))
            assert [step.t_next for step in past[-1:]] == [now.t] * bool(past)
            return super().step(now, past, estimate, rng)

    draw(Looking(path(PLAIN, "euler", 6)))
    assert seen == [0, 1, 2, 3, 3, 3]
    assert MOST_PAST == 3


def test_paths_are_schedules() -> None:
    walk = path(PLAIN, "dpm++", 5)
    assert isinstance(walk, Path)
    assert (walk.steps, walk.config) == (1000, PLAIN.config)
    assert walk.timesteps(5) == PLAIN.timesteps(5)
