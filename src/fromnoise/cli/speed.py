"""``fromnoise info --speed``: what this machine is worth, in about ten seconds."""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator

import torch

from fromnoise.drawing.generate import generate
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.ground.cores import available_cores, cpu_class
from fromnoise.models.unet import UNetConfig
from fromnoise.training import precision
from fromnoise.training.memory import keep_freed_memory
from fromnoise.training.speed import flops, peak, random_step, seconds

LARGEST = 100_000_000  # parameters of a U-Net whose training is measured; a larger one does not learn on a CPU
BATCH, NIGHT = 64, 10  # pictures per step, hours
PROMPT = "a red apple"
BUSY = 0.5  # cores


def measured(place: str | None, parameters: int, config: UNetConfig) -> Iterator[tuple[str, str]]:
    """(what, how much), one after the other, as soon as it is known.

    Args:
        place: the model, as :func:`open_model` takes it.
        parameters: of its U-Net.
        config: of its U-Net.
    """
    choice = precision.choose(torch.device("cpu"))
    yield "machine", f"{cpu_class()}, {available_cores()} cores, torch {torch.__version__}"
    if (busy := others()) > BUSY:
        yield "note", f"other programs keep {busy:.1f} cores busy; alone this machine is faster than what follows"
    top = peak(choice.dtype)
    yield "peak", f"{top / 1e9:.0f} GFLOP/s in {choice.name} (a matrix product)"
    yield "one picture", _drawing(place)
    if parameters > LARGEST:
        yield "training", "not measured: this model's U-Net is too large to learn on a CPU"
        return
    keep_freed_memory()
    step = random_step(config, BATCH, choice.dtype, "muon")
    step()
    rate = BATCH / statistics.median(seconds(step) for _ in range(3))
    share = rate * flops(config) / top
    yield "training", f"{rate:.0f} pictures/s in {choice.name} with Muon, {share:.0%} of the peak"
    yield f"{NIGHT} hours", f"the U-Net sees {rate * 3600 * NIGHT / 1e6:.1f} million pictures"


def others() -> float:
    """How many cores were busy in the last minute; 0 where the system does not say (Windows)."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _drawing(place: str | None) -> str:
    """Seconds of the second picture, when everything is warm."""
    _, model = open_model(Opening(place))
    wanted = plan(model, Request(PROMPT, seed=0))

    def draw() -> None:
        for _ in generate(model, wanted):
            pass

    first, second = seconds(draw), seconds(draw)
    size = wanted.size.drawn
    return f"{second:.2f} s with {wanted.levels.steps} steps at {size[0]}×{size[1]} (the very first: {first:.2f} s)"
