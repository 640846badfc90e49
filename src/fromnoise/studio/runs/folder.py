"""What a run's folder tells of its training; reading it never disturbs who writes it."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fromnoise.drawing.opened import LORA_FILES, Opening
from fromnoise.training.health.history import TRUSTED, History, point_of, rows_of, thinned, without_lost
from fromnoise.training.health.process import process_of
from fromnoise.training.names import LOG, RUN, SHEETS, TASKS

USUAL = ("clip", "vae", "diffusion")  # of runs that are older than the list of their tasks
POINTS = 300  # of a curve that is sent
LISTED = 60  # sheets of a task that are told, spread evenly
CURVES = (
    *("loss", "held_out_loss", "train_loss", "held_out_top1", "held_out_psnr", "train_psnr", "detail", "near_training"),
    *("gradient_norm", "learning_rate", "pictures_per_second"),
)
FACTS = ("progress", "left", "left_of_run", "pictures_per_second")


class LogFile:
    """A log that grows, read from where it was read to.

    Args:
        file: it need not exist yet.
    """

    def __init__(self, file: Path) -> None:
        self.file, self.rows = file, list[dict[str, Any]]()
        self._at, self._rest = 0, b""

    def read(self) -> list[dict[str, Any]]:
        """All rows so far, as they were written; a file that became shorter is another one."""
        try:
            size = self.file.stat().st_size
            if size < self._at:
                self.rows, self._at, self._rest = [], 0, b""
            if size > self._at:
                self._take(max(self._at, size - TRUSTED))
        except OSError:
            self.rows, self._at, self._rest = [], 0, b""
        return self.rows

    def _take(self, begin: int) -> None:
        with self.file.open("rb") as opened:
            opened.seek(begin)
            found = opened.read(TRUSTED)
        *whole, self._rest = (self._rest + found).split(b"\n")
        self._at = begin + len(found)
        self.rows += rows_of(whole)

    @property
    def age(self) -> float | None:
        """Seconds since something was written; None where nothing was."""
        try:
            return max(0.0, time.time() - self.file.stat().st_mtime)
        except OSError:
            return None


class RunFolder:
    """A run as somebody who watches sees it.

    Args:
        path: the run's folder, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._logs = {name: LogFile(path / name / LOG) for name in TASKS}

    def facts(self) -> dict[str, Any] | None:
        """What ``run.json`` says; None where no training began, or where it is another kind of run."""
        try:
            stored = json.loads((self.path / RUN).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        return stored if isinstance(stored, dict) and isinstance(stored.get("recipe"), dict) else None

    def standing(self) -> dict[str, Any]:
        """Where the training is: "state", its tasks with the newest figures, all warnings, and its sheets.

        The state is "none" (nothing began), "running", "finished" or "stopped".
        """
        facts = self.facts()
        alive = self.alive
        tasks = [self._task(name) for name in self._names(facts)]
        if alive:
            state = "running"
        else:
            state = "none" if facts is None else "finished" if self._is_finished(facts, tasks) else "stopped"
        warnings = [{"task": name, **each} for name in TASKS for each in self._warnings(name)]
        data = facts.get("data") if facts else None
        return {
            "run": self.path.name,
            "state": state,
            "data": data if isinstance(data, str) else None,
            "tasks": tasks,
            "warnings": warnings,
            "model": self.model_stamp(),
        }

    def curves(self, task: str) -> dict[str, list[tuple[int, float]]]:
        """The figures of a task over the pictures seen, each with at most :data:`POINTS` points."""
        rows = without_lost(self._logs[task].read())
        history = History([point for row in rows if (point := point_of(row))], 1)
        found = {name: thinned(history.series(name), POINTS) for name in CURVES}
        return {
            name: list(zip(series.pictures, series.values, strict=True))
            for name, series in found.items()
            if series.values
        }

    def sheets(self, task: str) -> list[int]:
        """How many pictures had been seen at each sheet of a task, rising."""
        files = (self.path / task / SHEETS).glob("*.png")
        return sorted(int(file.stem) for file in files if file.stem.isdecimal())

    def sheet(self, task: str, pictures: int) -> Path | None:
        """The file of a sheet."""
        file = self.path / task / SHEETS / f"{pictures:010d}.png"
        return file if task in TASKS and file.is_file() else None

    def model_stamp(self) -> str | None:
        """Changes whenever the run's model does; None where there is none yet."""
        for file in (self.path / "model" / "model_index.json", self.path / LORA_FILES[0]):
            try:
                found = file.stat()
            except OSError:
                continue
            return f"{found.st_ino}-{found.st_mtime_ns}"
        return None

    def opening(self) -> Opening:
        """How its newest model is opened, where there is one: a folder, or a LoRA beside the model it began with."""
        if (self.path / "model").is_dir():
            return Opening(self.path / "model", precision="fp32")
        facts = self.facts() or {"recipe": {}}
        begun_with = facts["recipe"].get("start_from")
        return Opening(begun_with if isinstance(begun_with, str) else None, (str(self.path / LORA_FILES[0]),), "fp32")

    @property
    def alive(self) -> bool:
        """Whether somebody trains in it now."""
        found = process_of(self.path)
        return found is not None and found.alive

    def _names(self, facts: dict[str, Any] | None) -> list[str]:
        asked = self._asked(facts)
        return [*asked, *(name for name in TASKS if name not in asked and self._has_begun(name))]

    def _asked(self, facts: dict[str, Any] | None) -> list[str]:
        """The tasks of the run's recipe; a distillation in a run of its own has its model's, which trains none."""
        named = facts["recipe"].get("tasks") if facts else ()
        asked = named if isinstance(named, list) else USUAL
        return [] if facts and is_distillation(facts) else [name for name in asked if name in TASKS]

    def _has_begun(self, name: str) -> bool:
        return (self.path / name).is_dir()

    def _task(self, name: str) -> dict[str, Any]:
        rows = self._logs[name].read()
        newest: dict[str, Any] = {}
        for row in rows[-20:]:
            newest.update({key: row[key] for key in FACTS if _is_number(row.get(key))})
        listed, seen = self.sheets(name), rows[-1]["pictures"] if rows else 0
        if newest.get("progress", 0.0) < 1 and self._has_ended(name, seen):
            newest["progress"] = 1.0
        return {
            "name": name,
            "rows": len(rows),
            "pictures": seen,
            "age": self._logs[name].age,
            "sheets": _spread(listed),
            **newest,
        }

    def _warnings(self, name: str) -> list[dict[str, Any]]:
        rows = (row for row in self._logs[name].rows if "warning" in row)
        return [
            {"kind": str(row["warning"])[:64], "text": str(row.get("text", ""))[:1000], "pictures": row["pictures"]}
            for row in rows
        ]

    def _is_finished(self, facts: dict[str, Any], tasks: Sequence[dict[str, Any]]) -> bool:
        """Whether all that it trains has ended, without what it takes from the model that it began with."""
        given = self._asked(facts)[:-1] if facts["recipe"].get("start_from") else []
        trained = [task for task in tasks if task["name"] not in given or self._has_begun(task["name"])]
        return bool(trained) and all(task.get("progress", 0.0) >= 1 for task in trained)

    def _has_ended(self, name: str, logged: int) -> bool:
        """Whether a task's newest checkpoint is its last one, as runs of earlier versions do not always log.

        Args:
            name: of the task.
            logged: pictures seen at the newest row of its log; a log that is further tells of a longer run.
        """
        try:
            newest = max((self.path / name).glob("step-*"), default=None)
            if newest is None:
                return False
            found = json.loads((newest / "state.json").read_bytes())["facts"]
            seen, loop = found["step"] * found["batch"], found["loop"]
            ended = seen >= loop["pictures"] > 0 or found.get("elapsed", 0.0) >= 60 * loop["minutes"] > 0
            return bool(ended and seen >= logged)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return False


def is_distillation(facts: dict[str, Any]) -> bool:
    """Whether a run does nothing but distil a finished model (``fromnoise distill``), by what its ``run.json`` says."""
    made_from = facts.get("made_from")
    return isinstance(made_from, dict) and bool(made_from.get("model"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _spread(listed: Sequence[int]) -> list[int]:
    """So many of them that a slider can go through, the first and the last among them."""
    if len(listed) <= LISTED:
        return list(listed)
    places = (round(i * (len(listed) - 1) / (LISTED - 1)) for i in range(LISTED))
    return [listed[i] for i in places]
