"""Muon in float32, for machines that do not multiply bf16.

torch's Muon runs its Newton–Schulz steps in bf16, whatever the machine. Where that is emulated, they take most of a
training's time. Here they are float32, and most of them live in small square matrices.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

WIDE = 1.5  # from this ratio of a matrix' sides on, the products of small square matrices are the cheaper ones


class Muon(torch.optim.Muon):
    """torch's Muon, with float32 products, moments and states as there (Jordan et al. 2024)."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Move all weights that have a gradient; ``closure`` as for every optimizer of torch."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is not None:
                    self._move(weight, group)
        return loss

    def _move(self, weight: Tensor, group: dict[str, Any]) -> None:
        state = self.state[weight]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(weight.grad)  # type: ignore[arg-type]
        momentum = state["momentum_buffer"]
        momentum.lerp_(weight.grad, 1 - group["momentum"])
        update = weight.grad.lerp(momentum, group["momentum"]) if group["nesterov"] else momentum  # type: ignore[union-attr]
        direction = orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(direction, alpha=-group["lr"] * _scale(group["adjust_lr_fn"], weight))


def orthogonal(matrix: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """The matrix with all singular values near 1: ``steps`` times X ← (a I + b X Xᵀ + c (X Xᵀ)²) X.

    All factors are polynomials of one Gram matrix G = X Xᵀ, so they commute: with S = a I + b G + c G², the next X is
    S X and the next G is S G S. For a wide X it is enough to multiply the S with each other, all of them small, and X
    once, at the end: five steps on a 3×3 kernel cost 2.7 times fewer multiplications.

    Args:
        matrix: float32 [M,N], which is divided by its Frobenius norm first.
        coefficients: (a, b, c); those of Jordan et al. 2024 leave singular values of 0.7 to 1.2.
        steps: how many, 1 or more.
        eps: least norm to divide by.

    Returns:
        float32 [M,N].
    """
    x = matrix.T if len(matrix) > matrix.shape[1] else matrix
    x = x / x.norm().clamp(min=eps)
    through = _of_squares if x.shape[1] >= WIDE * len(x) else _of_all
    found = through(x, coefficients, steps)
    return found.T if len(matrix) > matrix.shape[1] else found


def _of_all(x: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    a, b, c = coefficients
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _of_squares(x: Tensor, coefficients: tuple[float, float, float], steps: int) -> Tensor:
    a, b, c = coefficients
    gram, product = x @ x.T, None
    for step in range(steps):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        product = factor if product is None else factor @ product
        if step < steps - 1:
            gram = factor @ gram @ factor
    assert product is not None
    return product @ x


def _scale(how: str | None, weight: Tensor) -> float:
    """What torch's ``adjust_lr_fn`` makes of the learning rate for a weight's shape."""
    rows, columns = weight.shape
    if how == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))
