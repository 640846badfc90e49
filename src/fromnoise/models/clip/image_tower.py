"""CLIP's image tower: a picture cut into patches, read by a transformer (Dosovitskiy et al. 2020, arXiv 2010.11929)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.text_tower import initialise_
from fromnoise.models.clip.transformer import EPS, Block


@dataclass(frozen=True)
class ImageConfig(Config):
    """Sizes of the image tower, a subset of CLIPVisionConfig's.

    Attributes:
        pixels: side of the square pictures.
        patch: side of a patch in pixels; must divide ``pixels``.
        width: features per patch.
        layers: transformer blocks.
        heads: attention heads per block.
        mlp_ratio: width inside the blocks' networks, as a multiple of ``width``.
        activation: "quick_gelu" or "gelu".
    """

    pixels: int = 64
    patch: int = 8
    width: int = 192
    layers: int = 3
    heads: int = 3
    mlp_ratio: int = 4
    activation: str = "quick_gelu"

    def __post_init__(self) -> None:
        if self.pixels % self.patch:
            raise UserError(f"clip: patches of {self.patch} pixels do not divide {self.pixels}")
        if self.width % self.heads:
            raise UserError(f"clip: {self.heads} heads do not divide a width of {self.width}")

    def build(self) -> ImageTower:
        """Return an image tower of these sizes with random weights."""
        return ImageTower(self)


class ImageTower(nn.Module):
    """Vision transformer with the arithmetic of transformers' CLIPVisionModel."""

    def __init__(self, config: ImageConfig) -> None:
        super().__init__()
        self.config = config
        width = config.width
        self.patch = nn.Conv2d(3, width, config.patch, stride=config.patch, bias=False)
        self.class_token = nn.Parameter(torch.empty(width))
        self.position = nn.Embedding((config.pixels // config.patch) ** 2 + 1, width)
        self.norm_in = nn.LayerNorm(width, EPS)
        inside = config.mlp_ratio * width
        self.blocks = nn.ModuleList(Block(width, config.heads, inside, config.activation) for _ in range(config.layers))
        self.norm_out = nn.LayerNorm(width, EPS)
        initialise_(self, width, config.layers)
        nn.init.normal_(self.class_token, std=width**-0.5)
        # A patch of n numbers in -1..1 should come out with about unit variance.
        nn.init.normal_(self.patch.weight, std=(3 * config.patch**2) ** -0.5)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map pictures (B, 3, pixels, pixels), -1..1, to features (B, width) of the class token."""
        patches = self.patch(pictures).flatten(2).transpose(1, 2)  # (B, patches, width)
        first = self.class_token.expand(len(patches), 1, -1)
        x = torch.cat([first, patches], dim=1) + self.position.weight
        x = self.norm_in(x)
        for block in self.blocks:
            x = block(x, causal=False)
        return self.norm_out(x[:, 0])
