"""Watching a training from inside: after every row of its log, the signs that were not given yet are asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from fromnoise.training.clock import Clock
from fromnoise.training.health.history import History, Point, point_of, read_rows
from fromnoise.training.health.signs import SIGNS

GROWTH = 1.02  # signs are asked again when the log has grown by that: asking costs nothing then


class Watch:
    """Gives each warning once in a run, whatever number of sessions it takes.

    Args:
        file: the task's log; what earlier sessions wrote is read.
        clock: as the session begins; what was told beyond it is lost and will be told again.
        steady: see :class:`History`.
    """

    def __init__(self, file: Path, clock: Clock, steady: bool = True) -> None:
        rows = read_rows(file)
        self._points = [p for row in rows if row["pictures"] <= clock.pictures and (p := point_of(row))]
        self._given = {str(row["warning"]) for row in rows if "warning" in row}
        self._batch, self._steady, self._due = clock.batch, steady, 0

    def take(self, clock: Clock, values: Mapping[str, float]) -> Iterator[tuple[str, str]]:
        """Add a row; gives (kind, sentence) of every warning that is new."""
        self._points.append(Point(clock.pictures, clock.progress, dict(values)))
        if len(self._points) < self._due and "held_out_loss" not in values:
            return
        self._due = max(len(self._points) + 1, int(GROWTH * len(self._points)))
        history = History(self._points, self._batch, self._steady)
        for kind, sign in SIGNS.items():
            if kind not in self._given and (said := sign(history)):
                self._given.add(kind)
                yield kind, said
