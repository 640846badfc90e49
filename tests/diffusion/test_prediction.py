"""The hub: each kind's definition, there and back, and between each other."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.diffusion.prediction import KINDS, from_x0, to_x0
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError

angles = st.floats(0.05, math.pi / 2 - 0.05)  # alpha = cos, sigma = sin: away from both division by zero
kinds = st.sampled_from(KINDS)
seeds = st.integers(0, 2**31)


def pair(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    x0, noise = torch.randn(2, 2, 3, 4, 4, generator=generator, dtype=torch.float64)
    return x0, noise


@given(angles, seeds)
def test_each_kind_is_what_its_name_says(angle: float, seed: int) -> None:
    alpha, sigma = math.cos(angle), math.sin(angle)
    x0, noise = pair(seed)
    x_t = alpha * x0 + sigma * noise
    truth = {"v": alpha * noise - sigma * x0, "epsilon": noise, "x0": x0, "flow": noise - x0}
    for kind, output in truth.items():
        torch.testing.assert_close(to_x0(kind, output, x_t, alpha, sigma), x0, atol=1e-12, rtol=0)
        torch.testing.assert_close(from_x0(kind, x0, x_t, alpha, sigma), output, atol=1e-12, rtol=0)


@given(kinds, kinds, angles, seeds)
def test_round_trips_for_any_output(kind: str, other: str, angle: float, seed: int) -> None:
    """output → x0 → other → x0 → output, for outputs that belong to no picture at all."""
    alpha, sigma = math.cos(angle), math.sin(angle)
    x_t, output = pair(seed)
    x0 = to_x0(kind, output, x_t, alpha, sigma)
    through = to_x0(other, from_x0(other, x0, x_t, alpha, sigma), x_t, alpha, sigma)
    torch.testing.assert_close(from_x0(kind, through, x_t, alpha, sigma), output, atol=1e-10, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_levels_per_picture_equal_each_picture_alone(kind: str) -> None:
    schedule = ScheduleConfig().build()
    x_t, output = (x.float() for x in pair(7))
    t = torch.tensor([20, 700])
    together = to_x0(kind, output, x_t, schedule.alpha(t), schedule.sigma(t))
    for i, time in enumerate(t.tolist()):
        alone = to_x0(kind, output[i : i + 1], x_t[i : i + 1], schedule.alpha(time), schedule.sigma(time))
        torch.testing.assert_close(together[i : i + 1], alone, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["v", "x0", "flow"])
def test_pure_noise_has_a_finite_estimate(kind: str) -> None:
    """Zero terminal SNR works with every kind that still speaks about the picture at alpha = 0."""
    x0, noise = pair(3)
    output = from_x0(kind, x0, noise, 0.0, 1.0)
    torch.testing.assert_close(to_x0(kind, output, noise, 0.0, 1.0), x0, atol=1e-12, rtol=0)


def test_unknown_kinds_are_a_user_error() -> None:
    x = torch.zeros(1, 1, 1, 1)
    with pytest.raises(UserError, match="v, epsilon, x0, flow"):
        to_x0("sample", x, x, 1.0, 0.0)
    with pytest.raises(UserError, match="eps"):
        from_x0("eps", x, x, 1.0, 0.0)
