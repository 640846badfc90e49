"""What tells the U-Net how noisy its input is."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def sinusoids(t: Tensor, width: int) -> Tensor:
    """Return [cos(t f), sin(t f)] with f from 1 down to 1/10000 (arXiv 1706.03762, section 3.5).

    Cosines come first, as in latent diffusion. float32 whatever the weights are: bfloat16 has 8 bits, so it
    cannot tell t = 998 from t = 999.

    Args:
        t: time steps (B,), any number type.
        width: even number of features.

    Returns:
        float32 (B, width).
    """
    half = width // 2
    frequency = torch.exp(-math.log(10_000) * torch.arange(half, dtype=torch.float32, device=t.device) / half)
    angle = t.float()[:, None] * frequency  # (B, half)
    return torch.cat([angle.cos(), angle.sin()], dim=-1)


class VectorEmbedding(nn.Module):
    """A two-layer network on what Stable Diffusion XL is told besides words: pooled text and picture sizes."""

    def __init__(self, in_width: int, width: int) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_width, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in_width) to (B, width)."""
        return self.linear_2(F.silu(self.linear_1(x)))


class PooledWords(nn.Module):
    """One vector for the whole prompt, added to the time: its tokens, pooled by attention of their mean (as in Imagen,
    Saharia et al. 2022, arXiv 2205.11487, §2.3, and the U-Nets of DeepFloyd).

    Args:
        context_width: width of the prompt's tokens.
        width: of the time.
        heads: of the attention; must divide ``context_width``.
    """

    def __init__(self, context_width: int, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_1 = nn.LayerNorm(context_width)
        self.place = nn.Parameter(torch.randn(1, context_width) / context_width**0.5)  # added to the mean
        self.query = nn.Linear(context_width, context_width)
        self.key = nn.Linear(context_width, context_width)
        self.value = nn.Linear(context_width, context_width)
        self.proj = nn.Linear(context_width, width)
        self.norm_2 = nn.LayerNorm(width)

    def forward(self, context: Tensor) -> Tensor:
        """Map the prompt's tokens (B, L, context_width) to (B, width)."""
        tokens = self.norm_1(context)
        mean = tokens.mean(1, keepdim=True) + self.place
        tokens = torch.cat([mean, tokens], dim=1)
        q, k, v = (
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, mean), (self.key, tokens), (self.value, tokens))
        )
        pooled = F.scaled_dot_product_attention(q, k, v).flatten(1)  # heads lie one after the other
        return self.norm_2(self.proj(pooled))


class TimeEmbedding(nn.Module):
    """Sinusoids of the time step, then a two-layer network."""

    def __init__(self, sinusoid_width: int, width: int) -> None:
        super().__init__()
        self.sinusoid_width = sinusoid_width
        self.linear_1 = nn.Linear(sinusoid_width, width)
        self.linear_2 = nn.Linear(width, width)

    def forward(self, t: Tensor) -> Tensor:
        """Map time steps (B,) to (B, width) in the dtype of the weights."""
        x = sinusoids(t, self.sinusoid_width).to(self.linear_1.weight.dtype)
        return self.linear_2(F.silu(self.linear_1(x)))
