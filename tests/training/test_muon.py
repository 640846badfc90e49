"""Muon: torch's directions at the exactness of float32, and fewer, better steps in bf16 and float32."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from fromnoise.training import precision
from fromnoise.training.muon import POLYNOMIALS, Muon, Polynomial, orthogonal, polar_express

pytestmark = pytest.mark.formats

LEAST, SAFETY = 0.003, 1.03
COEFFICIENTS, STEPS, EPS = (3.4445, -4.7750, 2.0315), 5, 1e-7
SHAPES = [(24, 216), (216, 24), (40, 40), (40, 64), (64, 40), (1, 9), (7, 8)]


def random(shape: tuple[int, int], seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def by_singular_values(matrix: Tensor) -> Tensor:
    """What five steps make of each singular value, in float64."""
    u, values, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.norm()
    for _ in range(STEPS):
        values = sum(c * values ** (2 * i + 1) for i, c in enumerate(COEFFICIENTS))
    return (u * values) @ v


@pytest.mark.parametrize("shape", SHAPES)
def test_every_singular_value_goes_the_polynomials_way(shape: tuple[int, int]) -> None:
    matrix = random(shape)
    found = orthogonal(matrix, COEFFICIENTS, STEPS, EPS)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), by_singular_values(matrix), rtol=0, atol=2e-5)


def test_hardly_any_rank_and_nothing_at_all_stay_finite() -> None:
    flat = torch.outer(random((1, 30))[0], random((1, 200), 1)[0]) + 1e-6 * random((30, 200), 2)
    torch.testing.assert_close(
        orthogonal(flat, COEFFICIENTS, STEPS, EPS).double(), by_singular_values(flat), rtol=0, atol=2e-4
    )
    assert orthogonal(torch.zeros(4, 9), COEFFICIENTS, STEPS, EPS).eq(0).all()


@pytest.mark.parametrize("options", [{"adjust_lr_fn": "match_rms_adamw"}, {"nesterov": False, "weight_decay": 0.3}])
def test_three_steps_move_weights_as_torchs_muon_does(options: dict[str, object]) -> None:
    def moved(kind: type[torch.optim.Muon], **more: str) -> list[Tensor]:
        weights = [random(shape, 5).requires_grad_() for shape in SHAPES]
        optimizer = kind(weights, lr=0.01, **options, **more)  # type: ignore[arg-type]
        for step in range(3):
            for i, weight in enumerate(weights):
                weight.grad = random(SHAPES[i], 10 * step + i)
            optimizer.step()
        return [(weight.detach() - random(shape, 5)).flatten() for weight, shape in zip(weights, SHAPES, strict=True)]

    for ours, theirs in zip(moved(Muon, steps="jordan"), moved(torch.optim.Muon), strict=True):
        assert torch.cosine_similarity(ours, theirs, dim=0) > 0.9995  # theirs is rounded to bf16
        assert float(ours.norm() / theirs.norm()) == pytest.approx(1, abs=0.01)


def best(low: float, high: float) -> tuple[Polynomial, float]:
    """The odd polynomial of degree 5 nearest to 1 from ``low`` to ``high``, and its greatest error (Remez)."""
    between = [(3 * low + high) / 4, (low + 3 * high) / 4]
    for _ in range(50):
        rows = [[x, x**3, x**5, (-1.0) ** i] for i, x in enumerate([low, *between, high])]
        system = torch.tensor(rows, dtype=torch.float64)
        a, b, c, error = torch.linalg.solve(system, torch.ones(4, dtype=torch.float64)).tolist()
        root = math.sqrt(9 * b * b - 20 * a * c)  # the slope is 0 where x² is one of two numbers
        between = [math.sqrt((-3 * b - root) / (10 * c)), math.sqrt((-3 * b + root) / (10 * c))]
    return (a, b, c), abs(error)


def test_each_polynomial_is_the_best_for_what_the_one_before_leaves() -> None:
    low, high = LEAST, 1.0
    for found in POLYNOMIALS:
        (a, b, c), error = best(low, high)
        assert found == pytest.approx((a / SAFETY, b / SAFETY**3, c / SAFETY**5), abs=5e-5)
        low, high = 1 - error, 1 + error
    assert high == pytest.approx(1.2, abs=0.003)


def through(values: Tensor) -> Tensor:
    for polynomial in POLYNOMIALS:
        values = sum(c * values ** (2 * i + 1) for i, c in enumerate(polynomial))  # type: ignore[assignment]
    return values


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("products", "exact"), [(torch.float32, 2e-4), (torch.bfloat16, 0.1)])
def test_four_steps_send_singular_values_the_polynomials_way(
    shape: tuple[int, int], products: torch.dtype, exact: float
) -> None:
    matrix = random(shape).to(products)
    u, values, v = torch.linalg.svd(matrix.double(), full_matrices=False)
    values = values / values.pow(4).sum() ** 0.25
    found = polar_express(matrix, EPS)
    assert found.dtype == products
    torch.testing.assert_close(found.double(), (u * through(values)) @ v, rtol=0, atol=exact)


def spread(least: float, products: torch.dtype) -> Tensor:
    """Singular values of a wide matrix after four steps; they fell from 1 to ``least`` before."""
    u, _, v = torch.linalg.svd(random((64, 576)), full_matrices=False)
    matrix = (u * torch.logspace(0, math.log10(least), 64)) @ v
    return ((u.T @ polar_express(matrix.to(products), EPS).float()) @ v.T).diagonal()


@pytest.mark.parametrize("products", [torch.float32, torch.bfloat16])
def test_directions_that_differ_a_hundredfold_all_end_near_one(products: torch.dtype) -> None:
    values = spread(0.01, products)
    assert values.min() > 0.7
    assert values.max() < 1.25


@pytest.mark.parametrize("products", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e4])
def test_a_single_direction_and_nothing_at_all_stay_finite(products: torch.dtype, scale: float) -> None:
    # all of the norm in one direction is where rounding reaches beyond an interval, and where it would explode
    flat = scale * torch.outer(random((1, 30))[0], random((1, 200), 1)[0]).to(products)
    for matrix in (flat, flat[:, :30]):
        found = polar_express(matrix, EPS)
        assert float(torch.linalg.matrix_norm(found.float(), 2)) == pytest.approx(1, abs=0.25)
    assert polar_express(torch.zeros(4, 9, dtype=products), EPS).eq(0).all()


@pytest.mark.parametrize("multiplies_bf16", [True, False])
def test_the_machine_decides_what_is_multiplied(multiplies_bf16: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from fromnoise.training.optimizers import _muon
    from fromnoise.training.recipe import LoopConfig

    monkeypatch.setattr(precision, "native_bf16", lambda: multiplies_bf16)
    multiplied = set()

    def kept(matrix: Tensor, eps: float) -> Tensor:
        multiplied.add(matrix.dtype)
        return polar_express(matrix, eps)

    monkeypatch.setattr("fromnoise.training.muon.polar_express", kept)
    weight = random((4, 8))
    weight.grad = random((4, 8), 1)
    _muon({"w": weight}, {"w": torch.zeros(4, 8)}, LoopConfig()).step()
    assert multiplied == {torch.bfloat16 if multiplies_bf16 else torch.float32}
    as_before = _muon({"w": weight}, {"w": torch.zeros(4, 8)}, LoopConfig(orthogonal="jordan"))
    assert type(as_before) is (torch.optim.Muon if multiplies_bf16 else Muon)
