"""What a recipe may suit itself to: the pictures, the machine, and what was asked for on the command line."""

from __future__ import annotations

import io
import statistics
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from fromnoise.data.pictures import entries_of
from fromnoise.data.record import TRAIN
from fromnoise.data.world.drawing import is_drawings
from fromnoise.ground.cores import available_cores
from fromnoise.ground.pictures import PictureError
from fromnoise.training.recipe import Recipe

LOOKED_AT = 64  # pictures whose size is read


@dataclass(frozen=True)
class Situation:
    """Where a training begins.

    Attributes:
        pictures: to train on, by their captions; some may turn out to be unreadable.
        side: the median of their longer sides, in pixels.
        styles: different styles that they name.
        model: that is begun with, "" where none was named.
        trigger: the style's name that was given for them, or "".
        cores: of the machine.
        memory: of the machine, in GiB.
        gpu: whether there is a GPU.
    """

    pictures: int
    side: int
    styles: int = 0
    model: str = ""
    trigger: str = ""
    cores: int = 1
    memory: float = 8.0
    gpu: bool = False


@dataclass(frozen=True)
class Suited:
    """A recipe that suits a situation, and why it is as it is.

    Attributes:
        recipe: every number.
        reasons: a sentence for each choice.
        pictures: so many there are to train on.
    """

    recipe: Recipe
    reasons: tuple[str, ...]
    pictures: int


def situation_of(data: str, model: str = "", trigger: str = "") -> Situation:
    """Look at a folder or packed file, and at the machine.

    Raises:
        UserError: there is nothing to train on.
    """
    import psutil  # comes with accelerate

    machine: dict[str, Any] = {
        "cores": available_cores(),
        "memory": psutil.virtual_memory().total / 2**30,
        "gpu": torch.cuda.is_available(),
    }
    if is_drawings(data):
        return Situation(0, 0, 0, model, trigger, **machine)
    entries = [entry for entry in entries_of(data).entries if entry.record.split == TRAIN]
    sides = []
    for entry in entries[:: max(1, len(entries) // LOOKED_AT)]:
        try:
            with Image.open(io.BytesIO(entry.read())) as picture:
                sides.append(max(picture.size))
        except (OSError, ValueError, PictureError, Image.DecompressionBombError):
            continue  # the training says what is wrong with it
    side = int(statistics.median(sides)) if sides else 0
    styles = {entry.record.style for entry in entries if entry.record.style}
    return Situation(len(entries), side, len(styles), model, trigger, **machine)
