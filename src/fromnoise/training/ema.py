"""Exponential moving average of the weights: what is saved and drawn with."""

from __future__ import annotations

import torch
from torch import Tensor


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
