"""Whole models in one safetensors file, in the original naming of Stable Diffusion 1.x, 2.x and XL.

Such a file has no configs: sizes are read from the shapes, and what shapes do not tell (heads, activations, the
schedule, the latents' scale) from the family it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.text_tower import TextConfig
from fromnoise.models.unet.unet import UNetConfig
from fromnoise.models.vae.vae import VAEConfig
from fromnoise.weights.clip_layout import text_table
from fromnoise.weights.configs import build
from fromnoise.weights.files import empty
from fromnoise.weights.kinds import kind_of, other_family
from fromnoise.weights.names import entries, unet_table, vae_table
from fromnoise.weights.notes import read_notes
from fromnoise.weights.original_names import Original, unet_original, vae_original
from fromnoise.weights.original_sizes import BLOCK, HEAD, sized, text_original, text_sizes, unet_sizes, vae_sizes
from fromnoise.weights.stored import Stored, Weights, foreign_shapes, stored_in

UNET, VAE = "model.diffusion_model.", "first_stage_model."


@dataclass(frozen=True)
class Family:
    """What a file of this family holds and what its shapes do not say.

    Attributes:
        name: "sd1", "sd2" or "sdxl".
        texts: prefix of each text tower, and whether it is OpenCLIP's.
        factor: the VAE's scaling factor.
        side: sample size of the latents.
        prediction: of files that do not say; of Stable Diffusion 2.x the known ones are v, base ones need to be told.
    """

    name: str
    texts: tuple[tuple[str, bool], ...]
    factor: float
    side: int
    prediction: str = "epsilon"


FAMILIES = (
    Family("sd1", (("cond_stage_model.transformer.", False),), 0.18215, 64),
    Family("sd2", (("cond_stage_model.model.", True),), 0.18215, 96, "v"),
    Family(
        "sdxl",
        (("conditioner.embedders.0.transformer.", False), ("conditioner.embedders.1.model.", True)),
        0.13025,
        128,
    ),
)


@dataclass(frozen=True)
class SingleFile:
    """A single file, understood: configs, and weights under the names of the diffusers layout.

    Attributes:
        family: "sd1", "sd2" or "sdxl".
        unet, vae: config and weights.
        texts: config and weights of each text tower.
        factor: the VAE's scaling factor.
        prediction: "epsilon" or "v".
        zero_terminal_snr: whether the file asks for a schedule that ends in pure noise.
        scheduler: config of the scheduler, in files that we wrote; else None.
    """

    family: str
    unet: tuple[UNetConfig, Weights]
    vae: tuple[VAEConfig, Weights]
    texts: tuple[tuple[TextConfig, Weights], ...]
    factor: float
    prediction: str
    zero_terminal_snr: bool
    scheduler: dict[str, Any] | None


def open_single(file: Path, prediction: str | None = None) -> SingleFile:
    """Find out what a file holds, from its header alone.

    Args:
        file: a safetensors file.
        prediction: "epsilon" or "v", whatever the file says.

    Raises:
        UserError: damaged, another architecture, parts missing, or a note in its header that is not known.
    """
    stored = _with_text_model(stored_in(file))
    family = _family(file, stored)
    notes = read_notes(file, stored.keys(), prediction)
    unet = _unet_config(file, stored, family)
    vae = _vae_config(file, stored)
    texts = tuple(_text_config(file, stored, *text, second=i == 1) for i, text in enumerate(family.texts))
    if notes.encoder_layer is not None:
        texts = (_up_to(file, texts[0], family, notes.encoder_layer), *texts[1:])
    if unet.vector_width:
        pooled = texts[-1].projection
        unet = build(UNetConfig, {**unet.to_dict(), "size_width": (unet.vector_width - pooled) // 6}, file)
    return SingleFile(
        family.name,
        (unet, _weights(stored, UNET, _names(unet, unet_names(unet)), lambda n: Original(unet_original(n, unet)))),
        (vae, _weights(stored, VAE, _names(vae, vae_names(vae)), lambda n: Original(vae_original(n, vae)))),
        tuple(
            (config, _text_weights(stored, config, prefix, is_open))
            for config, (prefix, is_open) in zip(texts, family.texts, strict=True)
        ),
        family.factor,
        notes.prediction or family.prediction,
        notes.zero_terminal_snr or _ends_in_noise(file, stored),
        notes.scheduler if prediction is None else None,
    )


def _with_text_model(stored: Mapping[str, Stored]) -> dict[str, Stored]:
    """Put back the "text_model." that merges of 2022 lack before the names of CLIP's tensors."""
    named = dict(stored)
    for prefix in ("cond_stage_model.transformer.", "conditioner.embedders.0.transformer."):
        for part in ("embeddings.", "encoder.", "final_layer_norm."):
            for name in [name for name in named if name.startswith(prefix + part)]:
                whole = f"{prefix}text_model.{name.removeprefix(prefix)}"
                place = named.pop(name)
                named.setdefault(whole, place)
    return named


def _ends_in_noise(file: Path, stored: Mapping[str, Stored]) -> bool:
    """Whether the noise levels that files of the original code carry along are Stable Diffusion's, rescaled.

    Raises:
        UserError: they are neither Stable Diffusion's nor that.
    """
    if "alphas_cumprod" not in stored:
        return False
    levels = Weights(stored).take("alphas_cumprod", torch.float64)
    for zero in (False, True):
        expected = ScheduleConfig(zero_terminal_snr=zero).build().alpha_bar
        if levels.shape == expected.shape and torch.allclose(levels, expected, atol=2e-3):  # some are float16
            return zero
    raise UserError(f"{file}: its alphas_cumprod are not the noise levels of Stable Diffusion, which is not supported")


