"""What a recipe may suit itself to: the pictures, the machine, and what was asked for on the command line."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image

from fromnoise.data.decoding import identity, refuse_duplicate
from fromnoise.data.pictures import entries_of, why_none
from fromnoise.data.record import TRAIN, Entry
from fromnoise.data.world.drawing import is_drawings
from fromnoise.ground.cores import available_cores
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import glimpse, on_white
from fromnoise.training.recipe import Recipe

LOOKED_AT = 64  # pictures that are opened
MORE = 1.1  # so much longer one side is than the other in what is no square
SMALL, WHITE = 64, 250


@dataclass(frozen=True)
class Situation:
    """Where a training begins.

    Attributes:
        pictures: to train on that can be read; above 127 files worked out from a sample. 0: they are drawings.
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
class Shown:
    """What was measured to come of such a training before its end.

    Attributes:
        pictures: that it has seen by then.
        said: what had come of it, where that was measured; how long it takes here is said behind that.
    """

    pictures: int
    said: str


@dataclass(frozen=True)
class Suited:
    """A recipe that suits a situation, and why it is as it is.

    Attributes:
        recipe: every number.
        reasons: a sentence for each choice.
        pictures: so many there are to train on.
        cropped: what is to be said where they are cropped.
        shown: what is known to come of it before its end, None for nothing.
    """

    recipe: Recipe
    reasons: tuple[str, ...]
    pictures: int
    cropped: tuple[str, ...] = ()
    shown: Shown | None = None


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
    sides, filling, bad = _looked_at(entries[:: max(1, len(entries) // LOOKED_AT)])
    looked = len(sides) + bad
    if not sides and looked == len(entries):
        raise UserError(f"{data} {why_none(data, None, None)}")
    usable = max(1, len(entries) - round(len(entries) * bad / looked))  # of those not looked at, one may be readable
    side = int(statistics.median(sides)) if sides else 0
    styles = {entry.record.style for entry in entries if entry.record.style}
    fill = statistics.fmean(filling) if filling else 0.0
    return Situation(usable, side, len(styles), model, trigger, **machine, fill=fill)


def _looked_at(entries: Sequence[Entry]) -> tuple[list[int], list[bool], int]:
    """Longer sides of pictures, whether each is no square and fills its frame, and how many cannot be used."""
    sides, filling, bad = [], [], 0
    seen: dict[bytes, str] = {}
    for entry in entries:
        try:
            data = entry.read()
            refuse_duplicate(identity(data, entry.record), entry.record.file_name, seen)
            size, picture = glimpse(data, SMALL)
        except (OSError, ValueError):
            bad += 1  # the training says what is wrong with it
            continue
        filling.append(max(size) > MORE * min(size) and _reaches_edges(picture))
        sides.append(max(size))
    return sides, filling, bad


def _reaches_edges(picture: Image.Image) -> bool:
    """Whether there is a picture at all four edges, and nothing white or transparent."""
    shown = np.asarray(on_white(picture).resize((SMALL, SMALL)), np.float32)
    edges = (shown[0], shown[-1], shown[:, 0], shown[:, -1])
    return all(float(edge.mean()) < WHITE for edge in edges)
