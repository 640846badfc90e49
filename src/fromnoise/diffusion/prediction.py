"""One hub between what a network predicts and the clean estimate x̂_0.

Every kind knows the way to x̂_0 and back, so k kinds need 2k formulas and not k² (and samplers and guidance, which see
x̂_0 only, need none). With x_t = alpha x_0 + sigma noise:

    kind      predicts                    x̂_0 =
    v         alpha noise - sigma x_0     alpha x_t - sigma v              Salimans & Ho 2022, arXiv 2202.00512, app. D
    epsilon   noise                       (x_t - sigma epsilon) / alpha    Ho et al. 2020, arXiv 2006.11239, eq. 15
    x0        x_0                         x0
    flow      noise - x_0                 (x_t - sigma u) / (alpha+sigma)  Lipman et al. 2023, arXiv 2210.02747, on our
                                                                           alpha and sigma instead of 1-u and u
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor

from fromnoise.diffusion.schedule import per_picture
from fromnoise.ground.errors import UserError

Kind = Literal["v", "epsilon", "x0", "flow"]
Level = float | Tensor  # one number, or one per picture [B]
_Formula = Callable[[Tensor, Tensor, Any, Any], Tensor]  # (output or x0, x_t, alpha, sigma) -> x0 or output

_TO_X0: dict[str, _Formula] = {
    "v": lambda v, x_t, alpha, sigma: alpha * x_t - sigma * v,
    "epsilon": lambda noise, x_t, alpha, sigma: (x_t - sigma * noise) / alpha,
    "x0": lambda x0, x_t, alpha, sigma: x0,
    "flow": lambda u, x_t, alpha, sigma: (x_t - sigma * u) / (alpha + sigma),
}
_FROM_X0: dict[str, _Formula] = {
    "v": lambda x0, x_t, alpha, sigma: (alpha * x_t - x0) / sigma,  # uses alpha² + sigma² = 1
    "epsilon": lambda x0, x_t, alpha, sigma: (x_t - alpha * x0) / sigma,
    "x0": lambda x0, x_t, alpha, sigma: x0,
    "flow": lambda x0, x_t, alpha, sigma: (x_t - (alpha + sigma) * x0) / sigma,
}
KINDS = tuple(_TO_X0)


def to_x0(kind: str, output: Tensor, x_t: Tensor, alpha: Level, sigma: Level) -> Tensor:
    """The clean estimate that a network's raw output stands for.

    Args:
        kind: "v", "epsilon", "x0" or "flow".
        output: what the network returned, [B,C,H,W].
        x_t: what it was given, [B,C,H,W].
        alpha, sigma: the level, a float or one value per picture [B]. "epsilon" needs alpha > 0: pure noise says
            nothing about the picture when only the noise is predicted.

    Raises:
        UserError: an unknown kind.
    """
    return _formula(_TO_X0, kind)(output, x_t, per_picture(alpha, x_t), per_picture(sigma, x_t))


def from_x0(kind: str, x0: Tensor, x_t: Tensor, alpha: Level, sigma: Level) -> Tensor:
    """What a network of this kind would have returned for the clean estimate ``x0``: the inverse of ``to_x0``.

    Args:
        kind: "v", "epsilon", "x0" or "flow".
        x0, x_t: [B,C,H,W].
        alpha, sigma: the level, a float or one value per picture [B]; sigma > 0 except for "x0".

    Raises:
        UserError: an unknown kind.
    """
    return _formula(_FROM_X0, kind)(x0, x_t, per_picture(alpha, x_t), per_picture(sigma, x_t))


def check_kind(kind: str) -> None:
    """Raise ``UserError`` unless ``kind`` is one the hub knows."""
    if kind not in KINDS:
        raise UserError(f"unknown prediction '{kind}'; known: {', '.join(KINDS)}")


def _formula(table: dict[str, _Formula], kind: str) -> _Formula:
    check_kind(kind)
    return table[kind]
