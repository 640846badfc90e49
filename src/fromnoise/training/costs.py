"""How much work a picture is in each task, relative to the others: enough to guess how long a run has left.

Only multiplications of kernels and matrices are counted, of one picture. How fast a machine does them differs between
networks, so what is said of later tasks is a guess until they run.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from fromnoise.models.clip.clip import CLIPConfig
from fromnoise.training.log import Later
from fromnoise.training.recipe import TASKS, Recipe

DISTILL = 2.0  # its step calls the U-Net once with gradients and three times without


def multiplications(network: nn.Module, call: Callable[[], object]) -> float:
    """Multiplications of ``network``'s kernels and matrices in a call."""
    found = 0

    def count(module: nn.Module, args: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal found
        weight = module.weight
        assert isinstance(weight, Tensor)
        found += out.numel() * weight[0].numel()

    layers = [m for m in network.modules() if isinstance(m, nn.Linear | nn.Conv2d)]
    hooks = [m.register_forward_hook(count) for m in layers]
    try:
        with torch.no_grad():
            call()
    finally:
        for hook in hooks:
            hook.remove()
    return found


def costs(recipe: Recipe) -> dict[str, float]:
    """Multiplications per picture of each task's networks, by the task's name."""
    stage, unet = recipe.clip, recipe.diffusion.model
    with torch.random.fork_rng(devices=[]):
        picture = torch.zeros(1, 3, recipe.data.pixels, recipe.data.pixels)
        side = recipe.vae.crop or recipe.data.pixels
        seen = torch.zeros(1, 3, side, side)
        words = torch.zeros(1, stage.text.context, dtype=torch.long)
        read = torch.zeros(1, stage.text.context, unet.cross_attention_dim)
        latent = torch.zeros(1, unet.in_channels, unet.sample_size, unet.sample_size)
        clip = CLIPConfig(stage.text, stage.image, stage.projection).build()
        vae, network = recipe.vae.model.build(), unet.build()
        step = multiplications(network, lambda: network(latent, torch.zeros(1, dtype=torch.long), read))
        return {
            "text": multiplications(clip, lambda: clip.embed_text(words)),
            "clip": multiplications(clip, lambda: (clip.embed_image(picture), clip.embed_text(words))),
            "vae": multiplications(vae, lambda: vae.decode(vae.encode(seen).mean)),
            "diffusion": step,
            "distill": DISTILL * step,
            "lora": step,
        }


def ahead(recipe: Recipe, tasks: tuple[str, ...], count: int) -> dict[str, tuple[Later, ...]]:
    """What follows each task in a run: each later task as if it were so many pictures of that one.

    Args:
        recipe: every number of the run.
        tasks: those that the run trains, in their order.
        count: pictures in the data.
    """
    if len(tasks) < 2:
        return dict.fromkeys(TASKS, ())
    each, loops = costs(recipe), recipe.loops()
    work = {name: each[name] * loops[name].suited(count).pictures for name in tasks}
    return {
        name: tuple(Later(work[later] / each[name], 60 * loops[later].minutes) for later in tasks[i + 1 :])
        for i, name in enumerate(tasks)
    }
