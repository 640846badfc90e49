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
from fromnoise.system.prompt import chunked, weighted


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

    def chunks(self, text: str, parts: int = 1) -> tuple[Tensor, Tensor]:
        """Token ids int64 [k, context] and weights float32 [k, context] of a prompt, k at least ``parts``."""
        found = chunked(self.tokenizer, text, parts)
        device = next(self.tower.parameters()).device
        return found.ids.to(device), found.weights.to(device)

    def read(self, ids: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
        """Features float32 [1, k*context, width] of one prompt, and its first chunk's pooled vector, float32 [1, P]."""
        found = self.tower(ids)
        tokens = found.penultimate if self.penultimate else found.tokens
        return weighted(tokens.float(), weights)[None], found.pooled[:1].float()


def read_together(readers: Sequence[Reader], chunks: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """What several readers make of one prompt, side by side: features [1, L, sum of widths], the last one's vector."""
    found = [reader.read(*part) for reader, part in zip(readers, chunks, strict=True)]
    return torch.cat([tokens for tokens, _ in found], dim=-1), found[-1][1]


def each_text(
    readers: Sequence[Reader],
    texts: Sequence[str],
    parts: int,
    use: Callable[..., Tensor],
    *more: Sequence[Any],
) -> list[Tensor]:
    """``use(features [1,L,D], pooled [1,P], ...)`` for each text, on the CPU each on a core of its own.

    Args:
        readers: who reads.
        texts: prompts.
        parts: read each in at least so many parts.
        use: called with what the readers made of a text and with its entries of ``more``.
        more: further arguments, one per text in each.
    """

    def one(ids: tuple[Tensor, ...], weights: tuple[Tensor, ...], *rest: Any) -> Tensor:
        return use(*read_together(readers, list(zip(ids, weights, strict=True))), *rest)

    chunks = [[reader.chunks(text, parts) for reader in readers] for text in texts]
    calls = [
        (tuple(ids for ids, _ in each), tuple(weights for _, weights in each), *(entries[i] for entries in more))
        for i, each in enumerate(chunks)
    ]
    if next(readers[0].tower.parameters()).device.type == "cpu":
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


def parts_needed(readers: Sequence[Reader], texts: Sequence[str]) -> int:
    """In how many parts the longest of some prompts is read."""
    return max(len(reader.chunks(text)[0]) for reader in readers for text in texts)
