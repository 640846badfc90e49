"""Noise on words, and the way back: the equations of diffusion where pixels are words.

A picture at level t is alpha x_0 + sigma noise. A word cannot be mixed, so alpha becomes a probability (Austin et al.
2021, "Structured Denoising Diffusion Models in Discrete State-Spaces", arXiv 2107.03006, eq. 2, with one noise
distribution u for all words):

    q(x_t | x_0) = alpha_t [x_t = x_0] + (1 - alpha_t) u(x_t)

The schedule is the straight line of :class:`fromnoise.diffusion.schedule.FlowSchedule`, alpha_t = 1 - (t+1)/1000: level
299 is the sentence with 30 % of its words replaced.
"""

from __future__ import annotations

import torch
from torch import Tensor

from fromnoise.story.vocabulary import END, MASK, SPECIAL

FLOOR = 1e-12  # no probability is taken to be smaller, so that a word which noise never gives can still be repaired


def noise_words(counts: Tensor, unigram: float = 0.25) -> Tensor:
    """u: how likely each word is as noise. Mostly every word alike, as in the children's game; some share as frequent
    as in sentences, or a wrong "the" would never be seen.

    Args:
        counts: how often each word occurs, [V].
        unigram: that share, 0..1.

    Returns:
        float64 [V], summing to 1; special entries have 0.
    """
    known = counts.double().clone()
    known[: len(SPECIAL)] = 0
    alike = torch.ones_like(known)
    alike[: len(SPECIAL)] = 0
    return unigram * known / known.sum().clamp_min(1) + (1 - unigram) * alike / alike.sum()


def spoil(ids: Tensor, share: Tensor, masks: Tensor, noise: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """x_t of clean sentences.

    Args:
        ids: int64 [B, L]; places behind a sentence's end stay as they are.
        share: sigma, the probability of a word to be replaced, [B].
        masks: the share of replaced words that become the mask instead of another word, [B].
        noise: u, [V].
        rng: of ``ids``' device.

    Returns:
        (x_t int64 [B, L], which words were replaced bool [B, L]); a replacement may by chance be the word itself.
    """
    device = ids.device
    replaced = (torch.rand(ids.shape, generator=rng, device=device) < share[:, None]) & (ids != END)
    words = random_words(noise.to(device), ids.shape, rng)
    masked = torch.rand(ids.shape, generator=rng, device=device) < masks[:, None]
    return torch.where(replaced, torch.where(masked, MASK, words), ids), replaced


def random_words(noise: Tensor, shape: tuple[int, ...] | torch.Size, rng: torch.Generator) -> Tensor:
    """Words drawn from u, int64 of the shape."""
    steps = noise.cumsum(0)
    drawn = torch.rand(shape, generator=rng, device=noise.device, dtype=torch.float64) * steps[-1]
    return torch.searchsorted(steps, drawn, right=True).clamp_max(len(noise) - 1)


def posterior(x_t: Tensor, clean: Tensor, noise: Tensor, alpha: float, alpha_next: float) -> Tensor:
    """q(x_s | x_t), s the next level, when x_0 is only known as probabilities (arXiv 2107.03006, eq. 3, summed over
    x_0).

        P(j) ∝ (r [j = x_t] + (1 - r) u(x_t)) · (alpha_s w_j + (1 - alpha_s) u_j Σ w),   r = alpha_t / alpha_s,
        w_k = p_k / (alpha_t [k = x_t] + (1 - alpha_t) u(x_t))

    Args:
        x_t: int64 [B, L].
        clean: p, the probabilities of x_0, [B, L, V].
        noise: u, [V].
        alpha, alpha_next: at t and at s; alpha_next is the larger.

    Returns:
        float64 [B, L, V], summing to 1.
    """
    u = noise.double().clamp_min(FLOOR)
    u_now = u[x_t][..., None]  # (B, L, 1)
    now = torch.zeros_like(clean, dtype=torch.float64).scatter_(-1, x_t[..., None], 1.0)
    ratio = alpha / alpha_next
    weight = clean.double() / (alpha * now + (1 - alpha) * u_now)
    came = alpha_next * weight + (1 - alpha_next) * u * weight.sum(-1, keepdim=True)
    found = (ratio * now + (1 - ratio) * u_now) * came
    return found / found.sum(-1, keepdim=True)
