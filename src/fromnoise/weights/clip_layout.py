"""The text side of the layout: folders that transformers' CLIPTextModel and CLIPModel open.

Inside a model, ``clip/`` holds the image tower only. Its index of shards names ``text_encoder/`` as the place of the
text tower, which transformers follows, so the same weights are not stored twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fromnoise.ground.errors import UserError
from fromnoise.models.clip.clip import CLIP, CLIPConfig
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig, TextTower
from fromnoise.weights.configs import build, check_fixed, check_whole, group_in, names_in
from fromnoise.weights.files import empty, read_json, write_json, write_weights
from fromnoise.weights.names import Entry, Table, entries, inside, to_foreign
from fromnoise.weights.stored import Weights, fill, find_weights

WEIGHTS = "model"
IMAGE_SHARD = "image"
TEXT_WEIGHTS = f"text_encoder/{WEIGHTS}.safetensors"
INDEX = f"{WEIGHTS}.safetensors.index.json"
FIXED: dict[str, tuple[Any, ...]] = {
    "hidden_act": ("quick_gelu", "gelu"),
    "layer_norm_eps": (1e-5,),
    "model_type": ("clip", "clip_text_model", "clip_vision_model", None),
    "num_channels": (3,),
    "use_attention_mask": (False, None),  # of diffusers: hide the padding from the tower
}
TOWER = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "projection_dim")
WHOLE = (*TOWER, "vocab_size", "max_position_embeddings", "image_size", "patch_size")
LAYER: Table = {
    "norm_1": ("layer_norm1",),
    "attention.qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "attention.out": ("self_attn.out_proj",),
    "norm_2": ("layer_norm2",),
    "up": ("mlp.fc1",),
    "down": ("mlp.fc2",),
}


def save_text(tower: TextTower, folder: Path, dtype: torch.dtype | None) -> None:
    """Write ``config.json`` and the weights of a CLIPTextModel."""
    kind = "CLIPTextModelWithProjection" if tower.config.projection else "CLIPTextModel"
    config = {"architectures": [kind], **text_to_foreign(tower.config)}
    _save(tower, config, text_table(tower.config), folder, dtype)


def load_text(folder: Path, dtype: torch.dtype | None = torch.float32) -> TextTower:
    """Read a CLIPTextModel.

    Raises:
        UserError: a file is missing or damaged, does not fit its config, or needs what our tower does not have.
    """
    file = folder / "config.json"
    config = text_from_foreign(read_json(file), file)
    tower: TextTower = filled(config, text_table(config), find_weights(folder, WEIGHTS), dtype)
    return tower


def save_clip(clip: CLIP, folder: Path, dtype: torch.dtype | None, text: Path | None = None) -> None:
    """Write ``config.json`` and the weights of a CLIPModel, and the preprocessor that makes -1..1 of a picture.

    Args:
        clip: both towers.
        folder: where to.
        dtype: of the file.
        text: the weights of this very text tower, beside ``folder``, that are there already; they are referred to.
    """
    write_json(folder / "config.json", clip_to_foreign(clip.config))
    write_json(folder / "preprocessor_config.json", preprocessor(clip.config.image.pixels))
    state = to_foreign(clip.state_dict(), entries(clip.state_dict(), clip_table(clip.config)))
    own = {name: x for name, x in state.items() if text is None or not name.startswith("text_model.")}
    file = folder / f"{WEIGHTS if text is None else IMAGE_SHARD}.safetensors"
    write_weights(file, own, dtype)
    if text is not None:
        places = {name: file.name if name in own else f"../{text.parent.name}/{text.name}" for name in sorted(state)}
        size = sum(x.numel() for x in state.values()) * (dtype or torch.float32).itemsize
        write_json(folder / INDEX, {"metadata": {"total_size": size}, "weight_map": places})


def load_clip(folder: Path, text: TextTower | None = None, dtype: torch.dtype | None = torch.float32) -> CLIP:
    """Read a CLIPModel.

    Args:
        folder: what :func:`save_clip` wrote.
        text: the text tower, when ``folder`` has only the image tower; it becomes part of the result, not a copy.
        dtype: of what is read from ``folder``; None: as stored.

    Raises:
        UserError: as :func:`load_text`, or the towers do not belong together.
    """
    file = folder / "config.json"
    config = clip_from_foreign(read_json(file), file)
    if not (folder / f"{IMAGE_SHARD}.safetensors").is_file():
        clip: CLIP = filled(config, clip_table(config), find_weights(folder, WEIGHTS), dtype)
        return clip
    if text is None or text.config != config.text:
        raise UserError(f"{folder} is the image side of another text tower than the one beside it")
    clip = empty(config)
    names = [entry for entry in entries(clip.state_dict(), clip_table(config)) if not _is_text(entry)]
    fill(clip, find_weights(folder, IMAGE_SHARD), names, dtype, partly=True)
    clip.text = text
    return clip


def equal_weights(a: nn.Module, b: nn.Module) -> bool:
    """Whether two networks have the same tensors, bit for bit."""
    ours, theirs = a.state_dict(), b.state_dict()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def _is_text(entry: Entry) -> bool:
    return any(name.startswith("text_model.") for name in entry.theirs)


def text_table(config: TextConfig) -> Table:
    """Return what the modules of CLIPTextModel are called."""
    table: Table = {
        "token": ("embeddings.token_embedding",),
        "position": ("embeddings.position_embedding",),
        "norm_out": ("final_layer_norm",),
    }
    return {"projection": ("text_projection",), **inside("", "text_model.", {**table, **_layers(config.layers)})}


def clip_table(config: CLIPConfig) -> Table:
    """Return what the modules of CLIPModel are called."""
    image: Table = {
        "class_token": ("embeddings.class_embedding",),
        "patch": ("embeddings.patch_embedding",),
        "position": ("embeddings.position_embedding",),
        "norm_in": ("pre_layrnorm",),  # their spelling
        "norm_out": ("post_layernorm",),
    }
    return {
        "logit_scale": ("logit_scale",),
        "text_projection": ("text_projection",),
        "image_projection": ("visual_projection",),
        **inside("text.", "", text_table(config.text)),
        **inside("image.", "vision_model.", {**image, **_layers(config.image.layers)}),
    }


def _layers(count: int) -> Table:
    table: Table = {}
    for i in range(count):
        table |= inside(f"blocks.{i}.", f"encoder.layers.{i}.", LAYER)
    return table


def text_to_foreign(config: TextConfig) -> dict[str, Any]:
    """Return CLIPTextConfig's values; the start token stands just before the end token in every CLIP vocabulary."""
    return {
        **_tower_to_foreign(config),
        "model_type": "clip_text_model",
        "bos_token_id": config.eos_token_id - 1,
        "eos_token_id": config.eos_token_id,
        "max_position_embeddings": config.context,
        "pad_token_id": config.eos_token_id,
        "vocab_size": config.vocab_size,
        **({"projection_dim": config.projection} if config.projection else {}),
    }


