"""How the original code of Stable Diffusion (CompVis, SGM) names what diffusers and transformers name otherwise.

One direction is written down, from the names of the diffusers layout to the original ones; reading and writing single
files both use it. A name that stands for a third of a stacked matrix, or for its transpose, says so.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from fromnoise.models.unet.unet import UNetConfig
from fromnoise.models.vae.vae import VAEConfig

RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
UNET_ENDS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
VAE_PARTS = {
    "mid_block.resnets.0": "mid.block_1",
    "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0": "mid.attn_1",
    "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut",
    "group_norm": "norm",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "to_out.0": "proj_out",
}
TEXT_PARTS = {
    "text_model.embeddings.token_embedding": "token_embedding",
    "text_model.final_layer_norm": "ln_final",
    "text_model.encoder.layers": "transformer.resblocks",
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "self_attn.out_proj": "attn.out_proj",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
}


class Original(NamedTuple):
    """A tensor in an original file: its name, which third of its rows, whether it is transposed."""

    name: str
    third: int | None = None
    transposed: bool = False


def unet_original(name: str, config: UNetConfig) -> str:
    """Return the original name of a tensor or module of UNet2DConditionModel."""
    per_level = config.layers_per_block + 1
    last = len(config.block_out_channels) - 1
    for theirs, original in UNET_ENDS.items():
        if name.startswith(f"{theirs}."):
            return original + name[len(theirs) :]
    if found := re.match(r"mid_block\.(resnets|attentions)\.(\d)\.(.*)", name):
        kind, i, rest = found[1], int(found[2]), found[3]
        return f"middle_block.{2 * i}.{_resnet(rest)}" if kind == "resnets" else f"middle_block.1.{rest}"
    found = re.match(r"(down|up)_blocks\.(\d+)\.(\w+)\.(\d+)\.(.*)", name)
    if found is None:
        raise KeyError(name)
    way, level, kind, i, rest = found[1], int(found[2]), found[3], int(found[4]), found[5]
    first = level * per_level + (way == "down")
    blocks = "input_blocks" if way == "down" else "output_blocks"
    if kind == "resnets":
        return f"{blocks}.{first + i}.0.{_resnet(rest)}"
    if kind == "attentions":
        return f"{blocks}.{first + i}.1.{rest}"
    if kind == "downsamplers":
        return f"{blocks}.{(level + 1) * per_level}.0.op{rest.removeprefix('conv')}"
    return f"{blocks}.{first + per_level - 1}.{2 if config.attention[last - level] else 1}.{rest}"


def _resnet(rest: str) -> str:
    module, _, kind = rest.partition(".")
    return f"{RESNET[module]}.{kind}" if kind else RESNET[module]


def vae_original(name: str, config: VAEConfig) -> str:
    """Return the original name of a tensor of AutoencoderKL."""
    last = len(config.block_out_channels) - 1
    if found := re.match(r"(\w+)\.(down|up)_blocks\.(\d+)\.(resnets|\w+samplers)\.(\d+)\.(.*)", name):
        side, way, level, kind, i, rest = found[1], found[2], int(found[3]), found[4], found[5], found[6]
        level = level if way == "down" else last - level
        inner = f"block.{i}.{rest}" if kind == "resnets" else f"{way}sample.{rest}"
        name = f"{side}.{way}.{level}.{inner}"
    return _replaced(name, VAE_PARTS)


def open_clip_original(name: str) -> Original:
    """Return where OpenCLIP's text tower keeps a tensor of CLIPTextModel."""
    if name == "text_model.embeddings.position_embedding.weight":
        return Original("positional_embedding")
    if name == "text_projection.weight":
        return Original("text_projection", transposed=True)
    if found := re.match(r"(.*)\.self_attn\.([qkv])_proj\.(weight|bias)", name):
        block = _replaced(found[1], TEXT_PARTS)
        return Original(f"{block}.attn.in_proj_{found[3]}", third="qkv".index(found[2]))
    return Original(_replaced(name, TEXT_PARTS))


def _replaced(name: str, parts: dict[str, str]) -> str:
    """Replace whole dotted parts of a name."""
    dotted = f".{name}."
    for theirs, original in parts.items():
        dotted = dotted.replace(f".{theirs}.", f".{original}.")
    return dotted[1:-1]
