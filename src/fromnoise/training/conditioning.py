"""What a U-Net in training listens to."""

from __future__ import annotations

from dataclasses import dataclass

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
