"""LoRA files: which module of a model each changes, and by what, in all the namings that are in use.

A LoRA (Hu et al. 2021, arXiv 2106.09685) changes a weight W to W + (alpha / rank) * up @ down, with ``down`` of few
rows and ``up`` of few columns. Trainers agree on that and on little else; whatever a file calls a module, here it is
the part's folder and diffusers' (or SGM's) name with underscores: "unet.mid_block_attentions_0_proj_in".
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fromnoise.ground.errors import UserError, one_line
from fromnoise.weights.peft_settings import by_pattern, check_named, check_rank, settings_of
from fromnoise.weights.stored import Stored, Weights, stored_in

UNET, TEXT, SECOND_TEXT = "unet", "text_encoder", "text_encoder_2"
# How names of modules begin: with the part's name, or at once with a module that only this part has.
PREFIXES = {
    "lora_unet_": UNET,
    "lora_te1_": TEXT,
    "lora_te2_": SECOND_TEXT,
    "lora_te_": TEXT,
    "diffusion_model.": UNET,
    f"{UNET}.": UNET,
    f"{SECOND_TEXT}.": SECOND_TEXT,
    f"{TEXT}.": TEXT,
}
BARE = {
    r"(down_blocks|mid_block|up_blocks|time_embedding|add_embedding|conv_in|conv_out)(\.|$)": UNET,
    r"text_model\.": TEXT,
}
# ".lora_down.weight", ".lora_A.weight", "to_q_lora.down.weight", ".lora.down.weight", ".lora_linear_layer.down.weight"
TENSOR = re.compile(
    r"(?P<module>.+?)(?:(?:[._]lora|\.lora_linear_layer)[._](?P<side>A|B|down|up|mid)(?:\.default)?\.weight"
    r"|(?:[._]lora|\.lora_linear_layer)?\.(?P<alpha>alpha))"
)
SIDES = {"A": "down", "B": "up"}
# What other methods and trainers write, by what their tensors are called.
REFUSED = {
    r"dora_scale|lora_magnitude_vector": "a DoRA",
    r"\.hada_": "a LoHa",
    r"\.lokr_": "a LoKr",
    r"\.oft_": "an OFT",
    r"\.on_input": "an IA3",
    r"\.diff(_b)?$": "a difference of whole weights",
    r"lora_embedding_": "a LoRA of embeddings",
    r"bundle_emb": "a LoRA with words of its own",
    r"lora.*\.bias": "a LoRA with biases",
}
FAMILIES = {768: "Stable Diffusion 1.x", 1024: "Stable Diffusion 2.x", 2048: "Stable Diffusion XL"}
OTHER_FAMILIES = {"double_blocks": "Flux", "single_blocks": "Flux", "joint_blocks": "Stable Diffusion 3"}
KNOWN = "known are LoRA and LoCon for Stable Diffusion 1.x, 2.x and XL"


class Change(NamedTuple):
    """What a LoRA adds to the weight of one module.

    Attributes:
        name: of the module, as in the file.
        down: name of a tensor (rank, in), or (rank, in, height, width) for a convolution.
        up: name of a tensor (out, rank); 1x1 convolutions count as matrices.
        mid: name of a tensor (rank, rank, height, width) between two 1x1 convolutions, or None.
        scale: alpha / rank.
        shape: of the change, (out, in) or (out, in, height, width).
    """

    name: str
    down: str
    up: str
    mid: str | None
    scale: float
    shape: tuple[int, ...]

    def add_to(self, rows: Tensor, weights: Weights, factor: float) -> None:
        """Add factor * (alpha / rank) * up @ down.

        Args:
            rows: of a weight, float32, of ``shape``; the change is written into it.
            weights: the tensors of the file.
            factor: the LoRA's weight.

        Raises:
            UserError: the file is damaged.
        """
        names = [name for name in (self.up, self.down, self.mid) if name is not None]
        tensors = [weights.take(name, torch.float32) for name in names]
        if not all(bool(torch.isfinite(x).all()) for x in tensors):
            raise UserError(f"{weights.file} is damaged: '{one_line(self.name)}' has values that are not finite")
        up, down = (x.flatten(1) for x in tensors[:2])
        up = up * (factor * self.scale)  # the smallest of the tensors that could be multiplied
        if self.mid is not None:
            rows += torch.einsum("or,rshw,sc->ochw", up, tensors[2], down).reshape(rows.shape)
        elif rows.ndim == 2:
            rows.addmm_(up, down)
        else:
            rows += (up @ down).reshape(rows.shape)


@dataclass(frozen=True, eq=False)
class Lora:
    """A LoRA file, understood; its tensors are still in the file.

    Attributes:
        file: where it is.
        hash: 12 hex digits, SHA-256 of the file.
        changes: by module: "unet.", "text_encoder." or "text_encoder_2.", then its name with underscores for dots.
        places: where each tensor is.
    """

    file: Path
    hash: str
    changes: Mapping[str, Change]
    places: Mapping[str, Stored]

    @property
    def name(self) -> str:
        """The file's name without its ending."""
        return self.file.stem

    @property
    def family(self) -> str | None:
        """The kind of model it was made for, where that can be told: "Stable Diffusion XL"."""
        if any(module.startswith(f"{SECOND_TEXT}.") for module in self.changes):
            return FAMILIES[2048]
        for module, change in self.changes.items():
            for part, family in OTHER_FAMILIES.items():
                if part in module:
                    return family
            if module.endswith(("attn2_to_k", "attn2_to_v")):
                return FAMILIES.get(change.shape[1])
        return None


