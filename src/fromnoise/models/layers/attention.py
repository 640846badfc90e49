"""Attention over the positions of a picture, and from the positions to the words of the prompt.

Queries, keys and values are projected by one matrix where they share their input: one large matrix product
is faster than three small ones. Foreign checkpoints keep them apart; ``fromnoise.weights`` splits and joins.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def attend(query: Tensor, key: Tensor, value: Tensor, heads: int, causal: bool = False) -> Tensor:
    """Scaled dot-product attention, softmax(q kᵀ / √d) v, per head (arXiv 1706.03762, equation 1).

    Args:
        query: (B, N, heads*d).
        key: (B, M, heads*d).
        value: (B, M, heads*d).
        heads: number of heads.
        causal: hide later tokens from earlier ones.

    Returns:
        (B, N, heads*d).
    """
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))  # (B, heads, tokens, d)
    if _fused_is_slow(q, k):
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # (B, heads, N, M)
        if causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        return (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
    return F.scaled_dot_product_attention(q, k, v, is_causal=causal).transpose(1, 2).flatten(2)


def _fused_is_slow(q: Tensor, k: Tensor) -> bool:
    """Say whether the formula written out trains faster than the fused kernel.

    On the CPU the backward pass of the fused kernel in bfloat16 takes 5 times as long as the plain formula for
    the few positions of a small picture (18.6 against 3.6 ms for 64 x 64 tokens, batch 64, 2 cores). In float32
    and without gradients it does not, and for long sequences the table of weights would not fit.
    """
    few = q.shape[-2] * k.shape[-2] <= 256 * 256
    return q.device.type == "cpu" and q.dtype == torch.bfloat16 and q.requires_grad and few


class SelfAttention(nn.Module):
    """Every token looks at every token of the same sequence."""

    def __init__(self, width: int, heads: int, bias: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N, width) to (B, N, width)."""
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        return self.out(attend(query, key, value, self.heads))


class CrossAttention(nn.Module):
    """Every token of the picture looks at every token of the prompt.

    What the prompt's tokens offer does not depend on the picture or on the noise, so ``kv(context)`` can be read
    once and used in all steps.
    """

    def __init__(self, width: int, context_width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(width, width, bias=False)
        self.kv = nn.Linear(context_width, 2 * width, bias=False)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """Map x (B, N, width) and words = ``kv(context)`` (B, L, 2*width) to (B, N, width)."""
        key, value = words.chunk(2, dim=-1)
        return self.out(attend(self.q(x), key, value, self.heads))


class FeedForward(nn.Module):
    """GEGLU: down(value * gelu(gate)), four times as wide inside (arXiv 2002.05202, equation 6)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.up = nn.Linear(width, 8 * width)  # values and gates, each 4*width
        self.down = nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        value, gate = self.up(x).chunk(2, dim=-1)
        return self.down(value * F.gelu(gate))


class TransformerBlock(nn.Module):
    """Self-attention, cross-attention, feed-forward; each on a layer norm and added to its input."""

    def __init__(self, width: int, context_width: int, heads: int) -> None:
        super().__init__()
        self.self_norm = nn.LayerNorm(width)
        self.self_attention = SelfAttention(width, heads)
        self.cross_norm = nn.LayerNorm(width)
        self.cross_attention = CrossAttention(width, context_width, heads)
        self.feed_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """Map x (B, N, width) and the prompt's keys and values (B, L, 2*width) to (B, N, width)."""
        x = x + self.self_attention(self.self_norm(x))
        x = x + self.cross_attention(self.cross_norm(x), words)
        return x + self.feed_forward(self.feed_norm(x))


class SpatialTransformer(nn.Module):
    """One transformer block over the positions of a feature map (latent diffusion, arXiv 2112.10752, appendix E.2.1).

    Older checkpoints store ``proj_in`` and ``proj_out`` as 1x1 convolutions. The arithmetic is the same, so
    they are always linear here.
    """

    def __init__(self, channels: int, context_width: int, heads: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.block = TransformerBlock(channels, context_width, heads)
        self.proj_out = nn.Linear(channels, channels)

    def read(self, context: Tensor) -> Tensor:
        """The keys and values (B, L, 2*C) of a prompt's tokens (B, L, context_width)."""
        words: Tensor = self.block.cross_attention.kv(context)
        return words

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """Map x (B, C, H, W) and ``read(context)`` (B, L, 2*C) to (B, C, H, W)."""
        tokens = to_tokens(self.norm(x))
        tokens = self.proj_out(self.block(self.proj_in(tokens), words))
        return x + to_picture(tokens, x)


class SpatialSelfAttention(nn.Module):
    """One-headed self-attention over the positions of a feature map, as in the middle of Stable Diffusion's VAE."""

    def __init__(self, channels: int, groups: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps)
        self.attention = SelfAttention(channels, heads=1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H, W)."""
        return x + to_picture(self.attention(to_tokens(self.norm(x))), x)


def to_tokens(x: Tensor) -> Tensor:
    """Turn (B, C, H, W) into (B, H*W, C): a free view when x is channels_last."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)


def to_picture(tokens: Tensor, like: Tensor) -> Tensor:
    """Turn (B, H*W, C) into (B, C, H, W) with the height and width of ``like``: a channels_last view."""
    return tokens.unflatten(1, like.shape[2:]).permute(0, 3, 1, 2)
