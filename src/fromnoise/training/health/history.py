"""What a training has told of itself so far: the rows of its log, as series over the pictures seen."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TRUSTED = 64 * 2**20  # bytes of a log that are read, from its end


@dataclass(frozen=True)
class Point:
    """One row of the log.

    Attributes:
        pictures: seen so far.
        progress: share of the task that is done, 0…1.
        values: its figures by name.
    """

    pictures: int
    progress: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Series:
    """One figure over the pictures seen: [N] each, the oldest first."""

    pictures: tuple[int, ...]
    values: tuple[float, ...]

    def __len__(self) -> int:
        return len(self.values)

    def parts(self, count: int) -> list[tuple[float, ...]]:
        """The values in so many runs of the same length; what does not divide is left out at the beginning, where
        a training settles."""
        size = len(self) // count
        kept = self.values[len(self) - size * count :]
        return [kept[i * size : (i + 1) * size] for i in range(count)]

    def until(self, pictures: int) -> Series:
        """What was told up to so many pictures."""
        count = sum(at <= pictures for at in self.pictures)
        return Series(self.pictures[:count], self.values[:count])


@dataclass(frozen=True)
class History:
    """All rows of one task's log so far, and what it is.

    Attributes:
        points: the oldest first.
        batch: pictures per step.
        steady: whether the loss asks the same all the time; a curriculum makes its task harder as it goes.
    """

    points: Sequence[Point]
    batch: int
    steady: bool = True

    def series(self, name: str) -> Series:
        """A figure wherever it was told and is a number."""
        found = [(p.pictures, p.values[name]) for p in self.points if math.isfinite(p.values.get(name, math.nan))]
        return Series(tuple(at for at, _ in found), tuple(value for _, value in found))

    @property
    def progress(self) -> float:
        """Share of the task that is done, 0…1."""
        return self.points[-1].progress if self.points else 0.0


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean of two values or more, and its standard error."""
    return statistics.fmean(values), statistics.stdev(values) / math.sqrt(len(values))


def rows_of(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """Rows of a log as they were written; one that is not whole yet, or makes no sense, is left out."""
    found = []
    for line in lines:
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("pictures"), int):
            found.append(row)
    return found


def read_rows(file: Path) -> list[dict[str, Any]]:
    """The rows of a log file, [] where there is none. Of what was trained twice, since a run was killed and went on
    from its checkpoint, the newer rows count."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, file.stat().st_size - TRUSTED))
            rows = rows_of(opened.read(TRUSTED).splitlines())
    except OSError:
        return []
    return without_lost(rows)


def without_lost(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows without those that a later row goes back behind; warnings that were given stay given."""
    kept: list[dict[str, Any]] = []
    least, lost = math.inf, False
    for row in reversed(rows):
        if "warning" in row:
            kept.append(row)
        elif row["pictures"] < least or (row["pictures"] == least and not lost):  # a sheet's row stands beside a step's
            kept.append(row)
            least, lost = row["pictures"], False
        else:
            lost = True
    return kept[::-1]


def point_of(row: Mapping[str, Any]) -> Point | None:
    """A row as a point; None where it has no figures."""
    known = ("step", "pictures", "progress", "time", "left")
    values = {
        key: float(value) for key, value in row.items()
        if key not in known and isinstance(value, int | float) and not isinstance(value, bool)
    }  # fmt: skip
    progress = row.get("progress", 0.0)
    good = isinstance(progress, int | float) and not isinstance(progress, bool)
    return Point(row["pictures"], float(progress) if good else 0.0, values) if values else None


def thinned(series: Series, most: int) -> Series:
    """A series with at most so many points, each the mean of its neighbours."""
    size = -(-len(series) // most) if series.values else 1
    groups = [slice(i, i + size) for i in range(0, len(series), size)]
    pictures = (series.pictures[group][-1] for group in groups)
    values = (statistics.fmean(series.values[group]) for group in groups)
    return Series(tuple(pictures), tuple(values))
