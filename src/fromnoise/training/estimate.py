"""How long a training will take, said before it begins: a few steps on random numbers, measured on this machine."""

from __future__ import annotations

import torch

from fromnoise.models.unet.unet import UNetConfig
from fromnoise.training import precision
from fromnoise.training.costs import costs, multiplications
from fromnoise.training.recipe import Recipe
from fromnoise.training.speed import peak, random_step, seconds

LARGE = 10**8  # weights of a U-Net that is not built for an estimate
SHARE = 0.35  # of a matrix product's speed that a large U-Net reaches
STEPS = 2


def hours(recipe: Recipe, tasks: tuple[str, ...], count: int) -> float:
    """Hours of a whole training, within a factor of two or so: other tasks are reckoned from the U-Net's step.

    Args:
        recipe: every number of it.
        tasks: those that are trained.
        count: pictures in the data.
    """
    loops, work = recipe.loops(), costs_of(recipe)
    each = seconds_a_picture(recipe)
    found = 0.0
    for name in tasks:
        loop = loops[name].suited(count)
        needed = loop.pictures * each * work[name] / work["diffusion"]
        found += min(needed, 60 * loop.minutes) if loop.minutes else needed
    return found / 3600


def seconds_a_picture(recipe: Recipe) -> float:
    """Seconds that the U-Net learns from one picture."""
    config = recipe.diffusion.model
    format_ = precision.choose(torch.device("cpu"), recipe.precision).dtype
    if weights(config) > LARGE:
        again = recipe.lora.checkpointing
        return 2 * (4 if again else 3) * _forward(config) / (SHARE * peak(format_))
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
