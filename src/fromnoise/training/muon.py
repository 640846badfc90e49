"""Muon with cheaper steps than torch's, in bf16 or float32.

Muon (Jordan et al. 2024) replaces the gradient of a matrix by the nearest orthogonal matrix, approximately, by a few
steps of X ← (a I + b X Xᵀ + c (X Xᵀ)²) X. torch's takes five with the same three numbers, always in bf16, each of them
on the whole matrix. Here they are

- four, each with numbers of its own that are the best for the singular values that the step before leaves (Amsel et al.
  2025, "The Polar Express", arXiv 2505.16932, algorithm 1), begun at a closer bound of the greatest singular value;
- taken in small square matrices where a matrix is wide: all factors are polynomials of one Gram matrix;
- in float32 on machines that do not multiply bf16, where torch's would take most of a training's time.

Runs that began before keep torch's five steps (``loop.orthogonal="jordan"``): in bf16 by torch itself, else here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Polynomial = tuple[float, float, float]  # (a, b, c) of a x + b x³ + c x⁵

WIDE = 1.5  # from this ratio of a matrix' sides on, the products of small square matrices are the cheaper ones
# Steps between two products with the whole matrix. In bf16 an error of the Gram matrix, 0.4 %, grows by a² with every
# step until it is as large as small eigenvalues; in float32 four steps are far from that.
TOGETHER = {torch.bfloat16: 2, torch.float32: 4}

# Each is nearest to 1 on the interval that the one before leaves, from 0.003 of the greatest singular value on, which
# ends within 0.2 of 1 (the test derives them); stretched by 3 %, since rounding to bf16 may leave a singular value a
# little above an interval, where the polynomial would explode.
POLYNOMIALS: tuple[Polynomial, ...] = (
    (8.1395, -22.6643, 15.8350),
    (3.9257, -2.7559, 0.4913),
    (3.4035, -2.4038, 0.4535),
    (2.4176, -1.6786, 0.3768),
)


class Muon(torch.optim.Muon):
    """torch's Muon, moments and states as there, with this module's steps.

    Args:
        args: as for torch's.
        steps: "polar_express" or "jordan".
        products: what is multiplied, bfloat16 or float32.
        options: as for torch's.
    """

    def __init__(
        self, *args: Any, steps: str = "polar_express", products: torch.dtype = torch.float32, **options: Any
    ) -> None:
        super().__init__(*args, **options)
        self._steps, self._products = steps, products

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
        if self._steps == "jordan":
            direction = orthogonal(update, group["ns_coefficients"], group["ns_steps"], group["eps"])
        else:
            direction = polar_express(update.to(self._products), group["eps"])
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.add_(direction, alpha=-group["lr"] * _scale(group["adjust_lr_fn"], weight))


def polar_express(matrix: Tensor, eps: float) -> Tensor:
    """The matrix with all singular values near 1, in the steps of ``POLYNOMIALS``.

    It begins with X / √‖X Xᵀ‖, by the Frobenius norm, whose greatest singular value is 1 at most and up to √rank times
    nearer to 1 than that of X / ‖X‖; the norm is one of the small Gram matrix.

    Args:
        matrix: bfloat16 or float32 [M,N].
        eps: least norm of the matrix to divide by.

    Returns:
        [M,N], of the same format; zeros for zeros.
    """
    x = matrix.T if len(matrix) > matrix.shape[1] else matrix
    together = TOGETHER[x.dtype] if x.shape[1] >= WIDE * len(x) else 1
    gram = x @ x.T
    norm = torch.linalg.vector_norm(gram, dtype=torch.float32).clamp(min=eps**2)
    gram /= norm
    for first in range(0, len(POLYNOMIALS), together):
        if first:
            gram = x @ x.T
        factor = _product(gram, POLYNOMIALS[first : first + together])
        x = (factor if first else factor / norm.sqrt()) @ x
    return x.T if len(matrix) > matrix.shape[1] else x


def _product(gram: Tensor, polynomials: Sequence[Polynomial]) -> Tensor:
    """The matrix that several steps at once multiply X with: of G = X Xᵀ, S = a I + b G + c G², the next G is S G S."""
    product = None
    for step, (a, b, c) in enumerate(polynomials):
        factor = torch.addmm(gram, gram, gram, beta=b, alpha=c)
        factor.diagonal().add_(a)
        product = factor if product is None else factor @ product
        if step < len(polynomials) - 1:
            gram = factor @ gram @ factor
    assert product is not None
    return product


def orthogonal(matrix: Tensor, coefficients: Polynomial, steps: int, eps: float) -> Tensor:
    """The matrix with all singular values near 1: ``steps`` times X ← (a I + b X Xᵀ + c (X Xᵀ)²) X, as torch's Muon.

    For a wide X it is enough to multiply the factors with each other, all of them small, and X once, at the end: five
    steps on a 3×3 kernel cost 2.7 times fewer multiplications.

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
    if x.shape[1] >= WIDE * len(x):
        found = _product(x @ x.T, [coefficients] * steps) @ x
    else:
        found = _of_all(x, coefficients, steps)
    return found.T if len(matrix) > matrix.shape[1] else found


def _of_all(x: Tensor, coefficients: Polynomial, steps: int) -> Tensor:
    a, b, c = coefficients
    for _ in range(steps):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x


def _scale(how: str | None, weight: Tensor) -> float:
    """What torch's ``adjust_lr_fn`` makes of the learning rate for a weight's shape."""
    rows, columns = weight.shape
    if how == "match_rms_adamw":
        return 0.2 * math.sqrt(max(rows, columns))
    return math.sqrt(max(1, rows / columns))
