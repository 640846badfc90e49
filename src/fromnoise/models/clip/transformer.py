"""The pre-norm transformer block that both of CLIP's towers are made of (Radford et al. 2021, arXiv 2103.00020)."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.ground.errors import UserError
from fromnoise.models.layers.attention import attend

EPS = 1e-5


def quick_gelu(x: Tensor) -> Tensor:
    """x · sigmoid(1.702 x), the approximation of GELU that OpenAI's CLIP was trained with."""
    return x * torch.sigmoid(1.702 * x)


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"quick_gelu": quick_gelu, "gelu": F.gelu}


def activation(name: str) -> Callable[[Tensor], Tensor]:
    """Look up an activation by its name in config files.

    Raises:
        UserError: an unknown name.
    """
    if name not in ACTIVATIONS:
        raise UserError(f"clip: activation must be one of {', '.join(ACTIVATIONS)}, not '{name}'")
    return ACTIVATIONS[name]


class SelfAttention(nn.Module):
    """Multi-head self-attention with one fused projection; ``weights/`` splits it for foreign files."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        """Map (B, N, width) to (B, N, width); ``causal`` hides later tokens from earlier ones."""
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        return self.out(attend(query, key, value, self.heads, causal))


class Block(nn.Module):
    """x + attention(norm(x)), then x + mlp(norm(x)).

    Args:
        width: features per token.
        heads: attention heads; must divide ``width``.
        mlp_width: width inside the two-layer network.
        act: name of its activation.
    """

    def __init__(self, width: int, heads: int, mlp_width: int, act: str) -> None:
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, EPS)
        self.attention = SelfAttention(width, heads)
        self.norm_2 = nn.LayerNorm(width, EPS)
        self.up = nn.Linear(width, mlp_width)
        self.down = nn.Linear(mlp_width, width)
        self._act = activation(act)

    def forward(self, x: Tensor, causal: bool) -> Tensor:
        """Map (B, N, width) to (B, N, width)."""
        x = x + self.attention(self.norm_1(x), causal)
        return x + self.down(self._act(self.up(self.norm_2(x))))
