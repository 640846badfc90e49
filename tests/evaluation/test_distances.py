"""KID, density and coverage beside double loops, and beside distributions whose distance is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from fromnoise.evaluation.distances import density_coverage, kid, mmd2_biased, mmd2_unbiased


def normal(n: int, d: int, seed: int, shift: float = 0.0) -> torch.Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) + shift


def looped(x: np.ndarray, y: np.ndarray, biased: bool) -> float:
    """Equation 4, picture by picture."""

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return (float(a @ b) / len(a) + 1) ** 3

    def within(s: np.ndarray) -> float:
        total = sum(k(a, b) for i, a in enumerate(s) for j, b in enumerate(s) if biased or i != j)
        return total / (len(s) ** 2 if biased else len(s) * (len(s) - 1))

    return within(x) + within(y) - 2 * sum(k(a, b) for a in x for b in y) / (len(x) * len(y))


def test_mmd_is_that_of_double_loops() -> None:
    x, y = normal(13, 7, 0).double(), normal(17, 7, 1, 0.3).double()
    assert mmd2_unbiased(x, y) == pytest.approx(looped(x.numpy(), y.numpy(), False), rel=1e-10)
    assert mmd2_biased(x, y) == pytest.approx(looped(x.numpy(), y.numpy(), True), rel=1e-10)


def test_mmd_of_two_gaussians_is_that_of_their_moments() -> None:
    # In one dimension (xy + 1)³ compares √3·x, √3·x² and x³: of N(1,1) and N(0,1) the means differ by 1, 1 and 4.
    x, y = normal(4_000, 1, 2, 1.0), normal(4_000, 1, 3)
    assert mmd2_unbiased(x, y) == pytest.approx(3 * 1**2 + 3 * 1**2 + 4**2, rel=0.15)


def test_two_samples_of_one_kind_measure_nothing_on_average_and_only_the_biased_estimate_is_never_negative() -> None:
    pairs = [(normal(20, 5, 2 * i), normal(20, 5, 2 * i + 1)) for i in range(200)]
    unbiased = torch.tensor([mmd2_unbiased(*pair) for pair in pairs])
    biased = torch.tensor([mmd2_biased(*pair) for pair in pairs])
    error = unbiased.std() / len(pairs) ** 0.5
    assert abs(float(unbiased.mean())) < 3 * float(error)
    assert (unbiased < 0).float().mean() > 0.3
    assert biased.min() > 0
    assert biased.mean() > 10 * error


def test_kid_is_a_mean_over_subsets() -> None:
    x, y = normal(120, 6, 0), normal(90, 6, 1, 0.5)
    found = kid(x, y, size=30, subsets=200)
    assert found.mean == pytest.approx(mmd2_unbiased(x, y), abs=3 * found.std / 200**0.5)
    assert found.std > 0
    assert kid(x, y, size=30, subsets=200) == found
    few = kid(x[:20], y, size=100, subsets=50)
    assert few.size == 10
    assert few.std > 0


def test_density_and_coverage_are_those_of_double_loops() -> None:
    real, drawn, k = normal(25, 4, 0), normal(19, 4, 1, 0.7), 5
    r, g = real.double().numpy(), drawn.double().numpy()
    radius = [sorted(np.linalg.norm(a - b) for j, b in enumerate(r) if j != i)[k - 1] for i, a in enumerate(r)]
    inside = [[np.linalg.norm(a - b) <= radius[i] for b in g] for i, a in enumerate(r)]
    found = density_coverage(real, drawn, k)
    assert found.density == pytest.approx(sum(map(sum, inside)) / (k * len(g)))
    assert found.coverage == pytest.approx(sum(any(row) for row in inside) / len(r))


def test_coverage_sees_what_is_missing_and_density_what_is_outside() -> None:
    real = torch.cat([normal(100, 8, 0), normal(100, 8, 1, 50.0)])  # two kinds
    one_kind = density_coverage(real, normal(200, 8, 2))
    assert one_kind.coverage == pytest.approx(0.5, abs=0.05)
    assert one_kind.density == pytest.approx(1, abs=0.3)
    assert density_coverage(real, normal(200, 8, 3, 500.0)).density == 0
    assert density_coverage(real, torch.cat([normal(100, 8, 4), normal(100, 8, 5, 50.0)])).coverage > 0.9
