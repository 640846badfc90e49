"""Averages of the weights whose length is chosen after the training: kept beside it, and stored now and then.

``RUN/diffusion/averages`` holds a safetensors file for each width and each time it was stored, in fp16, from which
``fromnoise average`` makes a model (:mod:`fromnoise.training.averaging`; the mathematics is in
:mod:`fromnoise.training.ema`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.whole import sweep, whole_file
from fromnoise.training import ema
from fromnoise.training.checkpoint import Checkpoint, Tensors
from fromnoise.training.clock import Clock

FOLDER, ABOUT = "averages", "average"
NAMES = "average_*.safetensors"  # and not the hidden drafts that a kill -9 leaves


@dataclass(frozen=True)
class Stored:
    """One average as it was stored.

    Attributes:
        file: its weights.
        width: of its profile.
        step: optimizer steps of the run until then.
        begun: steps of the run before it began.
        batch: pictures per step.
    """

    file: Path
    width: float
    step: int
    begun: int
    batch: int

    @property
    def pictures(self) -> int:
        """Pictures that the run had seen."""
        return self.step * self.batch

    @property
    def profile(self) -> tuple[float, float]:
        """(t, γ), as :func:`fromnoise.training.ema.mixture` takes it."""
        return self.step - self.begun, ema.exponent_of(self.width)


class LongAverages:
    """The averages of one task while it trains.

    Args:
        widths: of their profiles; none keeps nothing.
        every: pictures between two times at which they are stored.
        weights: what is averaged, fp32.
    """

    def __init__(self, widths: Sequence[float], every: int, weights: Sequence[Tensor]) -> None:
        self._every = every
        self.kept = {width: [w.clone() for w in weights] for width in widths}
        self._begun = dict.fromkeys(widths, 0)

    def update(self, weights: list[Tensor], step: int) -> None:
        """Move the averages towards the weights after the step number ``step`` (from 0), in place."""
        for width, average in self.kept.items():
            decay = ema.power_decay_at(step + 1 - self._begun[width], ema.exponent_of(width))
            torch._foreach_lerp_(average, weights, 1.0 - decay)

    def due(self, clock: Clock) -> bool:
        """Whether they are to be stored after the step that led to this clock, which is a function of it alone."""
        before = clock.pictures - clock.batch
        return bool(self.kept) and (clock.done or clock.pictures // self._every > before // self._every)

    def groups(self, names: Sequence[str]) -> dict[str, Tensors]:
        """For a checkpoint."""
        return {_group(width): dict(zip(names, kept, strict=True)) for width, kept in self.kept.items()}

    def facts(self) -> dict[str, Any]:
        """For a checkpoint, beside the groups."""
        return {"averages_begun": {_group(width): step for width, step in self._begun.items()}} if self.kept else {}

    def load(self, names: Sequence[str], weights: Sequence[Tensor], found: Checkpoint) -> None:
        """Go on from a checkpoint. An average that it does not know begins here, with these weights."""
        for width, kept in self.kept.items():
            stored = found.groups.get(_group(width))
            self._begun[width] = int(found.facts["step"])
            if stored is not None:
                self._begun[width] = int(found.facts["averages_begun"][_group(width)])
            for name, own, weight in zip(names, kept, weights, strict=True):
                own.copy_(weight if stored is None else stored[name])

    def store(self, folder: Path, width: float, network: nn.Module, names: Sequence[str], clock: Clock) -> None:
        """Write an average, which ``network`` has as its weights, to a task's folder.

        Raises:
            UserError: it cannot be written.
        """
        state = dict(network.named_parameters())
        weights = {name: state[name].detach().half().cpu().contiguous() for name in names}
        about = {"width": width, "step": clock.step, "begun": self._begun[width], "batch": clock.batch}
        file = folder / FOLDER / f"{_group(width)}-{clock.step:08d}.safetensors"
        try:
            file.parent.mkdir(exist_ok=True)
            with whole_file(file) as draft:
                save_file(weights, draft, metadata={ABOUT: json.dumps(about)})  # one entry: several have no order
        except (OSError, SafetensorError) as error:
            raise UserError(f"cannot write {file}: {one_line(str(error))}") from error


def stored_averages(folder: Path) -> list[Stored]:
    """What a task's folder holds, earliest first.

    Raises:
        UserError: a file that is none of ours, or is damaged.
    """
    found = []
    for file in sorted((folder / FOLDER).glob(NAMES)):
        try:
            with safe_open(file, "pt") as opened:
                about = json.loads((opened.metadata() or {})[ABOUT])
            numbers = (int(about[name]) for name in ("step", "begun", "batch"))
            found.append(Stored(file, float(about["width"]), *numbers))
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{file} is no stored average ({one_line(str(error))}); move it away") from None
    return sorted(found, key=lambda each: (each.step, each.width))


def forget_later(folder: Path, step: int) -> None:
    """Remove what was stored after a step: a run that goes back to an earlier checkpoint may take another way.

    By the files' names alone: a damaged one keeps no training from going on. Drafts of a killed process go too.
    """
    sweep(folder / FOLDER)
    for file in (folder / FOLDER).glob(NAMES):
        number = file.stem.rpartition("-")[2]
        if number.isdecimal() and int(number) > step:
            file.unlink(missing_ok=True)


def _group(width: float) -> str:
    return f"average_{width:.4f}"
