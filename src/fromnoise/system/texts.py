"""From prompts to what the U-Net reads: chunks of tokens, one or two text towers, and what goes beside the words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fromnoise.ground.cores import each_alone
from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.models.layers.embedding import sinusoids
from fromnoise.system.prompt import Chunks, chunked, weighted


@dataclass(frozen=True, eq=False)
class Reader:
    """A tokenizer and the text tower that knows its tokens.

    Attributes:
        tokenizer: text to token ids.
        tower: token ids to features.
        penultimate: read the features before the tower's last block (Stable Diffusion XL does).
    """

    tokenizer: Tokenizer
    tower: TextTower
    penultimate: bool = False

    def read(self, ids: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Features float32 [1, k*context, width] of one prompt, and its first chunk's pooled vector, float32 [1, P]."""
        found = self.tower(ids)
        tokens = found.penultimate if self.penultimate else found.tokens
        return weighted(tokens.float(), weights)[None], found.pooled[:1].float()


@dataclass(frozen=True, eq=False)
class Tokens:
    """A text as the readers of a model will read it, so that it is cut into tokens once.

    Attributes:
        text: as it was written, with its brackets.
        chunks: for each reader, ids and weights of the parts (:class:`fromnoise.system.prompt.Chunks`).
    """

    text: str
    chunks: tuple[Chunks, ...]

    @classmethod
    def of(cls, readers: Sequence[Reader], text: str) -> Tokens:
        """Cut a text.

        Raises:
            UserError: see :func:`fromnoise.system.prompt.chunked`.
        """
        return cls(text, tuple(chunked(reader.tokenizer, text) for reader in readers))

    @property
    def parts(self) -> int:
        """In how many parts it is read."""
        return max(len(chunks.counts) for chunks in self.chunks)

    @property
    def count(self) -> int:
        """How many tokens the first reader reads."""
        return sum(self.chunks[0].counts)

    def padded(self, readers: Sequence[Reader], parts: int) -> Tokens:
        """The same in at least so many parts; those added are read as ""."""
        padded = (chunks.padded(r.tokenizer, parts) for r, chunks in zip(readers, self.chunks, strict=True))
        return Tokens(self.text, tuple(padded))


def read_together(readers: Sequence[Reader], chunks: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """What several readers make of one prompt, side by side: features [1, L, sum of widths], the last one's vector."""
    found = [reader.read(*part) for reader, part in zip(readers, chunks, strict=True)]
    return torch.cat([tokens for tokens, _ in found], dim=-1), found[-1][1]


def each_text(
    readers: Sequence[Reader], tokens: Sequence[Tokens], use: Callable[..., Tensor], *more: Sequence[Any]
) -> list[Tensor]:
    """``use(features [1,L,D], pooled [1,P], ...)`` for each text, on the CPU each on a core of its own.

    Args:
        readers: who reads.
        tokens: of the texts.
        use: called with what the readers made of a text and with its entries of ``more``.
        more: further arguments, one per text in each.
    """
    device = next(readers[0].tower.parameters()).device

    def one(ids: tuple[Tensor, ...], weights: tuple[Tensor, ...], *rest: Any) -> Tensor:
        return use(*read_together(readers, list(zip(ids, weights, strict=True))), *rest)

    calls = [
        (
            tuple(chunks.ids.to(device) for chunks in each.chunks),
            tuple(chunks.weights.to(device) for chunks in each.chunks),
            *(entries[i] for entries in more),
        )
        for i, each in enumerate(tokens)
    ]
    if device.type == "cpu":
        return each_alone(one, calls)
    with torch.no_grad():
        return [one(*call) for call in calls]


def vector_of(pooled: Tensor, size: tuple[int, int], size_width: int) -> Tensor:
    """What Stable Diffusion XL is told besides words (Podell et al. 2023, arXiv 2307.01952, section 2.2).

    Args:
        pooled: [B, P].
        size: (height, width) in pixels: both of the picture a training example would have been cut from, and of the
            result; the cut begins at its top left.
        size_width: sinusoids per number.

    Returns:
        [B, P + 6*size_width].
    """
    numbers = torch.tensor([*size, 0, 0, *size], device=pooled.device)
    sizes = sinusoids(numbers, size_width).flatten()
    return torch.cat([pooled, sizes.to(pooled.dtype).expand(len(pooled), -1)], dim=-1)