def text_from_foreign(values: Mapping[str, Any], file: Path) -> TextConfig:
    """Return our config for CLIPTextConfig's values.

    Raises:
        UserError: a setting that our tower does not have.
    """
    check_whole(values, WHOLE, file, empty=("projection_dim",))
    vocab_size = values.get("vocab_size", 49408)
    # Plain text models also say projection_dim, and do not have one.
    kinds = [] if values.get("architectures") is None else names_in(values, "architectures", [], file)
    own = "CLIPTextModelWithProjection" in kinds
    projected = values.get("projection_dim", 512) if own else 0
    end = values.get("eos_token_id", vocab_size - 1)
    if isinstance(end, bool) or not isinstance(end, int) or not 0 <= end < vocab_size:
        raise UserError(f"{file}: eos_token_id = {end!r:.60} should be the number of a token, below {vocab_size}")
    sizes = {
        **_tower_from_foreign(values, file, width=512, heads=8),
        "vocab_size": vocab_size,
        "context": values.get("max_position_embeddings", 77),
        "projection": projected,
        # Files of 2022 say 2, which is not the end token; readers know to take the last one of the vocabulary.
        "eos_token_id": vocab_size - 1 if end == 2 else end,
    }
    return build(TextConfig, sizes, file)


def clip_to_foreign(config: CLIPConfig) -> dict[str, Any]:
    """Return CLIPConfig's values."""
    image = {
        **_tower_to_foreign(config.image),
        "model_type": "clip_vision_model",
        "image_size": config.image.pixels,
        "num_channels": 3,
        "patch_size": config.image.patch,
    }
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": config.projection,
        "text_config": {**text_to_foreign(config.text), "projection_dim": config.projection},
        "vision_config": {**image, "projection_dim": config.projection},
    }


