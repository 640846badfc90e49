"""Muon in float32: the same directions as torch's, at the exactness of float32."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fromnoise.training import precision
from fromnoise.training.muon import Muon, orthogonal

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
    def moved(kind: type[torch.optim.Muon]) -> list[Tensor]:
        weights = [random(shape, 5).requires_grad_() for shape in SHAPES]
        optimizer = kind(weights, lr=0.01, **options)  # type: ignore[arg-type]
        for step in range(3):
            for i, weight in enumerate(weights):
                weight.grad = random(SHAPES[i], 10 * step + i)
            optimizer.step()
        return [(weight.detach() - random(shape, 5)).flatten() for weight, shape in zip(weights, SHAPES, strict=True)]

    for ours, theirs in zip(moved(Muon), moved(torch.optim.Muon), strict=True):
        assert torch.cosine_similarity(ours, theirs, dim=0) > 0.9995  # theirs is rounded to bf16
        assert float(ours.norm() / theirs.norm()) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(("multiplies_bf16", "kind"), [(True, torch.optim.Muon), (False, Muon)])
def test_the_machine_decides_which_one_is_taken(
    multiplies_bf16: bool, kind: type[torch.optim.Muon], monkeypatch: pytest.MonkeyPatch
) -> None:
    from fromnoise.training.optimizers import _muon
    from fromnoise.training.recipe import LoopConfig

    monkeypatch.setattr(precision, "native_bf16", lambda: multiplies_bf16)
    weight = random((4, 8))
    weight.grad = random((4, 8), 1)
    assert type(_muon({"w": weight}, {"w": torch.zeros(4, 8)}, LoopConfig())) is kind
