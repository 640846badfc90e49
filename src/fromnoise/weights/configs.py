"""Foreign ``config.json`` files: our configs in diffusers' words and back.

Only sizes that our networks have can be translated; anything else is refused by name rather than ignored, since a
network that is nearly the right one draws noise.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.ground.json_file import shown
from fromnoise.models.unet.unet import UNetConfig
from fromnoise.models.vae.vae import VAEConfig

VERSION = {"_diffusers_version": "0.31.0"}  # the oldest that reads everything we write

# Settings of foreign configs that our networks do not have, with the only value that means "not used".
UNET_FIXED: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu",),
    "attention_type": ("default",),
    "center_input_sample": (False,),
    "class_embed_type": (None,),
    "conv_in_kernel": (3,),
    "conv_out_kernel": (3,),
    "cross_attention_norm": (None,),
    "downsample_padding": (1,),
    "dual_cross_attention": (False,),
    "encoder_hid_dim": (None,),
    "flip_sin_to_cos": (True,),
    "freq_shift": (0,),
    "mid_block_scale_factor": (1,),
    "norm_eps": (1e-5,),
    "num_class_embeds": (None,),
    "only_cross_attention": (False,),
    "resnet_skip_time_act": (False,),
    "resnet_time_scale_shift": ("default",),
    "reverse_transformer_layers_per_block": (None,),
    "time_cond_proj_dim": (None,),
    "time_embedding_act_fn": (None,),
    "time_embedding_dim": (None,),
    "time_embedding_type": ("positional",),
    "timestep_post_act": (None,),
}
VAE_FIXED: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu",),
    "use_post_quant_conv": (True,),
    "use_quant_conv": (True,),
}

# The same, and besides what we never write: diffusers' other classes, and settings that belong to other settings.
UNET_REFUSED: dict[str, tuple[Any, ...]] = {
    **UNET_FIXED,
    "_class_name": ("UNet2DConditionModel", None),
    "act_fn": ("silu", "swish"),
    "class_embeddings_concat": (False,),
    "encoder_hid_dim_type": (None,),
    "num_attention_heads": (None,),
}
VAE_REFUSED: dict[str, tuple[Any, ...]] = {
    **VAE_FIXED,
    "_class_name": ("AutoencoderKL", None),
    "act_fn": ("silu", "swish"),
    "latents_mean": (None,),
    "latents_std": (None,),
}
UNET_WHOLE = ("in_channels", "out_channels", "layers_per_block", "cross_attention_dim", "norm_num_groups")
UNET_LISTS = ("block_out_channels", "attention_head_dim", "transformer_layers_per_block")
VAE_WHOLE = ("in_channels", "out_channels", "latent_channels", "layers_per_block", "norm_num_groups")

# What is larger is no size of a network that anybody has, and building one would never end.
MOST_SIZE, MOST_LAYERS, MOST_LEVELS = 2**22, 200, 16
LAYERS = ("layers_per_block", "transformer_layers_per_block", "num_hidden_layers")
C = TypeVar("C", bound=Config)


def unet_to_foreign(config: UNetConfig) -> dict[str, Any]:
    """Return UNet2DConditionModel's config.

    ``attention_head_dim`` holds the *number* of heads: a slip in the format's first version that every reader
    has had to repeat since.
    """
    levels = range(len(config.block_out_channels))
    kinds = ["CrossAttn" if attends else "" for attends in config.attention]
    return {
        "_class_name": "UNet2DConditionModel",
        **VERSION,
        **{name: values[0] for name, values in UNET_FIXED.items()},
        "addition_embed_type": "text_time" if config.vector_width else "text" if config.pooled_heads else None,
        "addition_embed_type_num_heads": config.pooled_heads or 64,
        "addition_time_embed_dim": config.size_width if config.vector_width else None,
        "attention_head_dim": [config.heads_at(level) for level in levels],
        "block_out_channels": list(config.block_out_channels),
        "cross_attention_dim": config.cross_attention_dim,
        "down_block_types": [f"{kind}DownBlock2D" for kind in kinds],
        "in_channels": config.in_channels,
        "layers_per_block": config.layers_per_block,
        "mid_block_type": "UNetMidBlock2DCrossAttn" if config.mid_attention else "UNetMidBlock2D",
        "norm_num_groups": config.norm_num_groups,
        "out_channels": config.out_channels,
        "projection_class_embeddings_input_dim": config.vector_width or None,
        "sample_size": config.sample_size,
        "transformer_layers_per_block": list(config.depth) or 1,
        "up_block_types": [f"{kind}UpBlock2D" for kind in reversed(kinds)],
        "use_linear_projection": config.use_linear_projection,
    }


def unet_from_foreign(values: Mapping[str, Any], file: Path) -> UNetConfig:
    """Return our config for UNet2DConditionModel's.

    Raises:
        UserError: a setting that our U-Net does not have.
    """
    check_fixed(values, UNET_REFUSED, file)
    names = (*UNET_WHOLE, *UNET_LISTS, "sample_size")
    check_whole(values, names, file, lists=UNET_LISTS, empty=("sample_size",), only=("block_out_channels",))
    widths = values.get("block_out_channels", [320, 640, 1280, 1280])
    down = names_in(values, "down_block_types", ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"], file)
    up = names_in(values, "up_block_types", ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3, file)
    if [kind.replace("Up", "Down") for kind in reversed(up)] != list(down):
        raise UserError(f"{file}: up_block_types must mirror down_block_types")
    if not set(down) <= {"CrossAttnDownBlock2D", "DownBlock2D"} or len(down) != len(widths):
        raise UserError(f"{file}: down_block_types = {down!s:.200} is not supported")
    middle = values.get("mid_block_type", "UNetMidBlock2DCrossAttn")
    if middle not in ("UNetMidBlock2DCrossAttn", "UNetMidBlock2D"):
        raise UserError(f"{file}: mid_block_type = {shown(middle)} is not supported")
    heads = values.get("attention_head_dim", 8)
    depth = values.get("transformer_layers_per_block", 1)
    sizes = {
        **_added_to_time(values, file),
        "depth": depth if isinstance(depth, list) else [] if depth == 1 else [depth] * len(widths),
        "sample_size": values.get("sample_size") or 64,
        "in_channels": values.get("in_channels", 4),
        "out_channels": values.get("out_channels", 4),
        "block_out_channels": widths,
        "layers_per_block": values.get("layers_per_block", 2),
        "attention": [kind.startswith("CrossAttn") for kind in down],
        "cross_attention_dim": values.get("cross_attention_dim", 1280),
        "norm_num_groups": values.get("norm_num_groups", 32),
        "mid_attention": middle == "UNetMidBlock2DCrossAttn",
        "heads": heads if isinstance(heads, list) else [heads] * len(widths),
        "use_linear_projection": values.get("use_linear_projection", False),
    }
    return _with_heads(build(UNetConfig, sizes, file))


def _added_to_time(values: Mapping[str, Any], file: Path) -> dict[str, int]:
    """What is added to the time: pooled text and sizes (Stable Diffusion XL), words pooled by itself, or nothing."""
    kind = values.get("addition_embed_type")
    if kind not in (None, "text_time", "text"):
        raise UserError(f"{file}: addition_embed_type = {shown(kind)} is not supported")
    if kind is None:
        return {}
    if kind == "text":
        check_whole(values, ("addition_embed_type_num_heads",), file)
        return {"pooled_heads": values.get("addition_embed_type_num_heads", 64)}
    names = ("projection_class_embeddings_input_dim", "addition_time_embed_dim")
    if any(values.get(name) is None for name in names):
        raise UserError(f"{file}: text_time needs {' and '.join(names)}")
    check_whole(values, names, file)
    return {"vector_width": values[names[0]], "size_width": values[names[1]]}


def _with_heads(config: UNetConfig) -> UNetConfig:
    """Say ``head_dim`` instead of ``heads`` where all heads are equally wide, as our recipes do."""
    levels = [level for level in range(len(config.heads)) if config.attends(level)]
    sizes = {config.block_out_channels[level] // config.heads[level] for level in levels}
    if len(sizes) != 1:
        return config
    return UNetConfig.from_dict({**config.to_dict(), "heads": (), "head_dim": sizes.pop()})


def vae_to_foreign(config: VAEConfig) -> dict[str, Any]:
    """Return AutoencoderKL's config."""
    levels = len(config.block_out_channels)
    return {
        "_class_name": "AutoencoderKL",
        **VERSION,
        **{name: values[0] for name, values in VAE_FIXED.items()},
        "block_out_channels": list(config.block_out_channels),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "force_upcast": False,
        "in_channels": config.in_channels,
        "latent_channels": config.latent_channels,
        "layers_per_block": config.layers_per_block,
        "mid_block_add_attention": config.mid_attention,
        "norm_num_groups": config.norm_num_groups,
        "out_channels": config.in_channels,
        "scaling_factor": 1.0,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
    }


