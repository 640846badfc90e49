"""Intervals beside their normal approximation, and the sign test beside scipy's."""

from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import binomtest

from fromnoise.evaluation.intervals import mean_of, ratio_of_means, share_of_way, sign_test


def test_the_interval_of_a_mean_is_about_two_standard_errors_wide() -> None:
    values = torch.randn(300, generator=torch.Generator().manual_seed(0)) * 3 + 7
    found = mean_of(values)
    half = 1.96 * float(values.std()) / 300**0.5
    assert found.value == pytest.approx(float(values.mean()), rel=1e-6)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half), abs=0.1 * half)
    assert found.n == 300
    assert math.isnan(mean_of(torch.zeros(0)).value)


def test_a_ratio_keeps_pairs_together() -> None:
    b = torch.rand(200, generator=torch.Generator().manual_seed(1)) + 0.5
    found = ratio_of_means(2 * b, b)  # drawn apart, this interval would be wide
    assert (found.value, found.low, found.high) == pytest.approx((2, 2, 2))
    impossible = ratio_of_means(torch.ones(5), torch.zeros(5))
    assert math.isnan(impossible.low)


def test_a_share_of_the_way_counts_from_floor_to_ceiling_and_keeps_threes_together() -> None:
    floor = torch.rand(200, generator=torch.Generator().manual_seed(2))
    found = share_of_way(floor + 1, floor, floor + 4)  # drawn apart, this interval would be wide
    assert (found.value, found.low, found.high, found.n) == (pytest.approx(0.25), *[pytest.approx(0.25)] * 2, 200)
    assert share_of_way(floor, floor, floor + 4).value == 0
    assert share_of_way(floor + 4, floor, floor + 4).value == pytest.approx(1)


@pytest.mark.parametrize(("wins", "losses"), [(0, 0), (5, 0), (3, 7), (20, 9)])
def test_the_sign_test_is_scipys(wins: int, losses: int) -> None:
    expected = binomtest(wins, wins + losses, 0.5, "greater").pvalue if wins + losses else 1.0
    assert sign_test(wins, losses) == pytest.approx(expected)
