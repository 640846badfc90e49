"""Where a run's pictures come from: a set of them, or drawings, of which the world is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fromnoise.data.captions import CaptionSampler
from fromnoise.data.pictures import PictureSet
from fromnoise.data.world import Drawing, World, WorldStream, read_drawings
from fromnoise.data.world.drawing import is_drawings
from fromnoise.data.world.packing import pack_world
from fromnoise.ground.errors import UserError
from fromnoise.training.examples import Examples, StoredExamples
from fromnoise.training.pool import Maker, WorldExamples
from fromnoise.training.recipe import Recipe
from fromnoise.training.run_data import kept_latents
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.vae import encode_all

SAMPLE = "world.parquet"
WHITENED_BY = 2048  # pictures whose latents say what white is


def sampled(recipe: Recipe, data: str, out: Path) -> str:
    """The data, or where they are drawings, the packed sample of the world in the run's folder; made where missing.

    Raises:
        UserError: unusable drawings, a full disk, or packages are missing.
    """
    if not is_drawings(data):
        return data
    file, config = out / SAMPLE, recipe.data.world
    if not file.is_file():
        out.mkdir(parents=True, exist_ok=True)
        stream = WorldStream(recipe.data.pixels, seed=recipe.seed, workers=config.drawing_processes())
        pack_world(_drawings(recipe, data), file, stream, config.sample, config.mix)
    return str(file)


def examples_of(
    recipe: Recipe, data: str, out: Path, stamp: str, encoder: tuple[Any, Compute, bool], pictures: PictureSet
) -> Examples:
    """What the U-Net learns from: the endless world, or every picture's latents, in a file of the run.

    Args:
        recipe: every number of the run.
        data: drawings or pictures.
        out: the run's folder.
        stamp: names the pictures and the VAE's weights.
        encoder: the VAE, where it computes, and whether it is made white first, in place.
        pictures: the data, or the sample of the world.
    """
    vae, compute, whiten = encoder
    if not is_drawings(data):
        share = recipe.data.scene_share
        latents = kept_latents(out / "latents.safetensors", stamp, vae, pictures, compute, whiten, share)
        captions = CaptionSampler(pictures.records, recipe.data.captions)
        return StoredExamples(latents, captions, recipe.diffusion.mirror, recipe.seed)
    if whiten:
        seen = encode_all(vae, pictures.images[:WHITENED_BY], compute)
        vae.whiten_(seen.mean((0, 2, 3)), seen.std((0, 2, 3)))
    world = World(_drawings(recipe, data), recipe.data.world.mix)
    maker = Maker(world, recipe.data.world, recipe.data.pixels, recipe.seed, vae, compute, stamp)
    return WorldExamples(out / "pool", maker)


def _drawings(recipe: Recipe, data: str) -> list[Drawing]:
    """Those of the recipe's styles and groups.

    Raises:
        UserError: none is left.
    """
    d = recipe.data
    found = [
        drawing for drawing in read_drawings(data)
        if (not d.styles or drawing.style in d.styles) and (not d.groups or drawing.group in d.groups)
    ]  # fmt: skip
    if not found:
        raise UserError(f"{data} has no drawings of these styles and groups; leave out data.styles and data.groups")
    return found[: d.limit] if d.limit else found
