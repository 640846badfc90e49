"""The one loop that trains every task.

Weights are kept twice when the format is bf16: *masters* in fp32, which the optimizer moves, and the network's
own bf16 copy, which computes (mixed precision after Micikevicius et al. 2018, arXiv 1710.03740, without loss
scaling, since bf16 has fp32's range). Everything random or scheduled comes from the clock, so a killed run ends
with the same bits as an unbroken one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.whole import write_atomically
from fromnoise.training import checkpoint, ema
from fromnoise.training.checkpoint import Checkpoint
from fromnoise.training.clock import Clock
from fromnoise.training.log import Log, Silence, Telling
from fromnoise.training.long_averages import LongAverages, forget_later
from fromnoise.training.loop_config import learning_rate as learning_rate
from fromnoise.training.optimizers import Optimizers
from fromnoise.training.processes import Asked, here
from fromnoise.training.sharded import own_part, shards_of
from fromnoise.training.sheet import png_of
from fromnoise.training.stopping import stop_requests
from fromnoise.training.tasks.base import Losses, Task
from fromnoise.training.working import Working


class Paused(Exception):
    """The time that was given is over; everything is saved."""


Hook = Callable[[nn.Module, Clock, float], None]


class Trainer:
    """Trains one task in one folder, from wherever that folder says the run is.

    Args:
        task: what to train; its network already sits on its device in its format.
        folder: ``runs/NAME/TASK``; checkpoints, sheets and curves go there.
        seed: the run's seed.
        telling: what the log knows of the run around the task.
        on_save: called with the averaged network, the clock and the hours trained so far, after every checkpoint.
        deadline: ``time.monotonic()`` after which the training saves and pauses.
        of_muon: the format of Muon's products, as the run stores it; None takes what the device multiplies.

    Raises:
        UserError: the checkpoint belongs to another network, or the disk is full.
    """

    def __init__(
        self,
        task: Task,
        folder: Path,
        seed: int,
        telling: Telling | None = None,
        on_save: Hook | None = None,
        deadline: float = math.inf,
        of_muon: torch.dtype | None = None,
    ) -> None:
        self.task, self.folder, self.config = task, folder, task.config
        folder.mkdir(parents=True, exist_ok=True)
        self.here = here()
        if self.here.share.of > 1:
            task.share = task.rival.share = self.here.share
        self.clock = Clock(0, task.config.batch, task.config.pictures, seed)
        self.shards = shards_of(task, self.here)
        self.parameters: list[Tensor] = list(task.parameters())
        self.weights = self.parameters if self.shards is None else [own_part(p) for p in self.parameters]
        self.names = [name for name, p in task.network.named_parameters() if p.requires_grad]
        frozen = task.network.named_parameters() if task.keeps_frozen else ()
        self.frozen = {name: p for name, p in frozen if not p.requires_grad}
        self.masters = [p.detach().float().clone() for p in self.weights]
        self.gradients = [torch.zeros_like(m) for m in self.masters]
        for master, gradient in zip(self.masters, self.gradients, strict=True):
            master.grad = gradient
        self.averages = [m.clone() for m in self.masters]
        self.long = LongAverages(task.widths, task.snapshots, self.masters)
        named = dict(zip(self.names, self.masters, strict=True))
        self.optimizer = Optimizers(task.network, named, self.config, of_muon)
        self._losses: Callable[[Any, Clock], Losses] = task.losses
        self._on_save, self._deadline = on_save, deadline
        self.seconds = 0.0  # of steps in all sessions; for the model card, nothing depends on it
        self.elapsed = 0.0  # of training in all sessions, sheets and all; decides where the time is limited
        self._limit = 60 * self.config.minutes
        self._worked = Working(lambda: time.monotonic())
        self._notes = self._resume()
        self._telling = telling

    def run(self, steps: int | None = None) -> nn.Module:
        """Train until all pictures are seen (or for ``steps`` steps) and return the averaged network in fp32."""
        log: Any = Silence()
        try:
            with stop_requests(self.here.patience) as stop:  # before anybody reads that it begins, and asks it to stop
                if self.here.main:
                    log = Log(self.folder, self.clock, self._telling, self.task.unit, self._limit, self.task.steady)
                for line in self._notes:
                    log.note(line)
                end = None if steps is None else self.clock.step + steps
                if not self.here.same(self.clock.step):
                    raise UserError(
                        f"not all processes find the same checkpoints in {self.folder}: all need one shared folder"
                    )
                self._losses = self.task.losses if self.shards is not None else self.here.losses(self.task)
                self._loop(log, end, stop)
        except Exception as error:
            if self.here.is_lost(error) and self.here.main and self.shards is None:  # all is as it was before the step
                checkpoint.save(self.folder, self.clock.step, self._state())
            raise
        finally:
            log.close()
        return self.averaged()

    def averaged(self, averages: list[Tensor] | None = None) -> nn.Module:
        """A copy of the network in fp32, in eval mode, with the averaged weights, or with other averages of them."""
        averages = self.averages if averages is None else averages
        if self.shards is not None:
            return self.shards.averaged(dict(zip(self.names, averages, strict=True)))
        network = self.task.copied()
        state = dict(network.named_parameters())
        with torch.no_grad():
            for name, average in zip(self.names, averages, strict=True):
                state[name].copy_(average)
        return network.requires_grad_(False)

    def step(self) -> dict[str, Tensor]:
        """One optimizer step. Returns the losses.

        Raises:
            UserError: the loss or the gradient is not a number; the weights are left as they were.
        """
        self.task.network.train()
        own = self._losses(self.task.batch(self.clock), self.clock)
        for weight in self.parameters:
            weight.grad = None
        own["loss"].backward()  # type: ignore[no-untyped-call]
        self._collect_gradients()
        clip = clip_grad_norm_ if self.shards is None else self.shards.clip
        norm = clip(self.masters, self.config.clip_norm)
        rivals = self.task.rival.losses()
        losses = self.here.mean({**own, **rivals})
        if not torch.isfinite(norm + losses["loss"] + sum(losses[name] for name in rivals)):
            raise UserError(self._not_a_number(float(losses["loss"])))
        rate = learning_rate(self.config, self.clock)
        self.optimizer.step(rate)
        self.task.rival.step(rate / self.config.learning_rate)
        with torch.no_grad():
            torch._foreach_copy_(self.weights, self.masters)
            ema.update(self.averages, self.masters, self.clock.step, self.config.ema)
            self.long.update(self.masters, self.clock.step)
        self.clock = self.clock.tick()
        return {**losses, "gradient_norm": norm}

    def save(self) -> None:
        """Write a checkpoint and tell the run.

        Raises:
            UserError: the disk is full.
        """
        if self.shards is not None:
            self.shards.save(self.folder, self.clock.step, self._state())
        elif self.here.main:
            checkpoint.save(self.folder, self.clock.step, self._state())
        self.tell()

    def tell(self) -> None:
        """Tell the run what is learnt so far.

        Raises:
            UserError: the run could not write that.
        """
        network = self._shown() if self._on_save is not None else None
        try:
            if network is not None and self._on_save is not None:
                self._on_save(network, self.clock, self.seconds / 3600)
        except (OSError, SafetensorError) as error:
            raise UserError(
                f"the model could not be written ({one_line(str(error))}); what was learnt is kept in {self.folder}: "
                "free some space and run again"
            ) from error
        self.here.meet()

    def _shown(self, averages: list[Tensor] | None = None) -> nn.Module | None:
        """The averaged network for the process that writes and draws, None for others."""
        network = self.averaged(averages) if self.here.main or self.shards is not None else None
        return network if self.here.main else None

    def _store_averages(self, log: Log) -> None:
        for width, averages in self.long.kept.items():
            network = self._shown(averages)
            try:
                if network is not None:
                    self.long.store(self.folder, width, network, self.names, self.clock)
            except UserError as error:
                log.note(f"{error}; it is left out")

    def _loop(self, log: Log, end: int | None, stop: Callable[[], bool]) -> None:
        sheet_due = save_due = last = self._worked()
        save_due += 60 * self.config.save_minutes
        if self._limit:  # a first sheet at once would take its time from a short training
            sheet_due += min(60 * self.config.sheet_minutes, self._limit / 4)
        while not self.clock.done and (end is None or self.clock.step < end):
            begin = self._worked()
            losses = self.step()
            now = self._worked()
            self.seconds, self.elapsed, last = self.seconds + now - begin, self.elapsed + now - last, now
            late = time.monotonic() >= self._deadline
            asked = self.here.agreed(Asked(self.elapsed, stop(), late, now >= sheet_due, now >= save_due))
            self.elapsed = asked.elapsed
            self.clock = replace(self.clock, spent=self._spent())
            log.show(self.clock)
            if self.long.due(self.clock):
                self._store_averages(log)
            if self.clock.step % self.config.log_steps == 0 or self.clock.done:  # a last row says that it has ended
                values = {key: float(value) for key, value in losses.items()}
                log.record(self.clock, {**values, "learning_rate": learning_rate(self.config, self.clock)})
            if asked.stop:
                self.save()
                raise KeyboardInterrupt
            if asked.pause and not self.clock.done:
                self.save()
                raise Paused(
                    f"{self.task.name} has seen {self.clock.pictures:,} of {self.clock.total:,} {self.task.unit}"
                )
            if asked.sheet:
                sheet_due = self._sheet(log) + 60 * self.config.sheet_minutes
            if asked.save:
                self.save()
                save_due = self._worked() + 60 * self.config.save_minutes
        self.save()  # before the last sheet and its score: whatever happens to those, what was learnt is kept
        self._sheet(log)
        if self.clock.done:
            log.done(self.clock)

    def _spent(self) -> float:
        """Share of the time that is over, where it is limited."""
        return self.elapsed / self._limit if self._limit else 0.0

    def _sheet(self, log: Log) -> float:
        """Draw and score, and return the time from which the minutes to the next sheet count.

        Where the time is limited, sheets may take a tenth of it: on a slow machine they would else take most.
        """
        begin = self._worked()
        network = self._shown()
        if network is not None:
            self._draw(log, network)
        self.here.meet()
        end = self._worked()
        return end + 10 * (end - begin) if self._limit else end

    def _draw(self, log: Log, network: nn.Module) -> None:
        picture = self.task.samples_for_log(network)
        if picture is not None:
            file = self.folder / "sheets" / f"{self.clock.pictures:010d}.png"
            try:
                file.parent.mkdir(exist_ok=True)
                write_atomically(file, png_of(picture))
            except (OSError, UserError) as error:
                log.note(f"this sheet is left out: {one_line(str(error))}")
            else:
                log.sheet(self.clock, picture, file)
        values = {**self.task.score(network), **self.task.details()}
        if values:
            log.record(self.clock, {**values, "hours": self.seconds / 3600})

    def _collect_gradients(self) -> None:
        for weight, gradient in zip(self.parameters, self.gradients, strict=True):
            if weight.grad is None:
                gradient.zero_()
            else:
                gradient.copy_(weight.grad if self.shards is None else own_part(weight.grad))

    def _state(self) -> Checkpoint:
        groups = {"weights": self.masters, "ema": self.averages}
        named = {key: dict(zip(self.names, tensors, strict=True)) for key, tensors in groups.items()}
        named |= self.long.groups(self.names)
        if self.frozen:
            named["frozen"] = {name: weight.detach() for name, weight in self.frozen.items()}
        facts = {"step": self.clock.step, "batch": self.clock.batch, "seed": self.clock.seed}
        times = {"seconds": self.seconds, "elapsed": self.elapsed}
        return Checkpoint(
            {**named, **self.optimizer.state(), **self.task.rival.state()},
            {**facts, **times, **self.long.facts(), "task": self.task.name, "loop": self.config.to_dict()},
        )

    def _resume(self) -> list[str]:
        read = None if self.shards is None else self.shards.read
        found, notes = checkpoint.newest(self.folder, set_aside=self.here.main, read=read)
        if found is None:
            return notes
        if self.shards is not None:
            found = self.shards.own(found)
        for own, key in ((self.masters, "weights"), (self.averages, "ema")):
            self._fill(own, found.groups[key])
        self.long.load(self.names, self.masters, found)
        if self.here.main:
            forget_later(self.folder, int(found.facts["step"]))
        if found.facts["batch"] != self.config.batch or found.facts["seed"] != self.clock.seed:
            raise UserError(f"{self.folder} was started with another batch size or seed; use a new --out")
        step = int(found.facts["step"])
        self.seconds = float(found.facts.get("seconds", 0.0))
        self.elapsed = float(found.facts.get("elapsed", self.seconds))
        try:
            self.optimizer.load(found.groups, step)
            self.task.rival.load(found.groups, step)
        except KeyError as error:
            raise UserError(
                f"{self.folder} was started with another optimizer or adversary; use a new --out"
            ) from error
        with torch.no_grad():
            torch._foreach_copy_(self.weights, self.masters)
            for name, stored in found.groups.get("frozen", {}).items():
                self.frozen[name].copy_(stored)
        self.clock = replace(self.clock, step=step, spent=self._spent())
        return [*notes, f"going on after {self.clock.pictures:,} {self.task.unit}"]

    def _fill(self, own: list[Tensor], stored: dict[str, Tensor]) -> None:
        for name, tensor in zip(self.names, own, strict=True):
            if name not in stored or stored[name].shape != tensor.shape:
                raise UserError(f"the checkpoint in {self.folder} is of another network ('{name}'); use a new --out")
            tensor.copy_(stored[name])

    def _not_a_number(self, loss: float) -> str:
        found, _ = checkpoint.newest(self.folder)
        kept = "no checkpoint was written yet" if found is None else f"step {found.facts['step']} is kept"
        return (
            f"training {self.task.name} stopped at step {self.clock.step}: the loss is {loss}, the gradient is not "
            f"finite; {kept}. Run again with --set {self.task.setting}.learning_rate=… lower than "
            f"{self.config.learning_rate:g}, or begin anew with precision=fp32 and a new --out"
        )
