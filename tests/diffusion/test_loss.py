"""Training targets, the levels that training sees, and the bins it logs."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm

from fromnoise.diffusion.loss import (
    LOG_SNR_EDGES,
    LOG_SNR_LABELS,
    TimeMix,
    curriculum_levels,
    diffusion_loss,
    log_snr_bin,
    sample_t,
    sample_t_curriculum,
    v_target,
)
from fromnoise.diffusion.prediction import to_x0
from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError

SCHEDULE = ScheduleConfig().build()
MANY = 100_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_v_target_leads_the_hub_back_to_the_picture() -> None:
    x0, noise = torch.randn(2, 4, 3, 5, 5, generator=seeded())
    t = torch.tensor([0, 250, 700, 999])
    alpha, sigma = SCHEDULE.alpha(t), SCHEDULE.sigma(t)
    x_t = SCHEDULE.add_noise(x0, noise, t)
    torch.testing.assert_close(to_x0("v", v_target(x0, noise, alpha, sigma), x_t, alpha, sigma), x0, atol=2e-6, rtol=0)


@pytest.mark.formats
def test_loss_is_the_mean_square_of_each_example() -> None:
    target = torch.zeros(3, 1, 2, 2)
    prediction = torch.tensor([0.0, 2.0, 3.0]).reshape(3, 1, 1, 1).expand(3, 1, 2, 2).clone()
    prediction[2, 0, 0] = 0  # half of the third picture is right
    assert diffusion_loss(prediction.bfloat16(), target).tolist() == [0.0, 4.0, 4.5]


@pytest.mark.parametrize("mix", [TimeMix(), TimeMix(0.3, 0.4, 0.3)])
def test_shares_of_the_mix(mix: TimeMix) -> None:
    """Chance of pure noise, of a noisy and of a middle band, within 4 standard errors of 100,000 draws.

    Pure noise is out of the logit-normal's reach. A band t = low..high is uniform / 1000 of every level plus the part
    of N(-2 mean, 2 std) whose nearest levels those are: between the midpoints to the neighbours.
    """
    t = sample_t(MANY, seeded(), mix, SCHEDULE)
    for low, high in [(999, 999), (945, 998), (300, 600)]:
        expected = mix.uniform * (high - low + 1) / 1000
        if high == 999:
            expected += mix.terminal
        else:
            noisy_edge = (SCHEDULE.log_snr(high) + SCHEDULE.log_snr(high + 1)) / 2
            clean_edge = (SCHEDULE.log_snr(low) + SCHEDULE.log_snr(low - 1)) / 2
            normal = norm(-2 * mix.mean, 2 * mix.std)
            expected += mix.logit_normal * (normal.cdf(clean_edge) - normal.cdf(noisy_edge))
        found = ((t >= low) & (t <= high)).float().mean().item()
        assert found == pytest.approx(expected, abs=4 * math.sqrt(expected * (1 - expected) / MANY)), (low, high)


def test_logit_normal_is_mapped_by_equal_snr() -> None:
    """Quantiles of u = sigmoid(N(-0.4, 1.2)), taken back from t through SNR = ((1-u)/u)²; 0.03 covers sampling."""
    t = sample_t(MANY, seeded(1), TimeMix(1.0, 0.0, 0.0), SCHEDULE)
    snr_root = SCHEDULE.alpha(t).double() / SCHEDULE.sigma(t).double()
    u = 1 / (1 + snr_root)
    for quantile in (0.1, 0.25, 0.5, 0.75, 0.9):
        logit = torch.quantile(torch.logit(u), quantile).item()
        assert logit == pytest.approx(norm.ppf(quantile, -0.4, 1.2), abs=0.03)


def test_uniform_share_sees_every_level_alike() -> None:
    t = sample_t(MANY, seeded(2), TimeMix(0.0, 1.0, 0.0), SCHEDULE)
    counts = torch.bincount(t // 100, minlength=10)
    assert len(counts) == 10
    assert bool(((counts - 10_000).abs() < 4 * math.sqrt(9_000)).all())
    assert t.min() == 0
    assert t.max() == 999


def test_the_same_seed_draws_the_same_levels() -> None:
    assert torch.equal(sample_t(64, seeded(5), TimeMix(), SCHEDULE), sample_t(64, seeded(5), TimeMix(), SCHEDULE))
    assert not torch.equal(sample_t(64, seeded(5), TimeMix(), SCHEDULE), sample_t(64, seeded(6), TimeMix(), SCHEDULE))


@pytest.mark.parametrize("mix", [TimeMix(0.5, 0.1, 0.1), TimeMix(1.2, -0.2, 0.0), TimeMix(std=0.0)])
def test_a_mix_that_is_no_probability_is_a_user_error(mix: TimeMix) -> None:
    with pytest.raises(UserError, match="sum to 1"):
        sample_t(4, seeded(), mix, SCHEDULE)


@pytest.mark.parametrize(
    ("progress", "levels"), [(0.0, 100), (0.0999, 100), (0.1, 200), (0.55, 600), (0.9, 1000), (1.0, 1000)]
)
def test_curriculum_stages(progress: float, levels: int) -> None:
    assert curriculum_levels(progress, 1000) == levels


@given(st.floats(0, 1), st.floats(0, 1))
def test_curriculum_never_goes_back(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert curriculum_levels(low, 1000) <= curriculum_levels(high, 1000)


def test_curriculum_draws_below_its_limit_only() -> None:
    early = sample_t_curriculum(MANY, seeded(), 0.05, SCHEDULE)
    assert early.max() == 99
    assert early.min() == 0
    assert sample_t_curriculum(MANY, seeded(), 0.95, SCHEDULE).max() == 999


def test_every_level_is_logged_in_the_bin_that_its_label_names() -> None:
    t = torch.arange(1000)
    bins = log_snr_bin(t, SCHEDULE)
    edges = [-math.inf, *LOG_SNR_EDGES, math.inf]
    assert len(LOG_SNR_LABELS) == len(edges) - 1
    for time, place in zip(t.tolist(), bins.tolist(), strict=True):
        assert edges[place] <= SCHEDULE.log_snr(time) < edges[place + 1]
    for label, low, high in zip(LOG_SNR_LABELS, edges, edges[1:], strict=False):
        ends = [f"{edge:g}" if math.isfinite(edge) else "" for edge in (low, high)]
        assert label == "..".join(ends)
    assert bins.unique().tolist() == list(range(6))
