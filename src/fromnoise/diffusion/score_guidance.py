"""Guidance by a score: somebody else than the network says how good a clean estimate is, and it is moved uphill."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import Denoiser
from fromnoise.diffusion.guidance import Guidance
from fromnoise.ground.cores import each_alone

Score = Callable[[Tensor], Tensor]  # the clean estimate of one picture [1,C,H,W] → how good it is, a scalar


class ScoreGuidance(Guidance):
    """x̂_0 + w σ_t √N g/‖g‖, where g = ∂score(x̂_0)/∂x̂_0 and x̂_0 has N numbers.

    So w is a length that can be told: x̂_0 moves by w σ_t per number (root mean square), whatever the score's own
    scale is. Where latents have variance 1, w = 1 moves the estimate of pure noise as far as latents differ from their
    mean, and the nearer the picture is, the less.

    Universal guidance (Bansal et al. 2023, arXiv 2302.07121) takes the gradient with respect to x_t, back through the
    network ("forward"), or searches the best change of x̂_0 in many steps ("backward"). This is the cheap one that both
    share: the network's Jacobian is left out, and one step of fixed length is made on x̂_0. That the noise estimate
    changes by -α/σ times as much, as "backward" has it, follows in every sampler here, which take the noise from x̂_0.

    Args:
        denoiser: the denoiser to wrap.
        scores: of each picture of the batch; every picture is asked about alone.
        strength: w; 0 is off, and gives the inner denoiser's own bits.
        interval: (lowest, highest) t at which it acts; by default always.
    """

    def __init__(
        self, denoiser: Denoiser, scores: Sequence[Score], strength: float, interval: tuple[int, int] | None = None
    ) -> None:
        super().__init__(denoiser, interval or (0, denoiser.schedule.steps))
        self.scores, self.strength = scores, strength

    def __call__(self, x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
        """x̂_0, float32 [B,C,H,W]."""
        if self.strength == 0:
            return self.denoiser(x_t, t, cond)
        return super().__call__(x_t, t, cond)

    def guided(self, x_t: Tensor, t: Tensor, cond: Any) -> tuple[Tensor, Tensor]:
        """(guided, plain) x̂_0, both [B,C,H,W]."""
        plain = self.denoiser(x_t, t, cond)
        far = self.strength * self.schedule.sigma(t)  # (B,)
        calls = [(s, x[None], float(w)) for s, x, w in zip(self.scores, plain, far, strict=True)]
        return torch.cat(each_alone(uphill, calls)), plain


def uphill(score: Score, x: Tensor, far: float) -> Tensor:
    """x [1,C,H,W] moved by ``far`` per number, root mean square, to where a score rises fastest; x itself where the
    score is flat, or its slope no number."""
    with torch.inference_mode(False), torch.enable_grad():
        x = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(score(x), x)
    length = float(slope.double().norm())
    if not 0 < length < math.inf:
        return x.detach()
    return x.detach() + far * math.sqrt(x.numel()) / length * slope
