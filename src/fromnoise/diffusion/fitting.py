"""Few steps without learning a weight: the times and the numbers of a linear multistep solver, fitted to one model.

A solver of few steps goes wrong where the trajectory bends between two of its times. How it bends there is much the
same for all pictures of one model, so a dozen numbers can make up for most of it. A fine walk (40 steps) is taken once
from many noises. Then, step by step, those numbers are taken that bring the solver, standing where it stands by then,
nearest to the fine walk at the next time: linear least squares, in closed form. So each move makes good what the moves
before it did wrong. Times are searched among those of the fine walk, one at a time, as long as the distance falls.

After S4S (Tong et al. 2025, arXiv 2502.17423), which learns both by gradients through the whole walk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.diffusion.samplers.base import Step
from fromnoise.diffusion.samplers.fitted import MOST_NUMBERS, Moves

Estimate = Callable[[Tensor, float], Tensor]  # (x_t [B,C,H,W], t) → x̂_0
JUMPS = (4, -4, 2, -2, 1, -1)  # along the fine walk, of one time


@dataclass(frozen=True)
class Fit:
    """What was fitted.

    Attributes:
        times: falling; the first is that of the fine walk.
        moves: the numbers of each step, as ``Fitted`` takes them.
        distance: mean squared distance from where the fine walk ends.
    """

    times: tuple[float, ...]
    moves: Moves
    distance: float


@dataclass(frozen=True, eq=False)
class _Here:
    """A walk so far: where it stands, what it estimated on the way (the latest first), its numbers."""

    x: Tensor
    estimates: tuple[Tensor, ...]
    moves: Moves


class Fitting:
    """Fits solvers to a fine walk.

    Args:
        walk: every step of the fine walk, x_t float32 [B,C,H,W]; the first begins with noise.
        estimate: the model with its words and its guidance, for the same pictures.
    """

    def __init__(self, walk: Sequence[Step], estimate: Estimate) -> None:
        self.times = tuple(step.t for step in walk)
        self._aims = [*(step.x_t for step in walk), walk[-1].x_next]  # where the walk is at each time, and its end
        self._estimate = estimate
        self._stood: dict[tuple[int, ...], _Here] = {}  # by the times visited and the next one
        self._found: dict[tuple[int, ...], Tensor] = {}  # estimates, by the times visited

    def fit(self, steps: int, told: Callable[[str], None] = lambda text: None) -> Fit:
        """Times and numbers of a solver of so many steps.

        Args:
            steps: 1 up to half of the fine walk's.
            told: is called with a line after every improvement.
        """
        if not 1 <= steps <= len(self.times) // 2:
            raise ValueError(f"{steps} steps of a walk of {len(self.times)}")
        places = [round(i * len(self.times) / steps) for i in range(steps)]
        best = self.at(places)
        improved = True
        while improved:
            improved = False
            for k in range(1, steps):
                for jump in JUMPS:
                    tried = [*places[:k], places[k] + jump, *places[k + 1 :]]
                    if tried != sorted(set(tried)) or tried[-1] >= len(self.times):
                        continue
                    found = self.at(tried)
                    if found.distance < 0.999 * best.distance:
                        places, best, improved = tried, found, True
                        told(f"{steps} steps at {', '.join(f'{t:g}' for t in best.times)}: {best.distance:.5f}")
                self._forget(places)
        return best

    def at(self, places: Sequence[int]) -> Fit:
        """The numbers for times at these places of the fine walk."""
        here = self._at((*places, len(self.times)))
        off = (here.x - self._aims[-1]).double().square().mean()
        return Fit(tuple(self.times[i] for i in places), here.moves, float(off))

    def _at(self, places: tuple[int, ...]) -> _Here:
        """Where the solver stands at the last of the places, after a move from each of the others."""
        if len(places) == 1:
            return _Here(self._aims[places[0]], (), ())
        if places not in self._stood:
            before = self._at(places[:-1])
            if places[:-1] not in self._found:
                self._found[places[:-1]] = self._estimate(before.x, self.times[places[-2]])
            estimates = (self._found[places[:-1]], *before.estimates)[: MOST_NUMBERS - 1]
            parts = (before.x, *estimates)
            move = least_squares(parts, self._aims[places[-1]])
            x = torch.stack([weight * part for weight, part in zip(move, parts, strict=True)]).sum(0)
            self._stood[places] = _Here(x, estimates, (*before.moves, move))
        return self._stood[places]

    def _forget(self, places: Sequence[int]) -> None:
        """Keep only what begins as the best walk does: all else would fill the memory."""
        for kept in (self._stood, self._found):
            for key in [key for key in kept if list(key[: len(key) - 1]) != list(places[: len(key) - 1])]:
                del kept[key]  # type: ignore[attr-defined]


def least_squares(parts: Sequence[Tensor], aim: Tensor) -> tuple[float, ...]:
    """The numbers with which the sum of ``parts`` comes nearest to ``aim``, all of one shape.

    Where parts say the same (at pure noise v gives x̂_0, and x_t is noise), the smallest such numbers.
    """
    columns = torch.stack([part.double().flatten() for part in parts], 1).cpu()
    found = torch.linalg.lstsq(columns, aim.double().flatten().cpu()[:, None], rcond=1e-9, driver="gelsd").solution
    return tuple(float(number) for number in found[:, 0])
