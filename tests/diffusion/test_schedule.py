"""The noise schedule against diffusers' numbers, its own definition and the recipe's measured list."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.diffusion.schedule import LOG_SNR_RANGE, NoiseSchedule, ScheduleConfig
from fromnoise.ground.errors import UserError

SCHEDULE = ScheduleConfig().build()
RECIPE = [999, 799, 756, 706, 649, 585, 514, 437, 358, 281, 210, 149, 101, 65, 40, 24]


@pytest.mark.parametrize("zero_terminal_snr", [True, False])
@pytest.mark.parametrize("kind", ["scaled_linear", "linear"])
def test_alpha_bar_equals_diffusers(kind: str, zero_terminal_snr: bool) -> None:
    """diffusers multiplies 1,000 factors in float32, so its own rounding (about 1e-6) is the tolerance."""
    ours = ScheduleConfig(kind=kind, zero_terminal_snr=zero_terminal_snr).build()  # type: ignore[arg-type]
    theirs: Any = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule=kind, rescale_betas_zero_snr=zero_terminal_snr
    )
    torch.testing.assert_close(ours.alpha_bar, theirs.alphas_cumprod.double(), atol=3e-6, rtol=0)


def test_zero_terminal_snr_ends_in_exactly_nothing_and_keeps_the_first_level() -> None:
    plain = ScheduleConfig(zero_terminal_snr=False).build()
    assert SCHEDULE.alpha_bar[-1] == 0
    assert SCHEDULE.alpha(999) == 0
    assert SCHEDULE.sigma(999) == 1
    assert SCHEDULE.log_snr(999) == -math.inf
    assert SCHEDULE.ends_in_pure_noise
    assert SCHEDULE.alpha_bar[0] == plain.alpha_bar[0] == pytest.approx(1 - 0.00085, abs=1e-12)
    assert not plain.ends_in_pure_noise
    assert plain.log_snr(999) > -math.inf
    assert bool((SCHEDULE.alpha_bar <= plain.alpha_bar).all())


def test_zero_terminal_snr_is_one_affine_map_of_the_root() -> None:
    """Algorithm 1 shifts and scales sqrt(alpha_bar): equal differences must stay in proportion."""
    plain = ScheduleConfig(zero_terminal_snr=False).build().alpha_bar.sqrt()
    ratio = SCHEDULE.alpha_bar.sqrt().diff() / plain.diff()
    torch.testing.assert_close(ratio, ratio.mean().expand(999), rtol=1e-9, atol=0)


def test_minus_one_is_clean_and_levels_keep_the_variance() -> None:
    assert SCHEDULE.alpha(-1) == 1
    assert SCHEDULE.sigma(-1) == 0
    assert SCHEDULE.log_snr(-1) == math.inf
    t = torch.arange(-1, 1000)
    power = SCHEDULE.alpha(t) ** 2 + SCHEDULE.sigma(t) ** 2
    torch.testing.assert_close(power, torch.ones(1001), atol=2e-7, rtol=0)
    assert bool((SCHEDULE.log_snr(t).diff() < 0).all())


@given(st.integers(-1, 999))
def test_int_and_tensor_look_ups_agree(t: int) -> None:
    for look_up in (SCHEDULE.alpha, SCHEDULE.sigma, SCHEDULE.log_snr):
        number, tensor = look_up(t), look_up(torch.tensor([[t]]))
        assert isinstance(number, float)
        assert tensor.dtype == torch.float32
        assert tensor.shape == (1, 1)
        assert tensor.item() == torch.tensor(number, dtype=torch.float32).item()


@pytest.mark.parametrize("t", [-2, 1000])
def test_levels_outside_the_schedule_are_refused(t: int) -> None:
    with pytest.raises(IndexError):
        SCHEDULE.alpha(t)
    with pytest.raises((IndexError, RuntimeError)):
        SCHEDULE.alpha(torch.tensor([t]))


def test_add_noise_equals_diffusers() -> None:
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 3, 2, 5, 5, generator=generator)
    t = torch.tensor([0, 400, 999])
    peer: Any = DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", rescale_betas_zero_snr=True
    )
    theirs = peer.add_noise(x0, noise, t)
    ours = SCHEDULE.add_noise(x0, noise, t)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert torch.equal(ours[2], noise[2])


@given(st.lists(st.floats(-30, 12), min_size=1, max_size=50))
def test_nearest_is_the_nearest(values: list[float]) -> None:
    wanted = torch.tensor(values, dtype=torch.float64)
    levels = torch.tensor([SCHEDULE.log_snr(t) for t in range(1000)], dtype=torch.float64)
    found = SCHEDULE.nearest(wanted)
    distance = (levels[found] - wanted).abs()
    torch.testing.assert_close(distance, (levels[None] - wanted[:, None]).abs().amin(dim=1), atol=0, rtol=0)


def test_nearest_of_every_level_is_itself() -> None:
    levels = torch.tensor([SCHEDULE.log_snr(t) for t in range(1000)], dtype=torch.float64)
    assert SCHEDULE.nearest(levels).tolist() == list(range(1000))


@pytest.mark.parametrize("spacing", ["trailing", "linspace", "leading"])
def test_spacings_equal_diffusers(spacing: str) -> None:
    """For every n; np.arange with a fractional step may give one time too many, which is cut off on their side."""
    theirs: Any = DDIMScheduler(timestep_spacing=spacing)
    for n in range(1, 1001):
        theirs.set_timesteps(n)
        assert SCHEDULE.timesteps(n, spacing) == theirs.timesteps.tolist()[:n], n


def test_log_snr_spacing_is_the_measured_list() -> None:
    assert SCHEDULE.timesteps(16, "log_snr") == RECIPE


@given(st.integers(3, 40))
def test_log_snr_spacing_is_uniform_up_to_the_nearest_level(n: int) -> None:
    times = SCHEDULE.timesteps(n, "log_snr")
    low, high = LOG_SNR_RANGE
    for i, t in enumerate(times[1:]):
        wanted = low + (high - low) * i / (n - 2)
        widest = max(SCHEDULE.log_snr(t - 1) - SCHEDULE.log_snr(t), SCHEDULE.log_snr(t) - SCHEDULE.log_snr(t + 1))
        assert abs(SCHEDULE.log_snr(t) - wanted) <= widest / 2 + 1e-12


@given(st.integers(1, 1000), st.sampled_from(["trailing", "log_snr"]))
def test_any_number_of_steps_falls_strictly_from_pure_noise(n: int, spacing: str) -> None:
    times = SCHEDULE.timesteps(n, spacing)
    assert len(times) == n
    assert times[0] == 999
    assert times[-1] >= 0
    assert all(a > b for a, b in itertools.pairwise(times))


@pytest.mark.parametrize("n", [0, -3, 1001])
def test_impossible_numbers_of_steps_are_a_user_error(n: int) -> None:
    with pytest.raises(UserError, match="between 1 and 1000"):
        SCHEDULE.timesteps(n)


def test_user_errors_name_the_choice() -> None:
    with pytest.raises(UserError, match="log_snr"):
        SCHEDULE.timesteps(10, "karras")
    with pytest.raises(UserError, match="cosine"):
        ScheduleConfig(kind="cosine").build()  # type: ignore[arg-type]
    with pytest.raises(UserError, match="beta_start"):
        ScheduleConfig(beta_start=0.5, beta_end=0.1).build()


def test_a_schedule_that_does_not_fall_is_refused() -> None:
    with pytest.raises(ValueError, match="fall"):
        NoiseSchedule(torch.tensor([0.9, 0.5, 0.5]))
