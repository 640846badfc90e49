"""What other libraries call our weights: the tables for the U-Net and the VAE.

This package is the only place that knows foreign names. A table maps the name of one of our modules to the
foreign module that holds the same numbers, or to several whose rows ours stacks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from torch import Tensor

from fromnoise.models.unet.unet import UNetConfig
from fromnoise.models.vae.vae import VAEConfig

State = dict[str, Tensor]
Table = dict[str, tuple[str, ...]]  # our module -> the foreign modules that it stacks


class Entry(NamedTuple):
    """One of our tensors: its name, the foreign tensors it stacks, and whether those are 1x1 convolutions."""

    ours: str
    theirs: tuple[str, ...]
    convolution: bool = False


RESIDUAL: Table = {
    "norm_1": ("norm1",),
    "conv_1": ("conv1",),
    "time": ("time_emb_proj",),
    "norm_2": ("norm2",),
    "conv_2": ("conv2",),
    "shortcut": ("conv_shortcut",),
}
TRANSFORMER: Table = {"norm": ("norm",), "proj_in": ("proj_in",), "proj_out": ("proj_out",)}
TRANSFORMER_BLOCK: Table = {
    "self_norm": ("norm1",),
    "self_attention.qkv": tuple(f"attn1.to_{part}" for part in "qkv"),
    "self_attention.out": ("attn1.to_out.0",),
    "cross_norm": ("norm2",),
    "cross_attention.q": ("attn2.to_q",),
    "cross_attention.kv": tuple(f"attn2.to_{part}" for part in "kv"),
    "cross_attention.out": ("attn2.to_out.0",),
    "feed_norm": ("norm3",),
    "feed_forward.up": ("ff.net.0.proj",),
    "feed_forward.down": ("ff.net.2",),
}
VAE_ATTENTION: Table = {
    "norm": ("group_norm",),
    "attention.qkv": ("to_q", "to_k", "to_v"),
    "attention.out": ("to_out.0",),
}
# How the VAE of Stable Diffusion 1.x and 2.x, saved in 2022, spells VAE_ATTENTION.
OLD_VAE_ATTENTION = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
# What pools the words for the time.
POOLED_WORDS: Table = {
    "norm_1": ("norm1",),
    "place": ("pool.positional_embedding",),
    "query": ("pool.q_proj",),
    "key": ("pool.k_proj",),
    "value": ("pool.v_proj",),
    "proj": ("proj",),
    "norm_2": ("norm2",),
}


def unet_table(config: UNetConfig) -> Table:
    """Return what the modules of UNet2DConditionModel are called."""
    last = len(config.block_out_channels) - 1
    middle = f"middle.{config.resolution(last)}_middle"
    table: Table = {
        "conv_in": ("conv_in",),
        "time.linear_1": ("time_embedding.linear_1",),
        "time.linear_2": ("time_embedding.linear_2",),
        "vector.linear_1": ("add_embedding.linear_1",),
        "vector.linear_2": ("add_embedding.linear_2",),
        **inside("pooled.", "add_embedding.", POOLED_WORDS),
        **inside(f"{middle}.first.residual.", "mid_block.resnets.0.", RESIDUAL),
        **inside(f"{middle}.first.attention.", "mid_block.attentions.0.", transformer_table(config.depth_at(-1))),
        **inside(f"{middle}.last.", "mid_block.resnets.1.", RESIDUAL),
        "norm_out": ("conv_norm_out",),
        "conv_out": ("conv_out",),
    }
    for way, extra in (("down", 0), ("up", 1)):
        for level in range(last + 1):
            theirs = f"{way}_blocks.{level if way == 'down' else last - level}"
            for i in range(config.layers_per_block + extra):
                ours = f"{way}.{config.resolution(level)}_{way}_{i}"
                table |= inside(f"{ours}.residual.", f"{theirs}.resnets.{i}.", RESIDUAL)
                transformer = transformer_table(config.depth_at(level))
                table |= inside(f"{ours}.attention.", f"{theirs}.attentions.{i}.", transformer)
            ours = f"{way}.{config.resolution(level)}_to_{config.resolution(level + 1 - 2 * extra)}.conv"
            table[ours] = (f"{theirs}.{way}samplers.0.conv",)
    return table


def transformer_table(depth: int) -> Table:
    """Return what the modules of a spatial transformer with ``depth`` blocks are called."""
    table = TRANSFORMER | inside("block.", "transformer_blocks.0.", TRANSFORMER_BLOCK)
    for i in range(1, depth):
        table |= inside(f"deeper.{i - 1}.", f"transformer_blocks.{i}.", TRANSFORMER_BLOCK)
    return table


def vae_table(config: VAEConfig) -> Table:
    """Return what the modules of AutoencoderKL are called."""
    table: Table = {"quant_conv": ("quant_conv",), "post_quant_conv": ("post_quant_conv",)}
    last = len(config.block_out_channels) - 1
    for part, way, extra in (("encoder", "down", 0), ("decoder", "up", 1)):
        for name, theirs in (("conv_in", "conv_in"), ("norm_out", "conv_norm_out"), ("conv_out", "conv_out")):
            table[f"{part}.{name}"] = (f"{part}.{theirs}",)
        table |= inside(f"{part}.middle.middle_0.", f"{part}.mid_block.resnets.0.", RESIDUAL)
        table |= inside(f"{part}.middle.middle_attention.", f"{part}.mid_block.attentions.0.", VAE_ATTENTION)
        table |= inside(f"{part}.middle.middle_1.", f"{part}.mid_block.resnets.1.", RESIDUAL)
        for level in range(last + 1):
            block = f"{part}.{way}_blocks.{level if way == 'down' else last - level}"
            for i in range(config.layers_per_block + extra):
                table |= inside(f"{part}.{way}.f{2**level}_{way}_{i}.", f"{block}.resnets.{i}.", RESIDUAL)
            ours = f"{part}.{way}.f{2**level}_to_f{2**level * 2 if way == 'down' else 2**level // 2}.conv"
            table[ours] = (f"{block}.{way}samplers.0.conv",)
    return table


def inside(ours: str, theirs: str, table: Table) -> Table:
    """Put prefixes before both columns of a table."""
    return {ours + key: tuple(theirs + value for value in values) for key, values in table.items()}


def entries(keys: Iterable[str], table: Table, convolution: bool = False) -> list[Entry]:
    """Return one entry per key of our state dict.

    Args:
        keys: names of our tensors, "module.weight" or "module.bias".
        table: names of the modules, or of single tensors that are not a module's weight or bias.
        convolution: whether attention's proj_in and proj_out are foreign 1x1 convolutions.
    """
    found = []
    for key in keys:
        module, _, kind = key.rpartition(".")
        if key in table:
            found.append(Entry(key, table[key]))
            continue
        flat = convolution and kind == "weight" and module.endswith((".proj_in", ".proj_out"))
        found.append(Entry(key, tuple(f"{name}.{kind}" for name in table[module]), flat))
    return found


def to_foreign(state: Mapping[str, Tensor], names: Iterable[Entry]) -> State:
    """Rename our state dict for a foreign model, splitting what we stack."""
    foreign: State = {}
    for entry in names:
        tensor = state[entry.ours]
        tensor = tensor[:, :, None, None] if entry.convolution else tensor
        parts = tensor.chunk(len(entry.theirs)) if len(entry.theirs) > 1 else (tensor,)
        foreign |= dict(zip(entry.theirs, parts, strict=True))
    return foreign


def modern_name(name: str) -> str:
    """Rename the attention of a VAE saved in 2022; anything else stays as it is."""
    parts = name.split(".")
    old = len(parts) > 1 and "attentions" in parts and parts[-2] in OLD_VAE_ATTENTION
    return ".".join([*parts[:-2], OLD_VAE_ATTENTION[parts[-2]], parts[-1]]) if old else name
