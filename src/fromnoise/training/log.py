"""Telling people how training goes: one bar and one time left; every figure in a file and in TensorBoard's curves."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from PIL import Image
from rich.console import Console, RenderableType
from rich.progress import BarColumn, Progress, TextColumn
from rich.text import Text

from fromnoise.ground.duration import in_words, to_the_second
from fromnoise.training.clock import Clock
from fromnoise.training.health.watch import Watch
from fromnoise.training.names import LOG
from fromnoise.training.working import Working

TITLES = {
    "text": "Words: what they mean, before any picture",
    "clip": "CLIP: which words belong to which picture",
    "vae": "VAE: pictures made small, and whole again",
    "diffusion": "U-Net: from noise to pictures",
    "distill": "U-Net: the same in a few steps",
    "lora": "LoRA: your pictures beside the model",
    "story": "Story game: from random words to sentences",
}
LINE_SECONDS = 60  # between two plain lines, where there is no terminal


class Curves(Protocol):
    """Where figures and sheets are drawn over the pictures seen."""

    def figures(self, values: dict[str, float], pictures: int) -> None:
        """Add a point to each named curve."""

    def sheet(self, name: str, picture: Image.Image, pictures: int) -> None:
        """Add a picture."""


@dataclass(frozen=True)
class Later:
    """A task that follows.

    Attributes:
        pictures: its work, as if it were so many pictures of the task before it.
        limit: seconds that it may take at most; 0 for no limit.
    """

    pictures: float
    limit: float = 0.0

    def seconds(self, rate: float) -> float:
        """How long it will take about, where the task before it does ``rate`` pictures per second."""
        return min(self.pictures / rate, self.limit or math.inf)


@dataclass(frozen=True)
class Telling:
    """What a task's log knows of the run around it.

    Attributes:
        curves: where figures go beside ``log.jsonl``, or None.
        number, of: which task of how many this is.
        ahead: the tasks that follow it in the run.
        verbose: show every figure on the terminal too.
    """

    curves: Curves | None = None
    number: int = 1
    of: int = 1
    ahead: tuple[Later, ...] = ()
    verbose: bool = False


class Log:
    """One task's log.

    On a terminal there is one bar, with the time left for the task and for the whole run, and the newest sheet's path.
    Elsewhere (a file, a pipe) a plain line comes every minute.

    Args:
        folder: the task's folder in the run.
        clock: the clock at the start of this session.
        telling: the run around it.
        unit: what the run counts, for the reader.
        limit: seconds that the task may train in all; 0 for no limit.
        steady: whether its loss asks the same all the time.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        telling: Telling | None = None,
        unit: str = "pictures",
        limit: float = 0.0,
        steady: bool = True,
    ) -> None:
        self._telling, self._unit, self._limit = telling or Telling(), unit, limit
        self._console = Console(stderr=True)
        self._watch = Watch(folder / LOG, clock, steady)
        self._file = (folder / LOG).open("a", encoding="utf-8")
        self._name = folder.name
        self._title = title(self._name, self._telling)
        self._worked = Working(lambda: time.monotonic())
        self._begin = (self._worked(), clock.pictures)
        self._last_line, self._warm = self._worked(), False
        self._sheet: Path | None = None
        self._full = False
        self._bar = _Bar(self._console, self._title)
        if self._console.is_terminal:
            self._bar.start()
        else:
            self.note(f"begins at {clock.pictures:,} of {self._length(clock)}")

    def note(self, text: str) -> None:
        """Print one line for the reader."""
        self._console.print(f"{self._title}: {text}", highlight=False, soft_wrap=True, markup=False)

    def detail(self, text: str) -> None:
        """Print one line for whoever asked for every figure."""
        if self._telling.verbose:
            self._console.print(f"  {text}", style="dim", highlight=False, soft_wrap=True, markup=False)

    def record(self, clock: Clock, values: dict[str, float]) -> None:
        """Write a point of each curve, and give the warnings that it calls for."""
        values = {**values, "pictures_per_second": self._rate(clock)}
        at = {"step": clock.step, "pictures": clock.pictures}
        with self._kept():
            figures = {**_rounded(values), **_rounded(self._standing(clock))}
            self._write({**at, **figures, **at})  # no figure stands in the place of those
            if self._telling.curves is not None:
                named = {f"{self._name}/{key}": value for key, value in values.items()}
                self._telling.curves.figures(named, clock.pictures)
        self.detail(f"{clock.pictures:,}  " + "  ".join(f"{key} {value:.4g}" for key, value in values.items()))
        for kind, said in self._watch.take(clock, values):
            self._warn(said)
            with self._kept():
                self._write({**at, "warning": kind, "text": said})

    def sheet(self, clock: Clock, picture: Image.Image, file: Path) -> None:
        """Name the newest sheet, which lies in ``file``."""
        self._sheet = file
        with self._kept():
            if self._telling.curves is not None:
                self._telling.curves.sheet(f"{self._name}/sheet", picture, clock.pictures)

    def show(self, clock: Clock) -> None:
        """Refresh what the reader sees; call after every step."""
        rate = self._rate(clock)
        if not self._warm:  # the first step builds kernels; it does not tell how long the rest will take
            self._warm, self._begin = True, (self._worked(), clock.pictures)
        said = f"{clock.pictures:,} of {self._length(clock)}, {_pace(rate)}/s{self._left(clock, rate)}"
        self._bar.show(clock.progress, said, f"newest sheet: {self._sheet}" if self._sheet else "")
        now = self._worked()
        if not self._console.is_terminal and now - self._last_line > LINE_SECONDS:
            self._last_line = now
            self.note(said + (f", newest sheet {self._sheet}" if self._sheet else ""))

    def done(self, clock: Clock) -> None:
        """Say that the task has ended, and where its last sheet is."""
        self.show(clock)
        self.note(
            f"done, {clock.pictures:,} {self._unit} seen" + (f", last sheet {self._sheet}" if self._sheet else "")
        )

    def close(self) -> None:
        """Stop the bar and close the file."""
        if self._console.is_terminal:
            self._bar.stop()
        with self._kept():
            self._file.close()

    def _warn(self, said: str) -> None:
        text = f"{self._title}: warning: {said}"
        self._console.print(text, style="yellow", highlight=False, soft_wrap=True, markup=False)

    def _write(self, row: dict[str, Any]) -> None:
        """Add a row to the file, unless an earlier one could not be written: half a row would spoil the next."""
        if not self._full:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()

    @contextmanager
    def _kept(self) -> Iterator[None]:
        """Go on without figures when they cannot be written, and say so once: a full disk ends no training here."""
        try:
            yield
        except OSError as error:
            if not self._full:
                self.note(f"figures are no longer written ({error.strerror or error}); training goes on")
            self._full = True

    def _rate(self, clock: Clock) -> float:
        """Pictures per second of this session, after its first step."""
        return (clock.pictures - self._begin[1]) / max(self._worked() - self._begin[0], 1e-9)

    def _length(self, clock: Clock) -> str:
        limited = f" or {to_the_second(self._limit)}" if self._limit else ""
        return f"{clock.total:,} {self._unit}{limited}"

    def _left(self, clock: Clock, rate: float) -> str:
        """Time left for the task, and for the run where more follows; nothing before there is a rate."""
        if rate <= 0:
            return ""
        own, run = self._seconds_left(clock, rate)
        if not self._telling.ahead:
            return f", {in_words(own)} left"
        return f", {in_words(own)} left (whole run about {in_words(run)})"

    def _seconds_left(self, clock: Clock, rate: float) -> tuple[float, float]:
        """For the task and for the run, at a rate above 0."""
        own = max(0, clock.total - clock.pictures) / rate
        if self._limit:
            own = min(own, self._limit * max(0.0, 1 - clock.spent))
        return own, own + sum(later.seconds(rate) for later in self._telling.ahead)

    def _standing(self, clock: Clock) -> dict[str, float]:
        """How far the task is, and the seconds left for it and for the run, for whoever watches from outside."""
        rate = self._rate(clock)
        left = dict(zip(("left", "left_of_run"), self._seconds_left(clock, rate), strict=True)) if rate > 0 else {}
        return {"progress": clock.progress, **left}


