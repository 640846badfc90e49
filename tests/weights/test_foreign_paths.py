"""Where diffusers puts the steps of each solver: its levels, what the network is told, and what is the same as ours."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fromnoise.diffusion.denoiser import NetworkDenoiser
from fromnoise.diffusion.paths import PathConfig, path
from fromnoise.diffusion.samplers import SAMPLERS, Sampler, sampler
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.diffusion.spread import SPREADS
from fromnoise.ground.errors import UserError
from fromnoise.weights.foreign_paths import FAMILIES, ForeignPathConfig

ZERO = ScheduleConfig().build()
PLAIN = ScheduleConfig(zero_terminal_snr=False).build()
SCHEDULES = {"zero": ZERO, "plain": PLAIN, "flow": ScheduleConfig(kind="flow").build()}
NOISE = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))


def network(x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
    return torch.tanh(x_t + torch.cos(t.float() / 150).reshape(-1, 1, 1, 1))


def draw(solver: Sampler) -> Tensor:
    denoiser = NetworkDenoiser(network, solver.schedule, "x0")
    rng = [torch.Generator().manual_seed(i) for i in (3, 4)]
    *_, last = solver.steps(denoiser, NOISE, None, rng)
    return last.x_next


def test_every_sampler_has_a_family() -> None:
    assert FAMILIES.keys() == SAMPLERS.keys()


@pytest.mark.parametrize("name", list(SAMPLERS))
@pytest.mark.parametrize("spacing", ["trailing", "log_snr"])
@pytest.mark.parametrize("n", [1, 2, 7, 20])
def test_on_our_own_spacings_it_is_our_own_walk_bit_for_bit(name: str, spacing: Any, n: int) -> None:
    plain, foreign = (path(ZERO, name, n, kind(spacing)) for kind in (PathConfig, ForeignPathConfig))
    assert foreign.times == plain.times
    assert foreign.start_scale == plain.start_scale == 1.0
    assert torch.equal(draw(sampler(name, foreign)), draw(sampler(name, plain)))


def test_dpm_solver_cuts_into_one_part_more() -> None:
    def times(name: str, spacing: Any) -> list[float]:
        return list(path(PLAIN, name, 4, ForeignPathConfig(spacing, offset=1)).times)

    assert times("ddim", "leading") == times("euler", "leading") == [751, 501, 251, 1]
    assert times("dpm++", "leading") == times("unipc", "leading") == [801, 601, 401, 201]
    assert times("ddim", "linspace") == times("euler", "linspace") == [999, 666, 333, 0]
    assert times("dpm++", "linspace") == [999, 749, 500, 250]
    assert path(PLAIN, "euler", 6, ForeignPathConfig("linspace")).times[1] == pytest.approx(799.2)
    assert path(PLAIN, "ddim", 6, ForeignPathConfig("linspace")).times[1] == 799


def test_the_settings_are_checked_by_name() -> None:
    for kind, words in (({"offset": -1}, "offset"), ({"aim": "far"}, "aim is next or stride, not 'far'")):
        with pytest.raises(UserError, match=words):
            path(PLAIN, "ddim", 4, ForeignPathConfig(**kind))


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
    config = ForeignPathConfig(spacing, sigmas, final, offset=offset, set_alpha_to_one=final == "zero", tiny_alpha=tiny)
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


def test_who_is_told_fractions() -> None:
    """diffusers' Euler tells the network where it is, DPM-Solver and UniPC the nearest whole time."""
    config = ForeignPathConfig("linspace", sigmas="karras")
    euler, dpm = (path(PLAIN, name, 8, config) for name in ("euler", "dpm++"))
    assert [dpm.told(t) for t in dpm.times] == [999, 890, 746, 549, 299, 90, 12, 0]
    assert any(euler.told(t) != int(euler.told(t)) for t in euler.times)
    assert [round(euler.told(t)) for t in euler.times] == [dpm.told(t) for t in dpm.times]


def test_the_network_hears_what_the_path_tells() -> None:
    heard = []
    walk = path(PLAIN, "dpm++", 8, ForeignPathConfig(sigmas="karras"))
    denoiser = NetworkDenoiser(lambda x, t, cond: heard.append(t) or x, walk, "epsilon")
    *_, _ = sampler("dpm++", walk).steps(denoiser, NOISE, None)
    assert [int(t[0]) for t in heard] == [999, 890, 746, 549, 299, 90, 12, 0]
    assert {t.dtype for t in heard} == {torch.int64}


def test_start_scale_is_sigma_where_the_picture_is_taken_for_nothing() -> None:
    assert path(PLAIN, "euler", 5, ForeignPathConfig("trailing")).start_scale == PLAIN.sigma(999)
    assert path(PLAIN, "euler", 5, ForeignPathConfig("leading")).start_scale == 1
    assert path(PLAIN, "dpm++", 5, ForeignPathConfig("trailing")).start_scale == 1


def test_ends() -> None:
    def end(name: str, **settings: Any) -> tuple[float, float]:
        walk = path(PLAIN, name, 5, ForeignPathConfig(**settings))
        return walk.alpha(-1), walk.sigma(-1)

    first = PLAIN.alpha(0), PLAIN.sigma(0)
    assert end("dpm++") == end("ddim") == end("euler") == (1, 0)
    assert end("dpm++", final="sigma_min") == end("ddim", set_alpha_to_one=False) == first
    assert end("ddim", final="sigma_min") == end("dpm++", set_alpha_to_one=False) == (1, 0)
    assert end("euler", final="sigma_min") == (1, pytest.approx(first[1] / first[0]))
    assert end("ddpm", final="sigma_min", set_alpha_to_one=False) == (1, 0)


def test_tiny_alpha_is_half_precisions_smallest() -> None:
    walk = path(ZERO, "dpm++", 5, ForeignPathConfig(tiny_alpha=True))
    assert walk.alpha(999) == pytest.approx(2**-12)
    assert not walk.ends_in_pure_noise
    assert path(ZERO, "dpm++", 5).ends_in_pure_noise
    assert walk.alpha(walk.times[1]) == ZERO.alpha(int(walk.times[1]))


def test_levels_beyond_the_schedule_have_times_of_their_own() -> None:
    walk = path(PLAIN, "euler", 12, ForeignPathConfig(sigmas="exponential", sigma_min=0.002, sigma_max=80.0))
    assert walk.sigma(walk.times[0]) / walk.alpha(walk.times[0]) == pytest.approx(80)
    assert walk.sigma(walk.times[-1]) / walk.alpha(walk.times[-1]) == pytest.approx(0.002)
    assert walk.times[0] > 999
    assert -1 < walk.times[-1] < 0
    assert (walk.told(walk.times[0]), walk.told(walk.times[-1])) == (999, 0)


def test_config_is_a_config() -> None:
    config = ForeignPathConfig("leading", "karras", sigma_min=0.1, offset=1)
    assert ForeignPathConfig.from_dict(config.to_dict()) == config
    with pytest.raises(UserError, match="sigmas"):
        ForeignPathConfig.from_dict({"sigma": "karras"})


def test_a_flow_is_walked_between_its_shifted_levels() -> None:
    flow = SCHEDULES["flow"]
    walk = path(flow, "euler", 4, ForeignPathConfig(shift=3.0))
    assert walk.told(walk.times[0]) == 1000
    u = 0.667  # of the four even ones, the second; shifted to 3u/(1+2u)
    assert walk.sigma(walk.times[1]) == pytest.approx(3 * u / (1 + 2 * u), abs=2e-3)
