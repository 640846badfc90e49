"""Guidance by a score: it moves where the score rises fastest, as far as it says, and one picture at a time."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import FunctionDenoiser
from fromnoise.diffusion.samplers import sampler
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.diffusion.score_guidance import Score, ScoreGuidance, uphill

SCHEDULE = ScheduleConfig().build()
X = torch.randn(3, 4, 8, 8, generator=torch.Generator().manual_seed(0))


def half(x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
    return 0.5 * x_t


HALF = FunctionDenoiser(half, SCHEDULE)


def one_number(channel: int, scale: float) -> Score:
    """Rises with a single number of the picture, so the move is known: that number alone, by w σ √N."""
    return lambda x: scale * x[0, channel, 2, 3]


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
@pytest.mark.parametrize("t", [999, 400])
def test_the_estimate_moves_exactly_where_and_as_far_as_it_must(t: int, scale: float) -> None:
    guided = ScoreGuidance(HALF, [one_number(c, scale) for c in range(3)], 0.25)(X, torch.full((3,), t), None)
    moved = guided - 0.5 * X
    for i in range(3):
        far = 0.25 * SCHEDULE.sigma(t) * 16  # N = 4·8·8 = 16²
        assert float(moved[i, i, 2, 3]) == pytest.approx(far, rel=1e-5)
        moved[i, i, 2, 3] = 0
    assert not moved.any()


def test_strength_is_the_distance_per_number_at_pure_noise() -> None:
    target = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    guided = ScoreGuidance(HALF, [lambda x: -(x - target).square().sum()] * 3, 0.7)(X, torch.full((3,), 999), None)
    moved = guided - 0.5 * X
    torch.testing.assert_close(moved.flatten(1).square().mean(1).sqrt(), torch.full((3,), 0.7))
    towards = torch.nn.functional.cosine_similarity(moved.flatten(1), (target - 0.5 * X).flatten(1))
    torch.testing.assert_close(towards, torch.ones(3))


def test_off_is_the_same_bits_and_asks_nobody() -> None:
    def never(x: Tensor) -> Tensor:
        raise AssertionError("nobody should be asked")

    assert torch.equal(ScoreGuidance(HALF, [never] * 3, 0)(X, torch.full((3,), 500), None), 0.5 * X)
    outside = ScoreGuidance(HALF, [never] * 3, 1.0, interval=(0, 400))(X, torch.full((3,), 500), None)
    assert torch.equal(outside, 0.5 * X)


@pytest.mark.parametrize("flat", [lambda x: 0 * x.sum(), lambda x: (x - x.detach()).square().sum().sqrt()])
def test_where_there_is_no_slope_the_estimate_stays(flat: Score) -> None:
    """Nor where it is no number: √ has none at 0."""
    assert torch.equal(ScoreGuidance(HALF, [flat] * 3, 1.0)(X, torch.full((3,), 500), None), 0.5 * X)


def test_a_picture_does_not_depend_on_its_neighbours() -> None:
    scores: list[Score] = [lambda x, k=k: (x.tanh() * k).logsumexp((1, 2, 3))[0] for k in (1, 2, 3)]
    times = torch.tensor([999, 500, 20])
    together = ScoreGuidance(HALF, scores, 0.3)(X, times, None)
    for i in range(3):
        alone = ScoreGuidance(HALF, scores[i : i + 1], 0.3)(X[i : i + 1], times[i : i + 1], None)
        assert torch.equal(together[i], alone[0])


def test_a_sampler_is_led_to_where_the_score_is_best() -> None:
    """A model of data at 0 with a little spread, and a score that wants 1: it ends between, nearer to 1 when stronger;
    the score's weights and inputs may come from inference mode, as those of drawing do."""

    def shrink(x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
        with torch.inference_mode():
            return x_t * SCHEDULE.alpha(t).float()[:, None, None, None] * 0.01

    ends = []
    for strength in (0.0, 0.1, 0.4):
        guided = ScoreGuidance(FunctionDenoiser(shrink, SCHEDULE), [lambda x: -(x - 1).abs().sum()], strength)
        *_, last = sampler("ddim", SCHEDULE).steps(guided, X[:1], None, timesteps=range(999, 0, -50))
        ends.append(float(last.x_next.mean()))
    assert abs(ends[0]) < 0.01
    assert ends[0] < ends[1] < ends[2] < 1


def test_uphill_leaves_what_it_is_given() -> None:
    x = X[:1].clone()
    moved = uphill(one_number(0, 1.0), x, 2.0)
    assert torch.equal(x, X[:1])
    assert not moved.requires_grad
    assert float((moved - x).norm()) == pytest.approx(2.0 * math.sqrt(256), rel=1e-5)
