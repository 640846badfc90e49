"""Where a run's pictures come from: a set of them, or drawings, of which the world is made."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fromnoise.data.captions import CaptionMix, CaptionSampler
from fromnoise.data.packed import DRAWINGS_FILE
from fromnoise.data.pictures import PictureSet
from fromnoise.data.record import Record
from fromnoise.data.world import Drawing, World, WorldStream
from fromnoise.data.world.drawing import chosen_drawings, is_drawings, record_of_drawing
from fromnoise.data.world.packing import pack_world
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import write_atomically
from fromnoise.system.defaults import check_default_style
from fromnoise.training.continuing import RUN, SAMPLE
from fromnoise.training.examples import Examples, StoredExamples
from fromnoise.training.pool import Maker, WorldExamples
from fromnoise.training.recipe import Recipe
from fromnoise.training.shaped import examples_in
from fromnoise.training.stored_latents import kept_latents
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.vae import encode_all

WHITENED_BY = 2048  # pictures whose latents say what white is
BESIDE = 256  # prompts at most that are asked beside the pictures: held-out ones and those of the sheets


@dataclass(frozen=True)
class Shown:
    """What the pictures of a run show.

    Attributes:
        records: of all pictures and drawings that something is learnt from.
        drawings: how many of the records, the first, are drawings that pictures are made of.
    """

    records: list[Record]
    drawings: int = 0


def pictures_of(data: str, out: Path) -> str:
    """Where a run's pictures are: the data, or where those are drawings, a sample of the world in the run's folder."""
    return str(out / SAMPLE) if is_drawings(data) else data


def sampled(recipe: Recipe, data: str, out: Path) -> tuple[Recipe, str]:
    """The data with the recipe to read them by; where they are drawings, the packed sample, made where it is missing.

    Raises:
        UserError: unusable drawings, other ones than the run began with, a full disk, or packages are missing.
    """
    file, mark = Path(pictures_of(data, out)), out / f".{SAMPLE}.made_from"
    if not is_drawings(data):
        return recipe, data
    drawings, made_from = _drawings(recipe, data), _named(recipe, data)
    if not (file.is_file() and mark.is_file() and mark.read_text(encoding="utf-8") == made_from):
        if (out / RUN).exists():
            raise UserError(
                f"{out} was started with other drawings: give the --data that it began with, or a new --out"
            )
        if not recipe.start_from:
            check_default_style(recipe.default_style, tuple(sorted({d.style for d in drawings if d.style})))
        out.mkdir(parents=True, exist_ok=True)
        config = recipe.data.world
        stream = WorldStream(recipe.data.pixels, seed=recipe.seed, workers=config.drawing_processes())
        pack_world(drawings, file, stream, config.sample, config.mix)
        write_atomically(mark, made_from)
    # Drawings were chosen by styles and groups already; a picture of two hands has none of its own.
    whole = replace(recipe.data, styles=(), groups=(), limit=0, scenes=0)
    return replace(recipe, data=whole), str(file)


def shown(recipe: Recipe, data: str, pictures: PictureSet) -> Shown:
    """What a run's pictures show; of the world, that is what all its drawings do, and how the sample tells of them."""
    if not is_drawings(data):
        return Shown(pictures.records)
    records = [record_of_drawing(d) for d in _drawings(recipe, data) if d.split == "train"]
    return Shown([*records, *pictures.records], len(records))


def captions_of(recipe: Recipe, data: str) -> CaptionMix:
    """How pictures are asked for. The world's texts are exact; a colour or an article more would make them untrue."""
    mix = recipe.data.captions
    return replace(mix, colour=0.0, article=0.0) if is_drawings(data) else mix


def most_captions(recipe: Recipe, data: str, records: Sequence[Record]) -> int:
    """At most how many different captions a U-Net hears in its training; the world has no end of them."""
    if is_drawings(data) or not recipe.diffusion.remember:
        return sys.maxsize
    return CaptionSampler(records, captions_of(recipe, data)).most() + recipe.diffusion.known + BESIDE


def examples_of(
    recipe: Recipe, data: str, out: Path, stamp: str, encoder: tuple[Any, Compute, bool], pictures: PictureSet
) -> Examples:
    """What the U-Net learns from: the endless world, or every picture's latents, in a file of the run.

    Args:
        recipe: every number of the run.
        data: drawings or pictures.
        out: the run's folder.
        stamp: names the pictures and the VAE's training; the world's pool is named by drawings and weights themselves.
        encoder: the VAE, where it computes, and whether it is made white first, in place.
        pictures: the data, or the sample of the world.
    """
    vae, compute, whiten = encoder
    if whiten and (is_drawings(data) or recipe.data.fit == "shapes"):
        seen = encode_all(vae, pictures.images[:WHITENED_BY], compute)
        vae.whiten_(seen.mean((0, 2, 3)), seen.std((0, 2, 3)))
    if not is_drawings(data) and recipe.data.fit == "shapes":
        mix = captions_of(recipe, data)
        return examples_in(recipe, data, out, stamp, (vae, compute), mix, recipe.diffusion.mirror)
    if not is_drawings(data):
        share = recipe.data.scene_share
        latents = kept_latents(out / "latents.safetensors", stamp, vae, pictures, compute, whiten, share)
        captions = CaptionSampler(pictures.records, captions_of(recipe, data))
        return StoredExamples(latents, captions, recipe.diffusion.mirror, recipe.seed)
    world = World(_drawings(recipe, data), recipe.data.world.mix)
    made_of = f"{_named(recipe, data)} {_weights(vae)}"
    maker = Maker(world, recipe.data.world, recipe.data.pixels, recipe.seed, vae, compute, made_of)
    return WorldExamples(out / "pool", maker)


def _drawings(recipe: Recipe, data: str) -> list[Drawing]:
    """Those of the recipe's styles and groups."""
    return chosen_drawings(data, recipe.data.styles, recipe.data.groups, recipe.data.limit)


def _named(recipe: Recipe, data: str) -> str:
    """16 hex digits that name drawings and what is made of them."""
    d, file = recipe.data, Path(data)
    digest = hashlib.sha256((file if file.is_file() else file / DRAWINGS_FILE).read_bytes())
    asked = [recipe.seed, d.pixels, d.styles, d.groups, d.limit, d.world.sample, d.world.mix.to_dict()]
    digest.update(json.dumps(asked, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def _weights(vae: Any) -> str:
    """16 hex digits that name a VAE's weights."""
    digest = hashlib.sha256()
    for weight in vae.state_dict().values():
        digest.update(weight.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