class Silence:
    """The log of a process that tells nobody: every call of :class:`Log` does nothing."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *_, **__: None


class _Bar(Progress):
    """A title, one bar, and below it the newest sheet."""

    def __init__(self, console: Console, title: str) -> None:
        self._title, self._sheet = title, ""
        super().__init__(BarColumn(24), TextColumn("{task.percentage:>3.0f}%"), TextColumn("{task.fields[said]}"),
                         console=console)  # fmt: skip
        self._task = self.add_task(title, total=1.0, said="")

    def show(self, share: float, said: str, sheet: str) -> None:
        """Refresh bar and words."""
        self._sheet = sheet
        self.update(self._task, completed=share, said=said)

    def get_renderables(self) -> list[RenderableType]:
        """Called by rich at every refresh."""
        lines: list[RenderableType] = [Text(self._title, style="bold"), self.make_tasks_table(self.tasks)]
        return [*lines, Text(self._sheet, style="dim", overflow="fold")] if self._sheet else lines


def title(name: str, telling: Telling) -> str:
    """A task in plain words, and which of the run's tasks it is."""
    return TITLES.get(name, name) + (f" ({telling.number} of {telling.of})" if telling.of > 1 else "")


def _pace(rate: float) -> str:
    return f"{rate:.0f}" if rate >= 10 else f"{rate:.1f}"


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: float(f"{value:.6g}") for key, value in values.items()}