def read_lora(file: Path) -> Lora:
    """Find out what a LoRA file changes; of its tensors only the alphas are read.

    Args:
        file: .safetensors, from kohya's scripts (also LoCon), diffusers (of any year) or peft.

    Raises:
        UserError: no such file, a pickle, damaged, or of a kind that is not supported.
    """
    file = file.expanduser()
    _check_file(file)
    places = stored_in(file)
    sides: dict[str, dict[str, str]] = {}
    for name in places:
        module, side = _understood(file, name)
        sides.setdefault(module, {})[side] = name
    settings, weights = settings_of(file), Weights(places)
    changes: dict[str, Change] = {}
    for module, names in sides.items():
        part, inner = _located(file, module)
        flat, own = _flat(part, inner), settings.get(part) or settings.get("") or {}
        check_named(file, own, flat)
        key = f"{part}.{flat}"
        if key in changes:
            raise UserError(f"{file} is damaged: it changes '{one_line(module)}' twice")
        changes[key] = _change(module, names, weights, own, inner)
    if not changes:
        raise UserError(f"{file} is not a LoRA: it is empty")
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()[:12]
    return Lora(file, digest, changes, places)


def _check_file(file: Path) -> None:
    if file.is_dir():
        raise UserError(f"{file} is a folder; name the .safetensors file of the LoRA that is in it")
    if not file.is_file():
        lost = "" if file.parent.is_dir() else f", and no folder {file.parent}"
        raise UserError(f"there is no file {file}{lost}; a LoRA is a .safetensors file on this machine")
    if not os.access(file, os.R_OK):
        raise UserError(f"{file} may not be read by this user")
    if file.suffix.lower() in (".ckpt", ".pt", ".pth", ".bin"):
        raise UserError(f"{file} is a pickle, which can run code; it is not opened; LoRAs are read from .safetensors")


def _understood(file: Path, name: str) -> tuple[str, str]:
    """Split a tensor's name: the module it changes, and "down", "up", "mid" or "alpha".

    Raises:
        UserError: it is none of a LoRA, or of one that we do not have.
    """
    found = TENSOR.fullmatch(name)
    if found is None:
        kind = next((kind for mark, kind in REFUSED.items() if re.search(mark, name)), None)
        what = f"is {kind}, which is not supported" if kind else "is not a LoRA"
        raise UserError(f"{file} {what} ('{one_line(name)}'); {KNOWN}")
    return found["module"], found["alpha"] or SIDES.get(found["side"], found["side"])


