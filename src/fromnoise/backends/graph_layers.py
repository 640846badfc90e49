"""The networks, written as a graph compiler likes them: the same weights and arithmetic, fewer copies.

A compiler does not see that two halves of one product could be written to two places, so it computes the product and
then copies the halves.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.models.layers.attention import CrossAttention, FeedForward, SelfAttention, attend
from fromnoise.models.layers.embedding import TimeEmbedding
from fromnoise.models.layers.packed import PackedLinear
from fromnoise.models.unet.unet import UNet
from fromnoise.models.vae.vae import VAE

N = TypeVar("N", bound=nn.Module)


class SplitSelfAttention(nn.Module):
    """Self-attention with three products instead of one that is cut in three."""

    def __init__(self, layer: SelfAttention) -> None:
        super().__init__()
        self.heads, self.out = layer.heads, layer.out
        self.weights = layer.qkv.weight.detach().chunk(3)
        self.biases = (None,) * 3 if layer.qkv.bias is None else layer.qkv.bias.detach().chunk(3)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, N, width) to (B, N, width)."""
        query, key, value = (F.linear(x, w, b) for w, b in zip(self.weights, self.biases, strict=True))
        return self.out(attend(query, key, value, self.heads))  # type: ignore[no-any-return]


class SplitFeedForward(nn.Module):
    """GEGLU with a product for the values and one for the gates."""

    def __init__(self, layer: FeedForward) -> None:
        super().__init__()
        self.down = layer.down
        (self.value, self.gate), (self.value_bias, self.gate_bias) = (
            layer.up.weight.detach().chunk(2),
            layer.up.bias.detach().chunk(2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (..., width) to (..., width)."""
        gate = F.gelu(F.linear(x, self.gate, self.gate_bias))
        return self.down(F.linear(x, self.value, self.value_bias) * gate)  # type: ignore[no-any-return]


class TimeFromSinusoids(nn.Module):
    """The time embedding's network, for sinusoids that were taken before.

    In the graph they would be wrong: their frequencies would be rounded to 16 bits, and then multiplied by times up to
    999, so that the last of these bits is half a radian.
    """

    def __init__(self, layer: TimeEmbedding) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = layer.linear_1, layer.linear_2

    def forward(self, waves: Tensor) -> Tensor:
        """Map sinusoids (B, sinusoid_width) to (B, width)."""
        return self.linear_2(F.silu(self.linear_1(waves)))  # type: ignore[no-any-return]


def graph_copy(network: N) -> N:
    """Return a float32 copy to be exported; weights that are float32 already are shared, not copied.

    Args:
        network: a U-Net or VAE of ours, not packed.
    """
    if any(isinstance(layer, PackedLinear) for layer in network.modules()):
        raise ValueError("a packed network cannot be exported: give the model as it was loaded")
    memo: dict[int, object] = {id(weight): weight for weight in network.parameters()}
    alike = copy.deepcopy(network, memo)  # type: ignore[arg-type]
    alike = _in_float32(alike)
    replaced: dict[int, object] = {id(weight): weight for weight in alike.parameters()}
    for layer in alike.modules():
        if isinstance(layer, SelfAttention):
            replaced[id(layer)] = SplitSelfAttention(layer)
        elif isinstance(layer, FeedForward):
            replaced[id(layer)] = SplitFeedForward(layer)
        elif isinstance(layer, TimeEmbedding):
            replaced[id(layer)] = TimeFromSinusoids(layer)
    return copy.deepcopy(alike, replaced)  # type: ignore[arg-type]


def _in_float32(network: N) -> N:
    """Put float32 weights into a network that shares its weights with another one, which keeps its own."""
    for layer in network.modules():
        for name, weight in list(layer.named_parameters(recurse=False)):
            if weight.dtype != torch.float32:
                setattr(layer, name, nn.Parameter(weight.detach().float(), requires_grad=False))
    return network


class UNetGraph(nn.Module):
    """The U-Net for a prompt that was read before, as a module whose forward can be traced."""

    def __init__(self, network: UNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, waves: Tensor, words: Tensor) -> Tensor:
        """Noisy latents, the time's sinusoids and words to the raw output."""
        return self.network.with_words(x, waves, words)


class DecoderGraph(nn.Module):
    """The VAE's decoder as a module whose forward can be traced."""

    def __init__(self, network: VAE) -> None:
        super().__init__()
        self.network = network

    def forward(self, latents: Tensor) -> Tensor:
        """Latents to pictures."""
        return self.network.decode(latents)


def prompt_reader(unet: UNet) -> UNet:
    """A copy of a U-Net that can only ``read`` prompts, and does not keep the rest of the weights alive."""
    kept = {id(layer.kv) for layer in unet.modules() if isinstance(layer, CrossAttention)}
    for part in (unet.vector, unet.pooled):
        kept |= {id(layer) for layer in part.modules()} if part is not None else set()
    kept.add(id(unet.conv_in))  # tells device and number format
    memo: dict[int, object] = {id(weight): weight for weight in unet.parameters()}
    for layer in unet.modules():
        if layer._parameters and id(layer) not in kept:
            memo[id(layer)] = nn.Identity()
    return copy.deepcopy(unet, memo)  # type: ignore[arg-type]