def vae_from_foreign(values: Mapping[str, Any], file: Path) -> VAEConfig:
    """Return our config for AutoencoderKL's.

    Raises:
        UserError: a setting that our VAE does not have.
    """
    check_fixed(values, VAE_REFUSED, file)
    check_whole(values, (*VAE_WHOLE, "block_out_channels"), file, only=("block_out_channels",))
    if values.get("out_channels", 3) != values.get("in_channels", 3):
        raise UserError(f"{file}: out_channels = {values.get('out_channels', 3)} must be in_channels")
    widths = values.get("block_out_channels", [64])
    for name, kind in (("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")):
        if values.get(name, [kind]) != [kind] * len(widths):
            raise UserError(f"{file}: {name} = {values.get(name)!s:.200} is not supported")
    sizes = {
        "in_channels": values.get("in_channels", 3),
        "latent_channels": values.get("latent_channels", 4),
        "block_out_channels": widths,
        "layers_per_block": values.get("layers_per_block", 1),
        "norm_num_groups": values.get("norm_num_groups", 32),
        "mid_attention": values.get("mid_block_add_attention", True),
    }
    return build(VAEConfig, sizes, file)


def check_fixed(values: Mapping[str, Any], fixed: Mapping[str, tuple[Any, ...]], file: Path) -> None:
    """Refuse settings whose value is none of the allowed ones; absent ones have the default, which is allowed.

    Raises:
        UserError: naming the file, the setting and its value.
    """
    for name, allowed in fixed.items():
        if name in values and values[name] not in allowed:
            raise UserError(f"{file}: {name} = {shown(values[name])} is not supported")


