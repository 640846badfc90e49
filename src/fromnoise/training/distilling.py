"""Distillation of a finished model, in its run or in a run of its own.

Both work on ``OUT/model`` as it is stored, so that what is learnt fits what will be loaded. ``few_steps/`` in it is
written with every checkpoint.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path

from torch import nn

from fromnoise.data.captions import CaptionMix, CaptionSampler
from fromnoise.data.pictures import PictureSet
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.system.few_steps import save_few_steps
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.conditioning import Conditioning
from fromnoise.training.examples import Latents, StoredExamples
from fromnoise.training.low_rank import LowRank
from fromnoise.training.recipe import ClipStage, DataConfig, DiffusionStage, DistillStage, Recipe, VAEStage
from fromnoise.training.run_data import held_out_latents, some_prompts
from fromnoise.training.stored_latents import latents_of, read_latents, stamp_of, write_latents
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.distill import DistillTask, Teaching


@dataclass(frozen=True)
class Materials:
    """What a run gives to its distillation.

    Attributes:
        recipe: every number of the run.
        pictures: those to train on, and those held out.
        fingerprint: names the pictures and their captions.
        compute: device and format.
        folder: of the task in the run.
        captions: how the pictures are asked for.
        data: where the pictures are.
    """

    recipe: Recipe
    pictures: tuple[PictureSet, PictureSet]
    fingerprint: str
    compute: Compute
    folder: Path
    captions: CaptionMix
    data: str = ""


def distill_task(model: TextToImage, materials: Materials) -> DistillTask:
    """The task for a model in fp32.

    Raises:
        UserError: a kind of model that cannot be distilled, or the folder holds the distillation of another one.
    """
    check_kind(model)
    recipe, compute, records = materials.recipe, materials.compute, materials.pictures[0].records
    latents = _latents(model, materials)
    tower = compute.place(copy.deepcopy(model.text_tower))
    words = Conditioning(model.tokenizer, tower)
    captions = CaptionSampler(records, materials.captions)
    examples = StoredExamples(latents, captions, recipe.distill.mirror, recipe.seed)
    network = LowRank(compute.place(copy.deepcopy(model.unet)), recipe.distill.rank, recipe.seed)
    vae = copy.deepcopy(model.vae).to(compute.device)
    teaching = Teaching(network, model.schedule, model.prediction, vae, _guidance(recipe.distill, model))
    prompts = recipe.distill.prompts or recipe.diffusion.prompts or some_prompts(records)
    stage = replace(recipe.distill, prompts=prompts)
    task = DistillTask(stage, examples, words, teaching, compute)
    task.held_out = held_out_latents(materials.pictures[1], vae, compute)
    return task


def keep(model: TextToImage, folder: Path, network: nn.Module) -> None:
    """Write what was learnt so far into the model's folder."""
    assert isinstance(network, LowRank)
    save_few_steps(folder, network.changes(), model.unet.config, model.schedule, model.prediction)


def recipe_for(model: TextToImage) -> Recipe:
    """The recipe that a model was trained with; for one that does not say, one that has its networks' sizes.

    How it computed is left out: that was another machine.

    Raises:
        UserError: a kind of model that cannot be distilled.
    """
    check_kind(model)
    stored = model.card.get("recipe")
    if isinstance(stored, dict):
        recipe = replace(Recipe.from_dict(stored), precision="auto", threads=0, start_from="", default_style="")
        if "aside" in stored["data"]:
            return recipe
        return replace(recipe, data=replace(recipe.data, aside=0.0))  # it was trained before that existed
    image = ImageConfig(pixels=model.pixels) if model.clip is None else model.clip.config.image
    return Recipe(
        name=str(model.card.get("name", "model")),
        data=DataConfig(pixels=model.pixels, styles=model.styles),
        clip=ClipStage(model.tokenizer.vocab_size, model.text_tower.config, image),
        vae=VAEStage(model.vae.config),
        diffusion=DiffusionStage(model.unet.config),
    )


def _guidance(stage: DistillStage, model: TextToImage) -> tuple[float, tuple[int, int], float]:
    """What is baked in: what the stage says, else what the model is drawn with."""
    ours = model.defaults
    scale = ours.guidance if stage.guidance is None else stage.guidance
    return scale, stage.interval or ours.interval, ours.rescale if stage.rescale is None else stage.rescale


def _latents(model: TextToImage, materials: Materials) -> Latents:
    """Encode every picture once with the stored VAE; later sessions read the file.

    Raises:
        UserError: the folder holds the distillation of another model, or with other pictures.
    """
    file = materials.folder / "latents.safetensors"
    stamp = f"pictures {materials.fingerprint}, model {model.hash}"
    made_from = stamp_of(file)
    if made_from is None:
        file.parent.mkdir(parents=True, exist_ok=True)
        vae = copy.deepcopy(model.vae).to(materials.compute.device)
        write_latents(file, stamp, vae, materials.pictures[0].images, materials.compute, whiten=False)
    elif made_from != stamp:
        raise UserError(f"{materials.folder} distilled another model; move it away to begin anew")
    stored = read_latents(file, materials.compute.device)
    return latents_of(stored, materials.pictures[0], materials.recipe.data.scene_share)


def check_kind(model: TextToImage, doing: str = "distillation works") -> None:
    """Refuse what the tasks beside a finished model do not know: two text towers, masks, levels that do not preserve
    variance.

    Raises:
        UserError: such a model; ``doing`` begins the sentence.
    """
    if model.second is not None or model.for_inpainting or model.schedule.is_flow:
        raise UserError(f"{doing} with models like Stable Diffusion 1.x and 2.x and our own, not with this kind")
