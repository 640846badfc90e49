"""Intervals beside the textbooks', and the sign test beside counted tosses."""

from __future__ import annotations

import math

import pytest
import torch

from fromnoise.evaluation.intervals import mean_of, ratio_of_means, sign_test


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


def test_a_share_has_the_interval_of_the_textbook() -> None:
    # Newcombe 1998, Statistics in Medicine 17(8), table I, method 3: 81/263, 15/148, 0/20, 1/29.
    for hits, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ):
        found = mean_of(torch.arange(n) < hits)
        assert (found.value, found.low, found.high) == pytest.approx((hits / n, low, high), abs=6e-5)
        assert found.n == n
    every = mean_of(torch.ones(20, dtype=torch.bool))  # all agree, and yet 20 pictures are no proof
    assert (every.value, every.high) == (1, 1)
    assert every.low == pytest.approx(1 - 0.1611, abs=6e-5)


def test_the_interval_of_a_ratio_is_that_of_fieller() -> None:
    """Fieller 1954: the ratios r for which mean(a - r·b) is not significantly different from 0."""
    rng = torch.Generator().manual_seed(3)
    b = torch.rand(400, generator=rng).double() + 1
    a = 0.6 * b + 0.3 * torch.randn(400, generator=rng).double()
    found = ratio_of_means(a, b)
    for end in (found.low, found.high):
        rest = a - end * b
        assert abs(float(rest.mean() / (rest.std() / 400**0.5))) == pytest.approx(1.96, abs=0.15)


def test_the_same_values_have_the_same_interval_always() -> None:
    values = torch.rand(50, generator=torch.Generator().manual_seed(2))
    assert mean_of(values) == mean_of(values)
    alone = mean_of(values[:1])
    assert alone.value == pytest.approx(float(values[0]))
    assert math.isnan(alone.low)


@pytest.mark.parametrize(("wins", "losses", "chance"), [(0, 0, 1.0), (5, 0, 1 / 32), (9, 1, 11 / 1024), (0, 3, 1.0)])
def test_the_sign_test_counts_the_tosses_of_a_coin(wins: int, losses: int, chance: float) -> None:
    assert sign_test(wins, losses) == pytest.approx(chance)