def is_number(value: Any) -> bool:
    """Whether a value of JSON is a finite number; true and false are none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def names_in(values: Mapping[str, Any], name: str, default: list[str], file: Path) -> list[str]:
    """A setting that is a list of names.

    Raises:
        UserError: it is something else.
    """
    found = values.get(name, default)
    if not isinstance(found, list | tuple) or not all(isinstance(part, str) for part in found):
        raise UserError(f"{file}: {name} = {found!r:.60} is not supported; it should be a list of names")
    return list(found)


def group_in(values: Mapping[str, Any], name: str, file: Path) -> Mapping[str, Any]:
    """A group of settings inside a config; none where it is left out or null.

    Raises:
        UserError: it is something else.
    """
    found = {} if values.get(name) is None else values[name]
    if not isinstance(found, Mapping):
        raise UserError(f"{file}: {name} = {found!r:.60} is not supported; it should be a group of settings")
    return found


def check_whole(
    values: Mapping[str, Any],
    names: Iterable[str],
    file: Path,
    lists: Collection[str] = (),
    empty: Collection[str] = (),
    only: Collection[str] = (),
) -> None:
    """Refuse sizes that are no whole numbers above 0.

    Args:
        values: of a foreign config.
        names: of the sizes; absent ones have the default.
        file: the config.
        lists: names that may also be a list of such numbers.
        empty: names that may be null.
        only: names that must be such a list.

    Raises:
        UserError: naming the file, the setting and its value.
    """
    for name in names:
        value = values.get(name, 1)
        is_list = isinstance(value, list | tuple)
        parts = list(value) if is_list and name in (*lists, *only) else [value]
        most = MOST_LAYERS if name in LAYERS else MOST_SIZE
        fine = 0 < len(parts) <= MOST_LEVELS and all(type(x) is int and 0 < x <= most for x in parts)
        fine = fine and (is_list or name not in only or name not in values)
        if not fine and not (value is None and name in empty):
            what = "a list of whole numbers" if name in only else "a whole number"
            above = f"above 0, at most {most:,}" if any(type(x) is int and x > most for x in parts) else "above 0"
            raise UserError(f"{file}: {name} = {value!r:.60} is not supported; it should be {what} {above}")


def build(kind: type[C], values: dict[str, Any], file: Path) -> C:
    """Make a config of ours.

    Raises:
        UserError: naming the file in whatever is wrong with its values.
    """
    try:
        return kind.from_dict(values)
    except (UserError, TypeError, ValueError, AttributeError) as error:
        raise UserError(f"{file}: {error}") from None