def family_named(name: str) -> Family:
    """Return the family of this name."""
    return next(family for family in FAMILIES if family.name == name)


unet_names, vae_names = unet_table, vae_table


def _names(config: Any, table: Mapping[str, tuple[str, ...]]) -> list[str]:
    """All tensors of a network in the diffusers layout."""
    network = empty(config)
    return list(foreign_shapes(network, entries(network.state_dict(), dict(table))))


def _weights(
    stored: Mapping[str, Stored], prefix: str, names: Iterable[str], original: Callable[[str], Original]
) -> Weights:
    """The part of a file under a prefix, renamed; what has no name of ours keeps its own, to be complained about."""
    found = {name: original(name) for name in names}
    called = {name: prefix + theirs.name for name, theirs in found.items()}
    places = {name: _part(stored[called[name]], found[name]) for name in found if called[name] in stored}
    used = set(called.values())
    places |= {n: p for n, p in stored.items() if n.startswith(prefix) and n not in used and not _is_ignored(n)}
    return Weights(places, "does not fit together", called)


def _text_weights(stored: Mapping[str, Stored], config: TextConfig, prefix: str, is_open: bool) -> Weights:
    """A text tower's, without the last blocks where the U-Net is told of an earlier one."""
    blocks = {name: BLOCK.search(name) for name in stored}
    read = {name: place for name, place in stored.items() if not (b := blocks[name]) or int(b[1]) < config.layers}
    return _weights(read, prefix, _names(config, text_table(config)), text_original(is_open))


def _part(place: Stored, found: Original) -> Stored:
    shape = place.shape
    if found.third is not None:
        shape = (shape[0] // 3, *shape[1:])
    if found.transposed:
        shape = shape[::-1]
    return Stored(place.file, place.name, shape, place.dtype, found.third, found.transposed)


def _is_ignored(name: str) -> bool:
    """Tensors that original files carry and drawing does not need."""
    ends = (".position_ids", ".logit_scale", ".attn_mask", ".text_projection")
    return name.endswith(ends) or name.startswith(f"{VAE}loss.")


def _family(file: Path, stored: Mapping[str, Stored]) -> Family:
    def has(prefix: str) -> bool:
        return any(name.startswith(prefix) for name in stored)

    if "edm_mean" in stored:
        raise UserError(f"{file} is an EDM model (as Playground v2.5), which is not supported")
    shapes = {name: place.shape for name, place in stored.items()}
    other = other_family(shapes)
    if other:
        raise UserError(f"{file} is {other}")
    texts = any(has(prefix) for family in FAMILIES for prefix, _ in family.texts)
    if not has(UNET) and has(VAE) and texts:
        raise UserError(f"{file} has no U-Net ({UNET}…); it is not a whole model")
    if not has(UNET) or (not has(VAE) and not texts):
        kind = kind_of(shapes) or "not Stable Diffusion 1.x, 2.x or XL; a whole model in the original naming is needed"
        raise UserError(f"{file} is {kind}")
    for family in reversed(FAMILIES):
        if all(has(prefix) for prefix, _ in family.texts):
            if not has(VAE):
                raise UserError(f"{file} has no VAE ({VAE}…); it is not a whole model")
            return family
    if has("conditioner.embedders.0.model."):
        raise UserError(f"{file} is the refiner of Stable Diffusion XL, which is not supported; use the base model")
    raise UserError(f"{file} has no text tower that is known; it is not Stable Diffusion 1.x, 2.x or XL")


def _unet_config(file: Path, stored: Mapping[str, Stored], family: Family) -> UNetConfig:
    shapes = {n.removeprefix(UNET): place.shape for n, place in stored.items() if n.startswith(UNET)}
    if "label_emb.0.0.weight" in shapes and family.name != "sdxl":
        raise UserError(f"{file} is told a picture (label_emb, as unCLIP's are), which is not supported")
    sizes = sized(file, "U-Net of Stable Diffusion", lambda: unet_sizes(shapes))
    heads = {"head_dim": HEAD} if sizes["use_linear_projection"] else {"heads": [8] * len(sizes["attention"])}
    return build(UNetConfig, {**sizes, **heads, "sample_size": family.side}, file)


def _vae_config(file: Path, stored: Mapping[str, Stored]) -> VAEConfig:
    shapes = {n.removeprefix(VAE): place.shape for n, place in stored.items() if n.startswith(VAE)}
    for side in ("encoder", "decoder"):
        if not any(name.startswith(f"{side}.") for name in shapes):
            raise UserError(f"{file} has a VAE without {side} ({VAE}{side}…); it is not a whole model")
    return build(VAEConfig, sized(file, "VAE of Stable Diffusion", lambda: vae_sizes(shapes)), file)


def _text_config(
    file: Path, stored: Mapping[str, Stored], prefix: str, is_open: bool, second: bool = False
) -> TextConfig:
    shapes = {n.removeprefix(prefix): place.shape for n, place in stored.items() if n.startswith(prefix)}
    sizes = sized(file, f"text tower (under {prefix})", lambda: text_sizes(shapes, is_open, second))
    return build(TextConfig, sizes, file)


def _up_to(file: Path, config: TextConfig, family: Family, layer: int) -> TextConfig:
    """The first text tower, up to the block that ``modelspec.encoder_layer`` names; 2 is the last but one.

    Towers of Stable Diffusion 2.x and XL are always read at the last but one, whichever of the two is said.
    """
    most = config.layers if family.name == "sd1" else 2
    if layer > most:
        raise UserError(
            f"{file}: modelspec.encoder_layer = {layer} in its header is not supported; it is at most {most}"
        )
    return replace(config, layers=config.layers - layer + 1) if family.name == "sd1" else config
