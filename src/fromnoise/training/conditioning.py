"""What a U-Net in training listens to."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from fromnoise.models.clip.text_tower import TextTower
from fromnoise.models.clip.tokenizer import Tokenizer


@dataclass(frozen=True)
class Conditioning:
    """The frozen text side: tokenizer and text tower (in the compute format)."""

    tokenizer: Tokenizer
    tower: TextTower

    @torch.no_grad()
    def embed(self, texts: list[str], device: torch.device) -> Tensor:
        """Token features [B,L,D]; equal texts are computed once."""
        unique = list(dict.fromkeys(texts))
        tokens = self.tower(self.tokenizer.encode(unique).to(device)).tokens
        place = {text: i for i, text in enumerate(unique)}
        return tokens[torch.tensor([place[text] for text in texts], device=device)]


@dataclass(frozen=True)
class Remembered(Conditioning):
    """The same for a few texts that come again and again: each is read once.

    It is read by itself, so that its features are a function of the text alone, whatever came beside it or before a run
    was interrupted: matrix products of other sizes round otherwise.

    Attributes:
        most: MiB of what is remembered; all is forgotten when there is more.
    """

    most: float = 256
    _known: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)

    @torch.no_grad()
    def embed(self, texts: list[str], device: torch.device) -> Tensor:
        """Token features [B,L,D]."""
        if len(self._known) > texts_in(self.most, self.tower):
            self._known.clear()
        for text in dict.fromkeys(texts):
            if text not in self._known:
                self._known[text] = super().embed([text], device)[0]
        return torch.stack([self._known[text] for text in texts])


def texts_in(mib: float, tower: TextTower) -> int:
    """Of how many texts the features take so much memory."""
    config = tower.config
    return int(mib * 2**20 / (config.context * config.width * tower.token.weight.element_size()))


def listening(tokenizer: Tokenizer, tower: TextTower, captions: int) -> Conditioning:
    """The text side for a training that asks by at most so many different captions: where there is room for all of
    them, each is read once, else anew every time, which costs less where hardly one comes twice.
    """
    few = captions <= texts_in(Remembered.most, tower)
    return Remembered(tokenizer, tower) if few else Conditioning(tokenizer, tower)
