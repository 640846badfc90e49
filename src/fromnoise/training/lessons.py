"""Lessons about words without pictures: what a sentence model knows, given to the text tower.

A CLIP that is trained on captions alone knows no word that they lack. Two things change that:

- *Sown embeddings.* The tokenizer learns everyday words too, and every token that is a whole word gets its meaning (the
  sentence model's vector, reduced to the tower's width by principal components) for an embedding, which training does
  not move. So "tomcat" goes into the tower close to where "cat" goes in, and what is learnt about one holds for the
  other. Learning thousands of words by heart from the lessons alone would take a small tower far longer.
- *Lessons.* The tower's state after the prompt is asked to tell, through one linear map, what a phrase means
  (distillation after Hinton et al. 2015, arXiv 1503.02531, on embeddings as in Reimers & Gurevych 2020, arXiv
  2004.09813). That teaches phrases of several words, and that a style does not change what is shown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.data.meanings import Meanings
from fromnoise.ground.wording import styled
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.training.clock import Clock
from fromnoise.training.share import ALL, Share

STYLED = 0.5  # share of phrases that come with a style, which is not to change what they mean
LONGEST = 16  # tokens of a phrase; few are longer
LENGTHS = (16, 24, 32)  # tokens a batch is padded to


@dataclass(frozen=True)
class Lesson:
    """Some phrases.

    Attributes:
        ids: token ids [B,L].
        vectors: what the phrases mean, [B,D].
        position: of each row's state that is asked, int64 [B].
        styles: number of the style that is named with each, int64 [B]; as many as there are styles where none is.
    """

    ids: Tensor
    vectors: Tensor
    position: Tensor
    styles: Tensor


class Lessons:
    """Draws phrases and compares what the text tower says of them with what they mean.

    Args:
        meanings: phrases and vectors.
        tokenizer: the run's.
        styles: of the pictures.
        batch: phrases per step.
        device: where the network is.
        inside: share of the phrases that are asked for at their last word; the rest are after their end.
    """

    def __init__(
        self, meanings: Meanings, tokenizer: Tokenizer, styles: tuple[str, ...], batch: int, device: torch.device,
        inside: float = 0.0,
    ) -> None:  # fmt: skip
        self.meanings, self.tokenizer, self.styles, self.batch_size = meanings, tokenizer, styles, batch
        self.inside = inside
        self.vectors = meanings.vectors.to(device)
        self.device = device

    def head(self, width: int, dtype: torch.dtype) -> nn.Linear:
        """The linear map from the tower's states to meanings."""
        head = nn.Linear(width, self.vectors.shape[1], bias=False)
        nn.init.normal_(head.weight, std=width**-0.5, generator=torch.Generator().manual_seed(0))
        return head.to(self.device, dtype)

    def batch(self, clock: Clock) -> Lesson:
        """The phrases of a step."""
        rng = clock.generator("lessons")
        chosen = torch.multinomial(self.meanings.weights, self.batch_size, replacement=True, generator=rng)
        draws = torch.rand(self.batch_size, 3, generator=rng)
        texts = [self._text(self.meanings.phrases[i], *u) for i, u in zip(chosen.tolist(), draws.tolist(), strict=True)]
        named = torch.tensor([self._style(*u[1:]) for u in draws.tolist()])
        ids = self.tokenizer.encode(texts)
        length = LENGTHS[int(torch.randint(len(LENGTHS), (1,), generator=rng))]
        length = min(length, ids.shape[1])
        end = (ids == self.tokenizer.eos_id).int().argmax(1).clamp_max(length - 1)
        # The U-Net attends to every position, so the padding after the end has to know the meaning as well.
        position = end + (torch.rand(self.batch_size, generator=rng) * (length - end)).long()
        if self.inside:  # it attends to the words as well, and each has to know what was said so far
            at_word = torch.rand(self.batch_size, generator=rng) < self.inside
            position = torch.where(at_word, (end - 1).clamp_min(1), position)
        vectors = self.vectors[chosen.to(self.device)].float()
        return Lesson(ids[:, :length].to(self.device), vectors, position.to(self.device), named.to(self.device))

    def loss(self, network: Any, lesson: Lesson) -> Tensor:
        """1 − cosine between what the tower says and what is meant, a scalar."""
        said = network.meaning(asked_states(network.text, lesson)).float()
        return 1 - F.cosine_similarity(said, lesson.vectors, dim=1).mean()

    def _text(self, phrase: str, article: float, with_style: float, which: float) -> str:
        """The phrase as people type it: often bare, sometimes "a cat" or "cats"."""
        if article < 0.15:
            phrase = f"{'an' if phrase[:1] in 'aeiou' else 'a'} {phrase}"
        elif article < 0.25 and phrase[-1:] not in "s.!?":
            phrase = f"{phrase}s"
        style = self._style(with_style, which)
        return styled(phrase, self.styles[style] if style < len(self.styles) else "")

    def _style(self, with_style: float, which: float) -> int:
        """Number of the style that is named; as many as there are where none is."""
        named = bool(self.styles) and with_style < STYLED
        return int(which * len(self.styles)) if named else len(self.styles)


