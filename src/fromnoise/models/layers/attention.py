"""Attention over the positions of a picture, and from the positions to the words of the prompt.

Queries, keys and values are projected by one matrix where they share their input: one large matrix product
is faster than three small ones. Foreign checkpoints keep them apart; ``fromnoise.weights`` splits and joins.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.models.layers.norm import GroupNorm


def attend(
    query: Tensor, key: Tensor, value: Tensor, heads: int, causal: bool = False, hidden: Tensor | None = None
) -> Tensor:
    """Scaled dot-product attention, softmax(q kᵀ / √d) v, per head (arXiv 1706.03762, equation 1).

    Args:
        query: (B, N, heads*d).
        key: (B, M, heads*d).
        value: (B, M, heads*d).
        heads: number of heads.
        causal: hide later tokens from earlier ones.
        hidden: tokens that none may look at, bool (B, M).

    Returns:
        (B, N, heads*d).
    """
    q, k, v = (x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (query, key, value))  # (B, heads, tokens, d)
    unseen = None if hidden is None else hidden[:, None, None]  # (B, 1, 1, M)
    if _fused_draws_slowly(q, k) and not causal and hidden is None:
        return _in_chunks(q, k, v).flatten(2)
    if _fused_is_slow(q, k) or _fused_depends_on_threads(q, k):
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)  # (B, heads, N, M)
        if causal:
            later = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
            scores = scores.masked_fill(later, -torch.inf)
        if unseen is not None:
            scores = scores.masked_fill(unseen, -torch.inf)
        return (scores.softmax(dim=-1) @ v).transpose(1, 2).flatten(2)
    seen = None if unseen is None else ~unseen
    return F.scaled_dot_product_attention(q, k, v, seen, is_causal=causal).transpose(1, 2).flatten(2)


def _fused_is_slow(q: Tensor, k: Tensor) -> bool:
    """Say whether the formula written out trains faster than the fused kernel.

    On the CPU the backward pass of the fused kernel in bfloat16 takes 5 times as long as the plain formula for
    the few positions of a small picture (18.6 against 3.6 ms for 64 x 64 tokens, batch 64, 2 cores). In float32
    and without gradients it does not, and for long sequences the table of weights would not fit.
    """
    few = q.shape[-2] * k.shape[-2] <= 256 * 256
    return q.device.type == "cpu" and q.dtype == torch.bfloat16 and q.requires_grad and few


def _fused_depends_on_threads(q: Tensor, k: Tensor) -> bool:
    """Say whether the fused kernel would round otherwise on one thread than on several, without gradients.

    It does in float32 without AVX512, for 64 queries and keys. Pictures could then not share a call, since a picture
    alone has to come out the same; four of them would take twice as long. The formula written out rounds alike, and
    takes 0.04 ms longer for one picture. For more positions it is too slow for that.
    """
    small = q.shape[-2] * k.shape[-2] <= 64 * 64
    if q.device.type != "cpu" or q.dtype != torch.float32 or torch.is_grad_enabled() or not small:
        return False
    return torch.backends.cpu.get_cpu_capability() != "AVX512"


def _fused_draws_slowly(q: Tensor, k: Tensor) -> bool:
    """Say whether, without gradients, products of a head's chunks are faster than the fused kernel.

    On the CPU the fused kernel reaches a sixth of the speed of matrix products in bfloat16: 300 ms on one core for
    4,096 x 4,096 tokens in 8 heads of 40, against 125 ms.
    """
    many = min(q.shape[-2], k.shape[-2]) >= 256
    return q.device.type == "cpu" and q.dtype == torch.bfloat16 and not torch.is_grad_enabled() and many


CHUNK = 256  # queries at a time: their table of weights for 4,096 keys, 2 MiB, stays in a core's cache


def _in_chunks(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attention (B, N, heads, d), head by head and a chunk of queries at a time.

    A table of scores in bfloat16 would round large scores coarsely, and those are the ones that count. So each row
    is shifted, inside the product and before it is rounded, by the largest of every eighth score: softmax does not
    change by that, and the scores that count come out near zero, where rounding is fine.
    """
    batch, heads, count, width = q.shape
    q, k = (F.pad(x, (0, -width % 16 or 16)) for x in (q * width**-0.5, k))  # room for the shift
    k[..., width] = 1
    v, few = v.contiguous(), k[:, :, ::8].contiguous()
    out = q.new_empty(batch, count, heads, width)
    for b in range(batch):
        for h in range(heads):
            for rows in range(0, count, CHUNK):
                some = q[b, h, rows : rows + CHUNK]
                some[:, width] = -(some @ few[b, h].T).amax(dim=-1)
                out[b, rows : rows + CHUNK, h] = (some @ k[b, h].T).softmax(dim=-1) @ v[b, h]
    return out


class SelfAttention(nn.Module):
    """Every token looks at every token of the same sequence."""

    def __init__(self, width: int, heads: int, bias: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width, bias=bias)
        self.out = nn.Linear(width, width)

    def forward(self, x: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Map (B, N, width) to (B, N, width); nobody looks at ``hidden`` tokens, bool (B, N)."""
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        return self.out(attend(query, key, value, self.heads, hidden=hidden))


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
    """Transformer blocks over the positions of a feature map (latent diffusion, arXiv 2112.10752, appendix E.2.1).

    Older checkpoints store ``proj_in`` and ``proj_out`` as 1x1 convolutions. The arithmetic is the same, so
    they are always linear here.

    Args:
        channels: of the feature map.
        context_width: width of the prompt's tokens.
        heads: attention heads.
        groups: groups of the group norm.
        depth: blocks, 1 in most models, up to 10 in Stable Diffusion XL. ``block`` is the first, ``deeper`` the rest.
    """

    def __init__(self, channels: int, context_width: int, heads: int, groups: int, depth: int = 1) -> None:
        super().__init__()
        self.norm = GroupNorm(groups, channels, eps=1e-6)
        self.proj_in = nn.Linear(channels, channels)
        self.block = TransformerBlock(channels, context_width, heads)
        self.deeper = nn.ModuleList(TransformerBlock(channels, context_width, heads) for _ in range(depth - 1))
        self.proj_out = nn.Linear(channels, channels)

    @property
    def read_width(self) -> int:
        """Width of what :meth:`read` returns: keys and values of all blocks, 2*depth*C."""
        return 2 * self.proj_in.in_features * (1 + len(self.deeper))

    def read(self, context: Tensor) -> Tensor:
        """The keys and values (B, L, 2*depth*C) of a prompt's tokens (B, L, context_width)."""
        words: Tensor = self.block.cross_attention.kv(context)
        if not len(self.deeper):
            return words
        return torch.cat([words, *(block.cross_attention.kv(context) for block in self._deeper())], dim=-1)

    def forward(self, x: Tensor, words: Tensor) -> Tensor:
        """Map x (B, C, H, W) and ``read(context)`` (B, L, 2*depth*C) to (B, C, H, W)."""
        tokens = self.proj_in(to_tokens(self.norm(x)))
        for block, own in zip((self.block, *self._deeper()), words.chunk(1 + len(self.deeper), dim=-1), strict=True):
            tokens = block(tokens, own)
        return x + to_picture(self.proj_out(tokens), x)

    def _deeper(self) -> list[TransformerBlock]:
        return list(self.deeper)  # type: ignore[arg-type]


class SpatialSelfAttention(nn.Module):
    """One-headed self-attention over the positions of a feature map, as in the middle of Stable Diffusion's VAE."""

    def __init__(self, channels: int, groups: int, eps: float) -> None:
        super().__init__()
        self.norm = GroupNorm(groups, channels, eps)
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
