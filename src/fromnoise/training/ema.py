"""Moving averages of the weights: what is saved and drawn with, and long ones whose length is chosen afterwards.

The average that a training draws with forgets exponentially. How long its memory should be is known only when the
training is over, so others with a power function's profile are kept beside it and stored now and then; any length
in between is a mixture of what was stored (Karras et al. 2024, arXiv 2312.02696, section 3 and appendix C):

    θ̂_γ(t) = ∫ θ(τ) p_γ(τ; t) dτ,   p_γ(τ; t) = (γ + 1) τ^γ / t^(γ + 1)

A profile is named by its *width*, its standard deviation as a share of t: 0.1 looks back over about a tenth of the
training, however long that was.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

WIDEST = 0.28  # 12^-0.5 = 0.2887 is the plain mean of all there was (γ = 0)


def decay_at(step: int, target: float) -> float:
    """EMA decay with warm-up: ``min(target, (1 + step) / (10 + step))``.

    Early weights are far from good; without the warm-up they would stay in the average for thousands of steps
    (the rule of the TensorFlow ``ExponentialMovingAverage`` documentation).
    """
    return min(target, (1 + step) / (10 + step))


@torch.no_grad()
def update(average: list[Tensor], weights: list[Tensor], step: int, target: float) -> None:
    """Move ``average`` towards ``weights`` in place: a ← a + (1 - decay)(w - a)."""
    torch._foreach_lerp_(average, weights, 1.0 - decay_at(step, target))


def exponent_of(width: float) -> float:
    """γ of a profile whose standard deviation is ``width`` t (arXiv 2312.02696, eq. 126 solved for γ).

        width² = (γ + 1) / ((γ + 2)² (γ + 3))

    Args:
        width: above 0 and at most :data:`WIDEST`.
    """
    roots = np.roots([1.0, 7.0, 16.0 - width**-2, 12.0 - width**-2])
    return float(roots[np.isreal(roots)].real.max())


def power_decay_at(moves: int, exponent: float) -> float:
    """β of the move number ``moves`` (from 1), with which a running average has a power function's profile (eq. 127).

    The first has 0: the average begins as the weights after one step.
    """
    return float((1.0 - 1.0 / moves) ** (exponent + 1.0))


def mixture(stored: Sequence[tuple[float, float]], wanted: tuple[float, float]) -> np.ndarray:
    """How much of each stored average makes the wanted one: least squares between the profiles (algorithm 3).

    Args:
        stored: (t, γ) of each.
        wanted: (t, γ).

    Returns:
        float64 [N]. They sum to 1, which the paper leaves to chance: where all weights are the same, so is the mixture.
    """
    t, exponent = np.array(stored, dtype=np.float64).T
    gram = _overlap(t[:, None], exponent[:, None], t[None], exponent[None])
    toward = _overlap(t, exponent, *np.array(wanted, dtype=np.float64)[:, None])
    # With a multiplier for the sum. Near profiles are nearly the same: the smallest solution is the calm one.
    size = float(np.abs(gram).max())
    border = np.block([[gram, np.full((len(t), 1), size)], [np.full((1, len(t)), size), np.zeros((1, 1))]])
    found: np.ndarray = np.linalg.lstsq(border, np.append(toward, size), rcond=1e-14)[0][:-1]
    return found


def _overlap(t_a: np.ndarray, a: np.ndarray, t_b: np.ndarray, b: np.ndarray) -> np.ndarray:
    """∫ p_a(τ; t_a) p_b(τ; t_b) dτ over what both have seen (arXiv 2312.02696, appendix C.3)."""
    power = np.where(t_a < t_b, b, -a)
    return (a + 1) * (b + 1) * (t_a / t_b) ** power / ((a + b + 1) * np.maximum(t_a, t_b))
