"""Guidance: denoisers that wrap a denoiser and pull its estimate towards the words."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import Denoiser, Wrapping, call_many
from fromnoise.diffusion.prediction import from_x0, to_x0
from fromnoise.diffusion.schedule import per_picture


class Guidance(Wrapping):
    """What all guidance shares: when it acts. A method fills in ``guided`` for the pictures inside the interval.

    Args:
        denoiser: the denoiser to wrap.
        interval: (lowest, highest) t at which guidance acts, both included (Kynkäänniemi et al. 2024,
            arXiv 2404.07724: at the noisiest levels guidance narrows what can be drawn, at the cleanest it does
            nothing). Outside it, one plain call is made.
    """

    def __init__(self, denoiser: Denoiser, interval: tuple[int, int]) -> None:
        super().__init__(denoiser)
        self.interval = interval

    def guided(self, x_t: Tensor, t: Tensor, cond: Any) -> tuple[Tensor, Tensor]:
        """(guided, plain) x̂_0, both [B,C,H,W]."""
        raise NotImplementedError

    def __call__(self, x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
        """x̂_0, float32 [B,C,H,W]."""
        inside = (t >= self.interval[0]) & (t <= self.interval[1])  # (B,)
        if not bool(inside.any()):
            return self.denoiser(x_t, t, cond)
        guided, plain = self.guided(x_t, t, cond)
        return torch.where(per_picture_mask(inside, guided), guided, plain)


class ClassifierFreeGuidance(Guidance):
    """x̂_0 = x̂_u + s (x̂_c - x̂_u)  (Ho & Salimans 2022, arXiv 2207.12598, eq. 6, with s = 1 + w).

    The equation is linear, and x̂_0, v and the noise are linear in each other at a fixed x_t, so guiding x̂_0 is
    guiding any of them.

    Args:
        denoiser: the denoiser to wrap.
        uncond: the conditioning of "no words", of the kind that the denoiser takes, for the same batch.
        scale: s; 1 means off (one call), larger means closer to the words.
        interval: (lowest, highest) t at which guidance acts, both included.
        rescale: 0..1, how far the contrast that guidance adds is taken back (Lin et al. 2023, arXiv 2305.08891,
            eq. 15-16), computed on what the network predicts, as diffusers' ``guidance_rescale`` does.
    """

    def __init__(
        self,
        denoiser: Denoiser,
        uncond: Any,
        scale: float,
        interval: tuple[int, int] = (60, 850),
        rescale: float = 0.0,
    ) -> None:
        super().__init__(denoiser, interval)
        self.uncond, self.scale, self.rescale = uncond, scale, rescale

    def __call__(self, x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
        """x̂_0, float32 [B,C,H,W]."""
        if self.scale == 1.0:
            return self.denoiser(x_t, t, cond)
        return super().__call__(x_t, t, cond)

    def guided(self, x_t: Tensor, t: Tensor, cond: Any) -> tuple[Tensor, Tensor]:
        """(guided, conditional) x̂_0, both [B,C,H,W]."""
        with_words, without = call_many(self.denoiser, [(x_t, t, cond), (x_t, t, self.uncond)])
        guided = without + self.scale * (with_words - without)
        if self.rescale > 0:
            level = self.schedule.alpha(t), self.schedule.sigma(t)
            guided = rescale_contrast(guided, with_words, x_t, level, self.rescale, self.prediction)
        return guided, with_words


def rescale_contrast(
    guided: Tensor, plain: Tensor, x_t: Tensor, level: tuple[Tensor, Tensor], amount: float, kind: str = "v"
) -> Tensor:
    """Give guided v the standard deviation of the plain v, ``amount`` of the way (arXiv 2305.08891, eq. 15-16).

    Args:
        guided, plain: x̂_0 with and without guidance, [B,C,H,W].
        x_t: what they are estimates for, [B,C,H,W].
        level: alpha and sigma of each picture, [B] each.
        amount: 0..1.
        kind: what the network predicts; its contrast is taken, as diffusers takes it.

    Returns:
        x̂_0, [B,C,H,W].
    """
    out_guided, out_plain = (from_x0(kind, x0, x_t, *level) for x0 in (guided, plain))
    ratio = _deviation(out_plain) / _deviation(out_guided).clamp_min(1e-12)  # (B,)
    factor = (amount * ratio + (1 - amount)).to(x_t.dtype)
    return to_x0(kind, out_guided * per_picture(factor, x_t), x_t, *level)


def per_picture_mask(mask: Tensor, like: Tensor) -> Tensor:
    """[B] booleans with the trailing dimensions of ``like`` [B,...]."""
    return mask.reshape(-1, *[1] * (like.ndim - 1))


def _deviation(x: Tensor) -> Tensor:
    """Standard deviation of each picture, float64 [B].

    One reduction per picture: reducing a whole batch at once would sum in an order that depends on its size, and a
    picture would not equal itself drawn alone.
    """
    return torch.stack([picture.contiguous().double().std() for picture in x])
