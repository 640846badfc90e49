"""What a recipe may suit itself to: the pictures, the machine, and what was asked for on the command line."""

from __future__ import annotations

import io
import statistics
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from fromnoise.data.pictures import entries_of
from fromnoise.data.record import TRAIN
from fromnoise.data.world.drawing import is_drawings
from fromnoise.ground.cores import available_cores
from fromnoise.ground.pictures import PictureError, on_white
from fromnoise.training.recipe import Recipe

LOOKED_AT = 64  # pictures that are opened
MORE = 1.1  # so much longer one side is than the other in what is no square
SMALL, WHITE = 64, 250


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
        fill: share of the pictures that are no squares and reach to their edges, as photographs and paintings do.
    """

    pictures: int
    side: int
    styles: int = 0
    model: str = ""
    trigger: str = ""
    cores: int = 1
    memory: float = 8.0
    gpu: bool = False
    fill: float = 0.0

    @property
    def fit(self) -> str:
        """How most of them are best brought to squares, see :class:`fromnoise.data.reading.Reading`."""
        return "crop" if self.fill > 0.5 else "pad"

    def fit_told(self) -> tuple[str, ...]:
        """A sentence about that where it is not as usual."""
        if self.fit == "pad":
            return ()
        return (
            f"{self.fill:.0%} of the pictures are no squares and fill their frame: the middle square of each is learnt"
            " (--set data.fit=shapes learns nearly all of each in its own shape, pad all of it with white beside it)",
        )


@dataclass(frozen=True)
class Suited:
    """A recipe that suits a situation, and why it is as it is.

    Attributes:
        recipe: every number.
        reasons: a sentence for each choice.
        pictures: so many there are to train on.
        cropped: what is to be said where they are cropped.
    """

    recipe: Recipe
    reasons: tuple[str, ...]
    pictures: int
    cropped: tuple[str, ...] = ()


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
    sides, filling = [], []
    for entry in entries[:: max(1, len(entries) // LOOKED_AT)]:
        try:
            with Image.open(io.BytesIO(entry.read())) as picture:
                size = picture.size
                picture.draft("RGB", (SMALL, SMALL))  # a JPEG is decoded at a size near to that
                filling.append(max(size) > MORE * min(size) and _reaches_edges(picture))
                sides.append(max(size))
        except (OSError, ValueError, PictureError, Image.DecompressionBombError):
            continue  # the training says what is wrong with it
    side = int(statistics.median(sides)) if sides else 0
    styles = {entry.record.style for entry in entries if entry.record.style}
    fill = statistics.fmean(filling) if filling else 0.0
    return Situation(len(entries), side, len(styles), model, trigger, **machine, fill=fill)


def _reaches_edges(picture: Image.Image) -> bool:
    """Whether there is a picture at all four edges, and nothing white or transparent."""
    shown = np.asarray(on_white(picture.convert("RGBA")).resize((SMALL, SMALL)), np.float32)
    edges = (shown[0], shown[-1], shown[:, 0], shown[:, -1])
    return all(float(edge.mean()) < WHITE for edge in edges)
