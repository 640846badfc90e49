"""Consistency: what a network must learn to jump from any noise level to the picture, in a few steps.

A consistency function f gives the same clean picture for all points of one trajectory of the probability-flow ODE
(Song et al. 2023, arXiv 2303.01469). It is learnt from neighbours: one step of DDIM along the teacher's ODE leads from
x_t to x_t', and f(x_t, t) is pulled towards f(x_t', t'). At the clean end f is the identity, and what is right there
spreads to ever noisier levels. With the teacher's guidance in the ODE, one call then draws what took two (Luo et al.
2023, "Latent Consistency Models", arXiv 2310.04378, algorithm 1).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import Denoiser
from fromnoise.diffusion.guidance import per_picture_mask
from fromnoise.diffusion.samplers.lcm import LCM, SIGMA_DATA
from fromnoise.diffusion.schedule import NoiseSchedule, per_picture


def jump(x_t: Tensor, x0_hat: Tensor, t: Tensor) -> Tensor:
    """f(x_t, t) = c_skip x_t + c_out x̂_0, in the very form that the LCM sampler uses, [B,C,H,W].

    It needs no alpha, so it holds at pure noise too. From t = 1 on it is x̂_0 but for a share below 0.3 %; t = -1 is
    the clean end, where f is the identity.

    Args:
        x_t: noisy latents, [B,C,H,W].
        x0_hat: the network's clean estimate there, [B,C,H,W].
        t: int64 [B].
    """
    scaled = LCM.timestep_scaling * t.to(x_t.dtype)
    spread = scaled**2 + SIGMA_DATA**2
    skip, out = SIGMA_DATA**2 / spread, scaled / spread.sqrt()
    jumped = per_picture(skip, x_t) * x_t + per_picture(out, x_t) * x0_hat
    return torch.where(per_picture_mask(t < 0, x_t), x_t, jumped)


def ddim(schedule: NoiseSchedule, x_t: Tensor, x0_hat: Tensor, t: Tensor, t_next: Tensor) -> Tensor:
    """One step of DDIM with a level of its own for each picture (the formula is ``samplers.base.to_level``'s).

    Args:
        schedule: gives alpha and sigma.
        x_t, x0_hat: where the step begins and the clean estimate there, [B,C,H,W].
        t, t_next: int64 [B]; -1 is clean.
    """
    ratio = schedule.sigma(t_next) / schedule.sigma(t)  # (B,)
    share = schedule.alpha(t_next) - ratio * schedule.alpha(t)
    return per_picture(ratio, x_t) * x_t + per_picture(share, x_t) * x0_hat


@torch.no_grad()
def consistency_target(
    student: Denoiser, teacher: Denoiser, schedule: NoiseSchedule, x_t: Tensor, times: tuple[Tensor, Tensor], cond: Any
) -> Tensor:
    """What f(x_t, t) should be: f(x_t', t') one step of the teacher's DDIM further, [B,C,H,W].

    Args:
        student: the network that learns, as it is now; no gradient goes through it.
        teacher: whose (guided) trajectories are followed.
        schedule: gives alpha and sigma.
        x_t: noisy latents, [B,C,H,W].
        times: t and t', int64 [B]; t' = -1 is clean, and there the target is where the teacher lands.
        cond: what the pictures should show.
    """
    t, t_next = times
    x_next = ddim(schedule, x_t, teacher(x_t, t, cond), t, t_next)
    return jump(x_next, student(x_next, t_next.clamp_min(0), cond), t_next)


def pseudo_huber(a: Tensor, b: Tensor, c: float) -> Tensor:
    """Mean of sqrt((a - b)² + c²) - c over each picture, [B]: almost |a - b|, so that outliers pull no harder."""
    return (((a - b).square() + c**2).sqrt() - c).flatten(1).mean(1)