def clip_from_foreign(values: Mapping[str, Any], file: Path) -> CLIPConfig:
    """Return our config for CLIPConfig's values.

    Raises:
        UserError: a setting that our towers do not have.
    """
    image = group_in(values, "vision_config", file)
    sizes = {
        **_tower_from_foreign(image, file, width=768, heads=12),
        "pixels": image.get("image_size", 224),
        "patch": image.get("patch_size", 32),
    }
    text = text_from_foreign(group_in(values, "text_config", file), file)
    check_whole(values, ("projection_dim",), file)
    return CLIPConfig(text, build(ImageConfig, sizes, file), values.get("projection_dim", 512))


def preprocessor(pixels: int) -> dict[str, Any]:
    """Return CLIPImageProcessor's config that turns a picture into -1..1 at our size."""
    return {
        "image_processor_type": "CLIPImageProcessor",
        "crop_size": {"height": pixels, "width": pixels},
        "do_center_crop": True,
        "do_convert_rgb": True,
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5],
        "image_std": [0.5, 0.5, 0.5],
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"shortest_edge": pixels},
    }


def _tower_to_foreign(config: TextConfig | ImageConfig) -> dict[str, Any]:
    return {
        "attention_dropout": 0.0,
        # transformers 5 would compute in the stored float16, beside a U-Net that diffusers opens in float32.
        "torch_dtype": "float32",
        "hidden_act": config.activation,
        "hidden_size": config.width,
        "intermediate_size": config.mlp_ratio * config.width,
        "layer_norm_eps": 1e-5,
        "num_attention_heads": config.heads,
        "num_hidden_layers": config.layers,
    }


def _tower_from_foreign(values: Mapping[str, Any], file: Path, width: int, heads: int) -> dict[str, Any]:
    check_fixed(values, FIXED, file)
    check_whole(values, WHOLE, file, empty=("projection_dim",))
    width = values.get("hidden_size", width)
    inner = values.get("intermediate_size", 4 * width)
    if inner % width:
        raise UserError(f"{file}: intermediate_size = {inner} is not a multiple of hidden_size = {width}")
    return {
        "width": width,
        "layers": values.get("num_hidden_layers", 12),
        "heads": values.get("num_attention_heads", heads),
        "mlp_ratio": inner // width,
        "activation": values.get("hidden_act", "quick_gelu"),
    }


def _save(network: nn.Module, config: dict[str, Any], table: Table, folder: Path, dtype: torch.dtype | None) -> None:
    write_json(folder / "config.json", config)
    names = entries(network.state_dict(), table)
    write_weights(folder / f"{WEIGHTS}.safetensors", to_foreign(network.state_dict(), names), dtype)


def filled(config: Any, table: Table, weights: Weights, dtype: torch.dtype | None = torch.float32) -> Any:
    """Return a tower or pair of towers with stored weights, under transformers' names."""
    network = empty(config)
    names = entries(network.state_dict(), table)
    fill(network, _prefixed(weights, names), names, dtype)
    return network


def _prefixed(weights: Weights, names: list[Entry]) -> Weights:
    """Give a CLIPTextModel that transformers 5 wrote the "text_model." that all others have."""
    wanted = {name for entry in names for name in entry.theirs}
    places = {name: place for name, place in weights.places.items() if not name.endswith("position_ids")}
    text_only = not any(name.startswith("vision_model.") for name in wanted)
    if text_only and not any(name.startswith("text_model.") for name in places):
        places = {name if name in wanted else f"text_model.{name}": place for name, place in places.items()}
    return weights.renamed(places)
