"""CLIP's text tower: token ids in, one vector per token and one for the whole prompt out."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.transformer import EPS, Block


@dataclass(frozen=True)
class TextConfig(Config):
    """Sizes of the text tower, a subset of CLIPTextConfig's.

    Attributes:
        vocab_size: entries of the tokenizer's vocabulary.
        width: features per token; the U-Net's ``cross_attention_dim``.
        layers: transformer blocks.
        heads: attention heads per block.
        context: longest prompt in tokens, start and end token included.
        mlp_ratio: width inside the blocks' networks, as a multiple of ``width``.
        activation: "quick_gelu" (OpenAI's CLIP) or "gelu".
        eos_token_id: the end token; its first occurrence is what ``pooled`` reads.
        projection: width that ``pooled`` is projected to; 0 leaves it as it is (the second tower of Stable Diffusion
            XL has one of its own, CLIP's pair keeps it outside).
    """

    vocab_size: int = 4096
    width: int = 192
    layers: int = 3
    heads: int = 3
    context: int = 32
    mlp_ratio: int = 4
    activation: str = "quick_gelu"
    eos_token_id: int = 1
    projection: int = 0

    def __post_init__(self) -> None:
        if self.width % self.heads:
            raise UserError(f"clip: {self.heads} heads do not divide a width of {self.width}")

    def build(self) -> TextTower:
        """Return a text tower of these sizes with random weights."""
        return TextTower(self)


@dataclass(frozen=True)
class TextFeatures:
    """What the text tower says about prompts.

    Attributes:
        tokens: (B, L, width), after the final norm; what the U-Net attends to.
        pooled: (B, width), the token at each prompt's first end token; what CLIP compares with pictures. With a
            projection, (B, projection).
        penultimate: (B, L, width), before the last block and without the final norm; what Stable Diffusion XL reads.
    """

    tokens: Tensor
    pooled: Tensor
    penultimate: Tensor


class TextTower(nn.Module):
    """Causal transformer with the arithmetic of transformers' CLIPTextModel."""

    def __init__(self, config: TextConfig) -> None:
        super().__init__()
        self.config = config
        self.token = nn.Embedding(config.vocab_size, config.width)
        self.position = nn.Embedding(config.context, config.width)
        width = config.mlp_ratio * config.width
        self.blocks = nn.ModuleList(
            Block(config.width, config.heads, width, config.activation) for _ in range(config.layers)
        )
        self.norm_out = nn.LayerNorm(config.width, EPS)
        self.projection = nn.Linear(config.width, config.projection, bias=False) if config.projection else None
        initialise_(self, config.width, config.layers)

    def forward(self, ids: Tensor) -> TextFeatures:
        """Read token ids (B, L), L at most ``context``.

        Padding is not masked: the end token pads, and a causal mask already keeps it from the prompt's tokens.
        """
        positions = torch.arange(ids.shape[1], device=ids.device)
        x = self.token(ids) + self.position(positions)  # (B, L, width)
        before = x
        for block in self.blocks:
            before, x = x, block(x, causal=True)
        x = self.norm_out(x)
        end = (ids == self.config.eos_token_id).int().argmax(dim=1)  # argmax gives the first of equals
        pooled = x[torch.arange(len(ids), device=ids.device), end]
        return TextFeatures(x, pooled if self.projection is None else self.projection(pooled), before)


@torch.no_grad()
def initialise_(tower: nn.Module, width: int, layers: int) -> None:
    """Initial weights much as in CLIP's reference code: small, and smaller where blocks add to the residual stream."""
    out = width**-0.5 * (2 * layers) ** -0.5
    for name, parameter in tower.named_parameters():
        if parameter.ndim < 2:
            continue
        if "token" in name or "position" in name:
            parameter.normal_(std=0.02)
        else:
            parameter.normal_(std=out if name.endswith(("out.weight", "down.weight")) else width**-0.5)
