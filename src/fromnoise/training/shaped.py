"""Pictures of several shapes for a U-Net, a step of each kind at a time (aspect ratio bucketing, NovelAI 2022).

A picture is learnt in the nearest of a few shapes with about as many pixels as the square, its middle if it fits none
exactly. All pictures of a step have one shape, which is chosen as often as there are pictures of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fromnoise.data.captions import CaptionMix, CaptionSampler
from fromnoise.training.clock import Clock
from fromnoise.training.examples import Examples, Known, Replayed, StoredExamples
from fromnoise.training.recipe import Recipe
from fromnoise.training.run_data import read_shapes
from fromnoise.training.stored_latents import kept_latents
from fromnoise.training.tasks.base import Compute

LEAST_KNOWN = 8  # drawings of a shape that are repeated, however few pictures have it


class ShapedExamples:
    """Examples of several shapes.

    Args:
        groups: those of one shape each.
        weights: how often each is chosen, in any unit.
        square: shape of the square's latents, [C,h,w], in which the sheets are drawn.
    """

    def __init__(self, groups: Sequence[Examples], weights: Sequence[float], square: torch.Size) -> None:
        self.groups, self.weights, self.square = list(groups), torch.tensor(weights, dtype=torch.float64), square

    @property
    def shape(self) -> torch.Size:
        """Of the latents of a square, [C,h,w]."""
        return self.square

    def at(self, clock: Clock, device: torch.device) -> tuple[Tensor, list[str]]:
        """Clean latents of this step, float32 [B,C,h,w], all of one shape, and a caption for each."""
        which = int(torch.multinomial(self.weights, 1, generator=clock.generator("shape")))
        return self.groups[which].at(clock, device)

    def close(self) -> None:
        """End whatever works for it."""
        for group in self.groups:
            group.close()


def examples_in(
    recipe: Recipe, data: str, folder: Path, stamp: str, encoder: tuple[Any, Compute], captions: CaptionMix,
    mirror: float,
) -> ShapedExamples:  # fmt: skip
    """Latents of a run's pictures in their shapes, each shape's in a file of its own.

    Args:
        recipe: every number of the run.
        data: where the pictures are.
        folder: for the files.
        stamp: names the pictures and the VAE.
        encoder: the VAE, white already, and where it computes.
        captions: how pictures are asked for.
        mirror: share that is shown mirrored.

    Raises:
        UserError: the disk is full.
    """
    vae, compute = encoder
    groups: list[Examples] = []
    pixels = recipe.data.pixels
    sets = read_shapes(recipe, data, max(2 * vae.factor, pixels // 8), folder)
    for pictures in sets:
        high, wide = pictures.images.shape[2:]
        file = folder / f"latents-{wide}x{high}.safetensors"
        latents = kept_latents(file, f"{stamp}, {wide}x{high}", vae, pictures, compute, False, recipe.data.scene_share)
        groups.append(StoredExamples(latents, CaptionSampler(pictures.records, captions), mirror, recipe.seed))
    side = pixels // vae.factor
    square = torch.Size((groups[0].shape[0], side, side))
    return ShapedExamples(groups, [float(len(pictures.records)) for pictures in sets], square)


def repeated(examples: Examples, share: float, count: int, draw: Callable[[torch.Size, int], Known]) -> Examples:
    """Examples with what a model knows between them; of each shape, drawings of that shape.

    Args:
        examples: what is to be learnt.
        share: of the known ones in a batch.
        count: how many drawings there are of all shapes.
        draw: makes some, of a shape [C,h,w].
    """
    if not isinstance(examples, ShapedExamples):
        return Replayed(examples, draw(examples.shape, count), share)
    parts = (examples.weights / examples.weights.sum()).tolist()
    groups = [
        Replayed(group, draw(group.shape, max(LEAST_KNOWN, round(count * part))), share)
        for group, part in zip(examples.groups, parts, strict=True)
    ]
    return ShapedExamples(groups, examples.weights.tolist(), examples.square)


def again_of(examples: Examples, batch: int) -> int:
    """How many of a batch are what the model knew; they stand last."""
    first = examples.groups[0] if isinstance(examples, ShapedExamples) else examples
    return first.again(batch) if isinstance(first, Replayed) else 0