def _located(file: Path, module: str) -> tuple[str, str]:
    """Split a module's name in the file: the part of the model, and the rest.

    Raises:
        UserError: it does not tell the part.
    """
    module = module.replace("base_model.model.", "", 1)
    for prefix, part in PREFIXES.items():
        if module.startswith(prefix):
            return part, module.removeprefix(prefix)
    for pattern, part in BARE.items():
        if re.match(pattern, module):
            return part, module
    raise UserError(f"{file} is for another kind of model: '{one_line(module)}' is in no U-Net or text tower; {KNOWN}")


def _flat(part: str, inner: str) -> str:
    """The name of a module as kohya's scripts write it, whoever wrote it."""
    flat = inner.replace(".processor.", ".").replace(".", "_")
    if part == UNET:  # diffusers of 2023 left out the number
        return f"{flat}_0" if flat.endswith("_to_out") else flat
    flat = re.sub(r"_self_attn_to_(q|k|v|out)$", r"_self_attn_\1_proj", flat)  # diffusers of 2023
    plain = flat.startswith(("text_model_", "text_projection"))
    return flat if plain else f"text_model_{flat}"  # left out by transformers 5


def _change(module: str, names: Mapping[str, str], weights: Weights, settings: Mapping[str, Any], inner: str) -> Change:
    """Put together the tensors of one module.

    Raises:
        UserError: one is missing, or they do not fit each other.
    """
    missing = [side for side in ("down", "up") if side not in names]
    if missing:
        raise UserError(f"{weights.file} is damaged: '{one_line(module)}' has no '{missing[0]}'")
    shapes = {side: weights.places[name].shape for side, name in names.items()}
    down, up, mid = shapes["down"], shapes["up"], shapes.get("mid")
    kernel = plain_shape(mid or down)[2:]
    fits = (
        all(weights.places[name].dtype.startswith(("F", "BF")) for side, name in names.items() if side != "alpha")
        and len(down) in (2, 4)
        and len(plain_shape(up)) == 2
        and up[1] == (mid or down)[0]
        and (mid is None or (len(mid) == 4 and len(plain_shape(down)) == 2 and mid[1] == down[0]))
        and down[0] > 0
    )
    if not fits:
        raise UserError(f"{weights.file} is damaged: '{one_line(module)}' has tensors that do not fit: {shapes}")
    scale = _scale(module, names, weights, settings, inner)
    return Change(module, names["down"], names["up"], names.get("mid"), scale, (up[0], down[1], *kernel))


def plain_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return the shape of a weight, of a 1x1 convolution as of the matrix that it is."""
    return shape[:2] if shape[2:] == (1, 1) else shape


def _scale(module: str, names: Mapping[str, str], weights: Weights, settings: Mapping[str, Any], inner: str) -> float:
    """Return alpha / rank: 1 where nothing is said, as in diffusers and in kohya's scripts.

    Raises:
        UserError: an alpha that is no number, or settings that say something else than the tensors.
    """
    rank = weights.places[names["down"]].shape[0]
    check_rank(weights.file, settings, inner, rank)
    alpha: Any = rank
    if "alpha" in names:
        x = weights.take(names["alpha"], torch.float32)
        alpha = x.item() if x.numel() == 1 else None
    elif settings:
        alpha = by_pattern(weights.file, settings, "alpha_pattern", inner, settings.get("lora_alpha", rank))
    if not isinstance(alpha, int | float) or not math.isfinite(alpha):
        raise UserError(f"{weights.file} is damaged: alpha of '{one_line(module)}' should be a number")
    # use_rslora: a scale that keeps large ranks from learning too slowly (arXiv 2312.03732).
    return float(alpha) / (math.sqrt(rank) if settings.get("use_rslora") and "alpha" not in names else rank)
