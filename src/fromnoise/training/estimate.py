"""How long a training will take, said before it begins: a few steps on random numbers, measured on this machine."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from fromnoise.models.unet.unet import UNetConfig
from fromnoise.training import precision
from fromnoise.training.costs import costs, multiplications
from fromnoise.training.known import STEPS as KNOWN_STEPS
from fromnoise.training.recipe import DiffusionStage, Recipe
from fromnoise.training.speed import peak, random_step, seconds
from fromnoise.training.stages import LoraStage

LARGE = 10**8  # weights of a U-Net that is not built for an estimate
SHARE = 0.35  # of a matrix product's speed that a large U-Net reaches
STEPS = 2


@dataclass(frozen=True)
class Length:
    """How long a training takes, in hours.

    Attributes:
        first: to its first sheet.
        whole: to its end.
        shown: until its last task has seen the pictures that were asked about; None where it ends before.
    """

    first: float
    whole: float
    shown: float | None = None


def length(recipe: Recipe, tasks: tuple[str, ...], count: int, minutes: float | None = None, shown: int = 0) -> Length:
    """How long a training takes, within a factor of two or so: other tasks are reckoned from the U-Net's step.

    Args:
        recipe: every number of it.
        tasks: those that are trained.
        count: pictures in the data.
        minutes: of ``--minutes``, None for as many as it needs.
        shown: pictures of the last task that are asked about; 0 for none.
    """
    loops, work, each = recipe.loops(), costs_of(recipe), seconds_a_picture(recipe)
    call = each / _passes(recipe)
    first, whole, until = None, 0.0, None
    for name in recipe.ordered(tasks):
        loop = loops[name].suited(count)
        asked = minutes / len(tasks) if minutes is not None and recipe.fits_minutes else 0.0
        limit, pause = 60 * (loop.minutes or asked), 60 * loop.sheet_minutes
        before, sheet = call * _calls_before(recipe, name), call * _calls_of_a_sheet(recipe, name)
        one = each * work.get(name, 1.0) / work["diffusion"] + call * _again(recipe, name)
        needed = one * loop.pictures + sheet * (2 + one * loop.pictures / pause)  # one at once and one at the end
        spent = min(needed, limit) if limit else needed
        then = one * shown + sheet * (1 + one * shown / pause)
        until = (whole + before + then) / 3600 if shown and then < spent else None
        if first is None:
            first = before + sheet + (min(pause, limit / 4) if limit else 0.0)
        whole += before + spent
    return Length((first or 0.0) / 3600, whole / 3600, until)


def _calls_before(recipe: Recipe, name: str) -> float:
    """Calls of the U-Net for what it draws before the training, so that it forgets little; guidance needs two each."""
    if name not in ("lora", "diffusion") or not recipe.start_from:
        return 0.0
    stage: LoraStage | DiffusionStage = recipe.lora if name == "lora" else recipe.diffusion
    return 2.0 * KNOWN_STEPS * stage.known if stage.replay else 0.0


def _calls_of_a_sheet(recipe: Recipe, name: str) -> float:
    if name == "lora":
        return 2.0 * recipe.lora.steps * (len(recipe.lora.prompts) or recipe.lora.drawings)
    return 2.0 * recipe.diffusion.sheet_steps * (len(recipe.diffusion.prompts) or 16) if name == "diffusion" else 0.0


def _again(recipe: Recipe, name: str) -> float:
    """Calls for a picture beside those of learning: a LoRA asks the model itself about what is replayed."""
    return recipe.lora.replay if name == "lora" and recipe.lora.known else 0.0


def _passes(recipe: Recipe) -> int:
    """How many calls learning from a picture costs: forward, and twice that on the way back."""
    return 4 if recipe.lora.checkpointing and weights(recipe.diffusion.model) > LARGE else 3


def seconds_a_picture(recipe: Recipe) -> float:
    """Seconds that the U-Net learns from one picture."""
    config = recipe.diffusion.model
    format_ = precision.choose(torch.device("cpu"), recipe.precision).dtype
    if weights(config) > LARGE:
        return 2 * _passes(recipe) * _forward(config) / (SHARE * peak(format_))
    loop = recipe.loops()["lora" if recipe.tasks == ("lora",) else "diffusion"]
    step = random_step(config, loop.batch, format_, loop.optimizer)
    seconds(step)  # the first one prepares what the others use
    return min(seconds(step) for _ in range(STEPS)) / loop.batch


def costs_of(recipe: Recipe) -> dict[str, float]:
    """Relative work per picture of each task; of a large U-Net only its own tasks', which cost the same."""
    large = weights(recipe.diffusion.model) > LARGE
    return {"diffusion": 1.0, "lora": 1.0} if large else costs(recipe)


def weights(config: UNetConfig) -> int:
    """How many weights a U-Net has."""
    with torch.device("meta"):
        return sum(weight.numel() for weight in config.build().parameters())


def _forward(config: UNetConfig) -> float:
    """Multiplications of one picture's way through a U-Net that is not built."""
    with torch.device("meta"):
        network = config.build()
        latent = torch.empty(1, config.in_channels, config.sample_size, config.sample_size)
        words, time = torch.empty(1, 77, config.cross_attention_dim), torch.zeros(1, dtype=torch.long)
        return multiplications(network, lambda: network(latent, time, words))
