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


@pytest.mark.parametrize("strength", [1.0, 0.75, 0.5, 0.01])
def test_a_given_picture_walks_the_end_of_the_path(strength: float) -> None:
    walk = path(PLAIN, "euler", 20, PathConfig("linspace"))
    rest = walk.after(strength)
    assert len(rest) == max(1, int(20 * strength))
    assert rest == list(walk.times[20 - len(rest) :])
    draw(sampler("euler", walk), rest)


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


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(sorted(SAMPLERS)),
    st.sampled_from(sorted(SCHEDULES)),
    st.integers(1, 50),
    st.sampled_from(["trailing", "leading", "linspace", "log_snr"]),
    st.sampled_from(["", *SPREADS]),
    st.sampled_from(["zero", "sigma_min"]),
)
def test_any_path_falls_and_can_be_walked(name: str, kind: str, n: int, spacing: Any, sigmas: Any, final: Any) -> None:
    try:
        walk = path(SCHEDULES[kind], name, n, PathConfig(spacing, sigmas, final))
    except UserError as error:
        at_clean = final == "sigma_min" and "fall strictly" in str(error)
        assert kind == "flow" or at_clean  # lcm and ddpm, ends in noise, and Karras on a flow for most samplers
        return
    assert len(walk.times) == n
    assert all(a > b for a, b in itertools.pairwise([*walk.times, -1]))
    signal = [walk.log_snr(t) for t in [*walk.times, -1]]
    assert all(a < b for a, b in itertools.pairwise(signal[:-1]))
    assert signal[-1] >= signal[-2]
    for t in walk.times:
        power = 1 if kind == "flow" else 2
        assert walk.alpha(t) ** power + walk.sigma(t) ** power == pytest.approx(1)
    assert torch.isfinite(draw(sampler(name, walk))).all()


def test_a_spread_walk_tells_the_network_where_it_is() -> None:
    walk = path(PLAIN, "euler", 8, PathConfig(sigmas="exponential", sigma_min=0.1, sigma_max=10.0))
    s = [walk.sigma(t) / walk.alpha(t) for t in walk.times]
    assert s == pytest.approx([10 * 0.01 ** (k / 7) for k in range(8)])  # even in log s
    for t, ratio in zip(walk.times, s, strict=True):
        assert walk.told(t) == t
        below, above = (PLAIN.sigma(whole) / PLAIN.alpha(whole) for whole in (math.floor(t), math.ceil(t)))
        assert below * (1 - 1e-6) <= ratio <= above * (1 + 1e-6)  # between its neighbours on the schedule
    heard: list[Tensor] = []
    denoiser = NetworkDenoiser(lambda x, t, cond: heard.append(t) or x, walk, "epsilon")
    *_, _ = sampler("euler", walk).steps(denoiser, NOISE, None)
    assert [float(t[0]) for t in heard] == pytest.approx(list(walk.times))


def test_a_walk_may_end_on_the_first_level() -> None:
    for sigmas in ("", "karras"):
        walk = path(PLAIN, "dpm++", 5, PathConfig("log_snr", sigmas, "sigma_min"))
        assert (walk.alpha(-1), walk.sigma(-1)) == (PLAIN.alpha(0), PLAIN.sigma(0))
        clean = path(PLAIN, "dpm++", 5, PathConfig("log_snr", sigmas))
        assert (clean.alpha(-1), clean.sigma(-1)) == (1, 0)


def test_a_config_is_a_config_and_may_lay_other_levels() -> None:
    config = PathConfig("leading", "karras", sigma_min=0.1)
    assert PathConfig.from_dict(config.to_dict()) == config
    with pytest.raises(UserError, match="sigmas"):
        PathConfig.from_dict({"sigma": "karras"})

    class Twice(PathConfig):
        def lay(self, schedule: Any, sampler: str, n: int) -> Path:
            assert sampler == "dpm++"
            return super().lay(schedule, sampler, 2 * n)

    assert path(PLAIN, "DPM++ 2M", 3, Twice()).times == path(PLAIN, "dpm++", 6).times


def test_flow_is_the_straight_line() -> None:
    flow = SCHEDULES["flow"]
    assert [flow.sigma(t) for t in (-1, 499, 999)] == [0, 0.5, 1]
    assert flow.ends_in_pure_noise
    assert flow.told(499) == 500
    assert flow.log_snr(499) == pytest.approx(0)
    walk = path(flow, "euler", 4, PathConfig(shift=3.0))
    assert [walk.sigma(t) for t in walk.times] == pytest.approx([1, 0.9, 0.75, 0.5])  # 3u/(1+2u) of 1, 3/4, 1/2, 1/4
    assert [walk.told(t) for t in walk.times] == pytest.approx([1000, 900, 750, 500])
    with pytest.raises(UserError, match="variance-preserving"):
        NetworkDenoiser(network, flow, "v")
