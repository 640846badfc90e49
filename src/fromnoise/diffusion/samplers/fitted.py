"""A solver whose numbers were fitted to one model (:mod:`fromnoise.diffusion.fitting`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from fromnoise.diffusion.samplers.base import MOST_PAST, Calls, Now, Rng, Sampler, Step

Moves = tuple[tuple[float, ...], ...]
MOST_NUMBERS = MOST_PAST + 2  # of a move: one for x_t, one for x̂_0 now, and one for each of the past


@dataclass(frozen=True)
class Fitted(Sampler):
    """A linear multistep method, each of whose moves has numbers of its own:

        x_next = a x_t + b_0 x̂_0(t) + b_1 x̂_0(one step before) + …

    DDIM and DPM-Solver++ are of this form (their numbers follow from alpha and sigma alone), so no choice is lost. As
    Lu et al. 2022 (arXiv 2211.01095) and Tong et al. 2025 (S4S, arXiv 2502.17423) have it.

    A picture that is begun with (``strength``) comes in on the way and has no past yet: until there are as many steps
    behind it as a move looks back on, it moves as DDIM does.

    Attributes:
        schedule: gives alpha and sigma.
        moves: (a, b_0, b_1, …) of every step, the first step first; move k looks back on at most k steps.
    """

    moves: Moves = ()
    default_steps: ClassVar[int] = 4

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_next [B,C,H,W]."""
        move = self.moves[len(self.moves) - now.left] if now.left <= len(self.moves) else ()
        if not move or len(past) < len(move) - 2:
            return now.alpha_next * now.x0_hat + now.sigma_next * now.noise_hat
        x_next = move[0] * now.x_t + move[1] * now.x0_hat
        for weight, before in zip(move[2:], reversed(past), strict=False):
            x_next = x_next + weight * before.x0_hat
        return x_next
