"""From random words to a sentence: the samplers of the story game, in the one sampling loop.

A state x is a batch of sentences, int64 [B, L]; the denoiser's clean estimate is log p(x_0 | x_t), [B, L, V].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from fromnoise.diffusion.samplers.base import Calls, Now, Rng, Sampler, Step
from fromnoise.ground.errors import UserError
from fromnoise.story.noise import FLOOR, posterior, random_words
from fromnoise.story.vocabulary import END


@dataclass(frozen=True)
class WordSampler(Sampler):
    """What samplers of words share.

    Attributes:
        noise: u, how likely each word is as noise, float64 [V].
        temperature: below 1 prefers likely words, 1 draws as the model believes.
    """

    noise: Tensor
    temperature: float = 1.0
    default_steps: ClassVar[int] = 30

    def believed(self, log_p: Tensor) -> Tensor:
        """p(x_0 | x_t), [B, L, V], of a clean estimate, which guidance leaves unnormalised."""
        return (log_p / max(self.temperature, 1e-3)).softmax(-1)


@dataclass(frozen=True)
class Ancestral(WordSampler):
    """Draw x_s from q(x_s | x_t, x̂_0), as DDPM does for pictures (arXiv 2107.03006)."""

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_s [B, L]; at the end x_0 itself is drawn."""
        p = self.believed(now.x0_hat.double())  # some words are less likely than a float32 can say
        p = p if now.sigma_next == 0 else posterior(now.x_t, p, self.noise, now.alpha, now.alpha_next)
        return torch.where(now.x_t == END, now.x_t, drawn(p, now.x_t != END, rng)[0])


@dataclass(frozen=True)
class Confident(WordSampler):
    """Draw a whole sentence, keep the words that are most sure, replace the others by noise again.

    After MaskGIT (Chang et al. 2022, arXiv 2202.04200, section 3.2), with random words in the place of masks. As many
    words are kept as the next level has clean ones on average, alpha_s L; a word that is there already stays where the
    drawn sentence has it too, so a start keeps what fits.
    """

    def step(self, now: Now, past: Sequence[Step], estimate: Calls, rng: Rng) -> Tensor:
        """x_s [B, L]; at the end the drawn sentence itself."""
        guess, sure = drawn(self.believed(now.x0_hat), now.x_t != END, rng)
        if now.sigma_next == 0:
            return torch.where(now.x_t == END, now.x_t, guess)
        found = []
        for own, words, certainty, generator in zip(now.x_t, guess, sure, rng or [], strict=True):
            length = int((own != END).sum())
            kept = certainty[:length].argsort(descending=True, stable=True)[: round(now.alpha_next * length)]
            line = own.clone()
            line[:length] = random_words(self.noise, (length,), generator)
            line[kept] = words[kept]
            line = torch.where(own == words, own, line)
            found.append(line)
        return torch.stack(found)


def drawn(p: Tensor, where: Tensor, rng: Rng) -> tuple[Tensor, Tensor]:
    """One word for each place, and how likely it was.

    Args:
        p: probabilities, [B, L, V].
        where: the places that have one, bool [B, L]; the others get word 0, of likelihood 0.
        rng: one generator per sentence, which draws as many numbers as it has such places, whoever else is drawn.

    Returns:
        (int64 [B, L], as ``p`` [B, L]).

    Raises:
        UserError: not exactly one generator per sentence.
    """
    if rng is None or len(rng) != len(p):
        raise UserError(f"words are drawn at random: give one generator per sentence ({len(p)}) as rng")
    points = torch.cat(
        [torch.rand(int(row.sum()), 1, generator=g, dtype=p.dtype) for row, g in zip(where, rng, strict=True)]
    )
    of_places = p[where]  # (N, V)
    steps = of_places.cumsum(-1)
    found = torch.searchsorted(steps, points * steps[..., -1:], right=True).clamp_max(p.shape[-1] - 1)
    words = torch.zeros(where.shape, dtype=torch.int64)
    sure = torch.zeros(where.shape, dtype=p.dtype)
    words[where], sure[where] = found[:, 0], of_places.gather(-1, found).clamp_min(FLOOR)[:, 0]
    return words, sure


WORD_SAMPLERS: dict[str, type[WordSampler]] = {"confident": Confident, "ancestral": Ancestral}
