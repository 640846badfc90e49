"""Before hours of training: can this network learn at all?

A copy of the network learns one batch over and over, with the very step, loss, optimizer and learning rate that the
training will use ("overfit one batch", the first thing that Karpathy's "A Recipe for Training Neural Networks",
2019, asks for). A network that is frozen, a learning rate of nearly nothing, or captions that come in another order
every time do not get through that; a wrong label that is always the same does, and only the held-out loss tells.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from rich.console import Console

from fromnoise.ground.errors import UserError
from fromnoise.training.clock import Clock
from fromnoise.training.loop import Trainer
from fromnoise.training.tasks.base import Task

PICTURES = 16  # of the batch, at most
STEPS, SECONDS = 30, 12.0  # at most; one step more may be under way when the seconds are over
FEWEST = 8  # steps, below which nothing bad is said
ENOUGH = 0.8  # of the first loss, above the least it can be: what is below has learnt, and the test ends
MOST = 0.95  # what may be left of it after all steps


@dataclass(frozen=True)
class Learnt:
    """How a self-test went.

    Attributes:
        first, last: the loss of the same pictures at the first and the last step, above the least it can be; the first
            is that of guessing, where a network begins with worse.
        steps: taken.
        seconds: that took.
        batch: so many pictures the batch has, some of them perhaps more than once.
    """

    first: float
    last: float
    steps: int
    seconds: float
    batch: int = PICTURES

    @property
    def judged(self) -> bool:
        """Whether there were enough steps to say anything."""
        return self.steps >= FEWEST or self.last <= ENOUGH * self.first

    @property
    def passed(self) -> bool:
        """Whether the loss fell below the start; of fewer steps less is asked."""
        most = 1 - (1 - MOST) * min(1.0, self.steps / STEPS)
        return self.last <= most * self.first

    def __str__(self) -> str:
        took = f"{self.steps} steps, {self.seconds:.0f} s"
        if not self.judged:
            return f"self-test: this machine is too slow to say anything in {SECONDS:g} s ({took}); training begins"
        fell = f"{self.first:.3g} → {self.last:.3g}"
        return f"self-test passed: the loss of one batch of {self.batch} falls, {fell} ({took})"


def self_test(task: Task, seed: int, console: Console, of_muon: torch.dtype | None = None) -> None:
    """Refuse to begin a training that would learn nothing. Neither the task nor torch's random state is touched.

    Args:
        task: what will be trained, before its first step.
        seed: the run's seed.
        console: is told how it went.
        of_muon: the format of Muon's products, as for the trainer.

    Raises:
        UserError: the loss does not fall, or is not a number; it says where to look.
    """
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices), tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        found = learnt_by_heart(task.rehearsing(), Path(folder), seed, of_muon)
    if found.judged and not found.passed:
        raise UserError(_why_not(task, found))
    console.print(str(found), highlight=False, soft_wrap=True, markup=False)


def learnt_by_heart(twin: Task, folder: Path, seed: int, of_muon: torch.dtype | None = None) -> Learnt:
    """Train a task on its first few pictures over and over, asked for anew at every step.

    Args:
        twin: a task that may be changed.
        folder: an empty one.
        seed, of_muon: as for :func:`self_test`.
    """
    batch = min(PICTURES, twin.config.batch)
    twin.config = replace(twin.config, batch=batch, pictures=10**9, warmup=0, warmup_most=0.0, decay=0.0, minutes=0.0)
    if not twin.parameters():
        return Learnt(1.0, 1.0, FEWEST, 0.0, batch)
    trainer = Trainer(twin, folder, seed, of_muon=of_muon)
    twin.batch(trainer.clock)  # may wait until the first pictures are drawn, which says nothing of steps
    begin = time.monotonic()
    found: list[float] = []
    again: Clock = trainer.clock
    for _ in range(STEPS + 1):  # the last one is looked at only
        trainer.clock = again
        losses = {name: float(value) for name, value in trainer.step().items()}
        least = losses.get("floor", 0.0)
        found.append(losses["loss"] - least)
        start = min(found[0], twin.guessing(batch) - least)
        if found[-1] <= ENOUGH * start or time.monotonic() - begin > SECONDS:
            break
    return Learnt(start, found[-1], len(found) - 1, time.monotonic() - begin, batch)


def _why_not(task: Task, found: Learnt) -> str:
    looked = f"{task.setting}.learning_rate (now {task.config.learning_rate:g})"
    if not task.parameters():
        return (
            f"self-test failed: no weight of {task.name} may be trained; look at what the recipe freezes "
            "(--no-self-test skips this)"
        )
    if task.name == "clip":
        known = f"guessing is ln {found.batch} = {task.guessing(found.batch):.2f}"
        looked += f", and whether captions belong to their pictures ({known})"
    else:
        looked += ", and whether the pictures are what you think (fromnoise data --help)"
    return (
        f"self-test failed: {found.steps} steps on one batch of {found.batch} {task.unit} took the loss of {task.name} "
        f"from {found.first:.4g} to {found.last:.4g} only, so a training would learn nothing: look at {looked}; "
        "--no-self-test begins all the same"
    )