def asked_states(tower: Any, lesson: Lesson) -> Tensor:
    """The tower's states that a lesson asks for, [B,W]."""
    states = tower(lesson.ids).tokens
    found: Tensor = states[torch.arange(len(states), device=states.device), lesson.position]
    return found


@torch.no_grad()
def sow(embedding: nn.Embedding, tokenizer: Tokenizer, meanings: Meanings) -> int:
    """Give every token that is a whole word with a known meaning that meaning for an embedding.

    Args:
        embedding: the tower's table [V,D]; other tokens keep their random directions, at the same length of 1.
        tokenizer: the run's.
        meanings: phrases and vectors.

    Returns:
        How many tokens were given a meaning.
    """
    width = embedding.weight.shape[1]
    tokens, rows = whole_words(tokenizer, meanings)
    vectors = meanings.vectors.float()
    centre = vectors.mean(0)
    directions = _principal(vectors - centre, min(width, *vectors.shape))
    embedding.weight.copy_(F.normalize(embedding.weight, dim=1))
    reduced = F.normalize((vectors[rows] - centre) @ directions, dim=1)
    embedding.weight[tokens] = F.pad(reduced, (0, width - reduced.shape[1]))
    return len(tokens)


def _principal(vectors: Tensor, count: int) -> Tensor:
    """The directions in which vectors [N,D] vary most, [D,count]; their signs are fixed, so that runs agree."""
    _, found = torch.linalg.eigh((vectors.T @ vectors).double())
    directions = found.flip(1)[:, :count]
    largest = directions.gather(0, directions.abs().argmax(0, keepdim=True))
    return (directions * largest.sign()).float()


def whole_words(tokenizer: Tokenizer, meanings: Meanings) -> tuple[Tensor, Tensor]:
    """Ids of the tokens that are whole words with a known meaning, and their places among the meanings: [K] each."""
    known = {phrase: i for i, phrase in enumerate(meanings.phrases) if " " not in phrase}
    ids = tokenizer.encode(list(known))
    whole = (ids[:, 2] == tokenizer.eos_id).nonzero()[:, 0]  # start, the word, end
    return ids[whole, 1], torch.tensor(list(known.values()))[whole]


class Smear:
    """Moves the embeddings of sown words a little, another way every time, while a tower learns.

    Words of nearly the same meaning lie about as far apart (a cosine of 0.6 to 0.8) as this moves them, so the tower
    has to say the same about a whole neighbourhood, also about words in it that it never heard.

    Args:
        words: ids of the sown tokens, [K].
        vocabulary: size of the table.
        strength: largest length of the shift, with embeddings of length 1.
        device: where the tower is.
    """

    def __init__(self, words: Tensor, vocabulary: int, strength: float, device: torch.device) -> None:
        self.sown = torch.zeros(vocabulary, 1, device=device)
        self.sown[words.to(device)] = 1
        self.strength = strength

    @contextmanager
    def over(
        self, embedding: nn.Embedding, generator: torch.Generator, share: Share = ALL, counts: Sequence[int] = ()
    ) -> Iterator[None]:
        """Shift what the table gives, for as long as the context lasts.

        Args:
            embedding: the table.
            generator: of the shifts.
            share: the rows of each of the first calls that this process asks for.
            counts: how many rows those calls have everywhere; later calls are whole.
        """
        shared = iter(counts)

        def shift(module: nn.Module, args: tuple[Tensor, ...], found: Tensor) -> Tensor:
            count = next(shared, 0)
            part, rows = (share, count) if count and share.of > 1 else (ALL, len(found))
            place, shape = generator.device, (rows, found.shape[1], 1)
            noise = part.cut(torch.randn((*shape[:2], found.shape[2]), generator=generator, device=place))
            far = part.cut(torch.rand(shape, generator=generator, device=place)).to(found.device)
            noise = noise.to(found.device)
            moved = found.float() + self.strength * far * F.normalize(noise, dim=-1)
            return torch.where(self.sown[args[0]] > 0, F.normalize(moved, dim=-1), found.float()).to(found.dtype)

        handle = embedding.register_forward_hook(shift)
        try:
            yield
        finally:
            handle.remove()


def teachable(meanings: Meanings, tokenizer: Tokenizer) -> Meanings:
    """The phrases that are short enough for the lessons."""
    ids = tokenizer.encode(list(meanings.phrases))
    short = ((ids == tokenizer.eos_id).int().argmax(1) < LONGEST - 4) & (ids == tokenizer.eos_id).any(1)
    return some(meanings, short.nonzero()[:, 0].tolist())


def without_words(meanings: Meanings, words: set[str]) -> Meanings:
    """The phrases that have none of these words, singular or plural."""
    left_out = {form for word in words for form in (word, f"{word}s", f"{word}es", f"{word.removesuffix('y')}ies")}
    kept = [
        i for i, phrase in enumerate(meanings.phrases)
        if phrase not in left_out and not left_out & set(re.findall(r"[^\W\d_]+", phrase))
    ]  # fmt: skip
    return some(meanings, kept)


def some(meanings: Meanings, kept: list[int]) -> Meanings:
    """The phrases of these places."""
    return Meanings(tuple(meanings.phrases[i] for i in kept), meanings.vectors[kept], meanings.weights[kept])
