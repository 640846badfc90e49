"""Sizes of the networks in a file in the original naming, which has no configs: read off the shapes of its tensors.

What shapes do not tell (heads, activations, groups) is the same in all models of a family.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fromnoise.ground.errors import UserError
from fromnoise.weights.original_names import Original, open_clip_original

Shapes = Mapping[str, tuple[int, ...]]
HEAD = 64  # width of a head in everything but the U-Net of Stable Diffusion 1.x, which has 8 heads
WITHOUT_LAST = (1024, 24)  # OpenCLIP ViT-H, whose last block Stable Diffusion 2.x leaves out
BLOCK = re.compile(r"(?:resblocks|encoder\.layers)\.(\d+)\.")
TOKEN = "text_model.embeddings.token_embedding.weight"
POSITION = "text_model.embeddings.position_embedding.weight"
FIRST = "text_model.encoder.layers.0.mlp.fc1.weight"


def text_original(is_open: bool) -> Callable[[str], Original]:
    """Return the translation of a text tower's names: OpenCLIP's, or none."""
    return open_clip_original if is_open else Original


def sized(file: Path, what: str, read: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Sizes that ``read`` takes from shapes.

    Raises:
        UserError: a tensor that it needs is missing, or is of another shape than any such part has.
    """
    try:
        return read()
    except KeyError as error:
        raise UserError(f"{file} is not a whole {what}: {error} is missing") from None
    except (IndexError, ValueError, StopIteration):
        raise UserError(f"{file} is not a whole {what}: tensors that tell its sizes are missing or odd") from None


def unet_sizes(shapes: Shapes) -> dict[str, Any]:
    """Sizes of a U-Net, as ``UNetConfig`` calls them, from its tensors' shapes without their prefix."""
    count = 1 + max(int(name.split(".")[1]) for name in shapes if name.startswith("input_blocks."))
    halvings = [i for i in range(count) if f"input_blocks.{i}.0.op.weight" in shapes]
    layers = (halvings[0] if halvings else count) - 1
    levels = [1 + level * (layers + 1) for level in range(len(halvings) + 1)]  # first block of each
    depth = [_depth(shapes, f"input_blocks.{i}.1.") for i in levels]
    depths = [*depth[:-1], max(depth[-1], _depth(shapes, "middle_block.1."))]
    key = next(name for name in sorted(shapes) if name.endswith("attn2.to_k.weight"))
    return {
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": [shapes[f"input_blocks.{i}.0.in_layers.2.weight"][0] for i in levels],
        "layers_per_block": layers,
        "attention": [d > 0 for d in depth],
        "cross_attention_dim": shapes[key][1],
        "norm_num_groups": 32,
        "depth": [] if max(depths) == 1 else [max(d, 1) for d in depths],
        "vector_width": shapes["label_emb.0.0.weight"][1] if "label_emb.0.0.weight" in shapes else 0,
        "use_linear_projection": len(shapes["middle_block.1.proj_in.weight"]) == 2,
    }


def _depth(shapes: Shapes, prefix: str) -> int:
    found = {name[len(prefix) :].split(".")[1] for name in shapes if name.startswith(f"{prefix}transformer_blocks.")}
    return len(found)


def vae_sizes(shapes: Shapes) -> dict[str, Any]:
    """Sizes of a VAE, as ``VAEConfig`` calls them."""
    downs = [n.split(".") for n in shapes if n.startswith("encoder.down.") and ".block." in n]
    levels = 1 + max(int(parts[2]) for parts in downs)
    return {
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "latent_channels": shapes["post_quant_conv.weight"][0],
        "block_out_channels": [shapes[f"encoder.down.{i}.block.0.conv1.weight"][0] for i in range(levels)],
        "layers_per_block": 1 + max(int(parts[4]) for parts in downs),
        "norm_num_groups": 32,
        "mid_attention": "encoder.mid.attn_1.q.weight" in shapes,
    }


def text_sizes(shapes: Shapes, is_open: bool, second: bool) -> dict[str, Any]:
    """Sizes of a text tower, as ``TextConfig`` calls them.

    Args:
        shapes: of its tensors, without their prefix.
        is_open: they are called as OpenCLIP calls them.
        second: it is the second of Stable Diffusion XL, which has a projection.
    """
    token, position, first = (shapes[text_original(is_open)(name).name] for name in (TOKEN, POSITION, FIRST))
    (vocabulary, width), context = token, position[0]
    numbers = [int(found[1]) for name in shapes if (found := BLOCK.search(name))]
    layers = 1 + max(numbers)
    return {
        "vocab_size": vocabulary,
        "width": width,
        "layers": layers - 1 if (width, layers) == WITHOUT_LAST and not second else layers,
        "heads": max(1, width // HEAD),
        "context": context,
        "mlp_ratio": first[0] // width,
        "activation": "gelu" if is_open else "quick_gelu",
        "eos_token_id": vocabulary - 1,
        "projection": shapes["text_projection"][1] if second else 0,
    }
