"""Telling people how training goes: the terminal, a JSON-lines file and TensorBoard curves."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fromnoise.training.clock import Clock


class Log:
    """One task's log.

    On a terminal a progress bar shows time left and pictures per second; elsewhere (a file, a pipe) a line is
    printed every half minute. Each record also goes to ``log.jsonl`` and to the trackers.

    Args:
        folder: the task's folder in the run.
        clock: the clock at the start of this session.
        tracker: an ``accelerate.Accelerator`` whose trackers are initialised, or None.
        unit: what the run counts, for the reader.
    """

    def __init__(self, folder: Path, clock: Clock, tracker: Any = None, unit: str = "pictures") -> None:
        self._console = Console(stderr=True)
        self._file = (folder / "log.jsonl").open("a", encoding="utf-8")
        self._tracker, self._unit = tracker, unit
        self._name = folder.name
        self._begin = (time.monotonic(), clock.pictures)
        self._last_line = 0.0
        self._warm = False
        self._progress = _bar(self._console)
        self._bar = self._progress.add_task(self._name, total=clock.total, completed=clock.pictures, detail="")
        if self._console.is_terminal:
            self._progress.start()

    def note(self, text: str) -> None:
        """Print one line for the reader."""
        self._console.print(f"[dim]{self._name}[/dim] {text}", highlight=False, soft_wrap=True)

    def record(self, clock: Clock, values: dict[str, float]) -> None:
        """Write a point of each curve, and refresh what the terminal shows."""
        seconds = time.monotonic() - self._begin[0]
        rate = (clock.pictures - self._begin[1]) / max(seconds, 1e-9)
        if not self._warm:  # the first steps build kernels; they do not tell how long the rest will take
            self._warm, self._begin = True, (time.monotonic(), clock.pictures)
        values = {**values, "pictures_per_second": rate}
        self._file.write(json.dumps({"step": clock.step, "pictures": clock.pictures, **_rounded(values)}) + "\n")
        self._file.flush()
        if self._tracker is not None:
            self._tracker.log({f"{self._name}/{key}": value for key, value in values.items()}, step=clock.step)
        self._show(clock, values, rate)

    def close(self) -> None:
        """Stop the bar and close the file."""
        if self._console.is_terminal:
            self._progress.stop()
        self._file.close()

    def _show(self, clock: Clock, values: dict[str, float], rate: float) -> None:
        pace = f"{rate:.0f} {self._unit}/s"
        detail = f"loss {values['loss']:.4f} · {pace}" if "loss" in values else pace
        self._progress.update(self._bar, completed=clock.pictures, detail=detail)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._last_line > 30:
            self._last_line = now
            left = max(0, clock.total - clock.pictures) / max(rate, 1e-3) / 60
            self.note(
                f"{clock.pictures:,} of {clock.total:,} {self._unit} · {detail} · {left:.0f} min left for {self._name}"
            )


def _bar(console: Console) -> Progress:
    columns = (
        TextColumn("{task.description:>9}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[detail]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=console, transient=False)


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: float(f"{value:.6g}") for key, value in values.items()}
