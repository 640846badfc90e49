"""Which warnings would a training have given, and when? Replays the logs of finished runs.

    python benchmarks/replayed_warnings.py runs/stickers-128 runs/mine

A run that went well should give none: whatever is printed for it is a false alarm.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from formats import machine
from fromnoise.training.health.history import History, point_of, read_rows
from fromnoise.training.health.signs import SIGNS
from fromnoise.training.names import LOG, TASKS

GROWTH = 1.02  # as while training


def replayed(file: Path) -> list[tuple[str, int, int]]:
    """Each warning of a log, once: its kind, the pictures seen, and the row."""
    rows = [row for row in read_rows(file) if row.get("step")]
    points = [point for row in rows if (point := point_of(row))]
    if not points:
        return []
    if not any("progress" in row for row in rows):  # written before that was told: as if the run were whole
        most = points[-1].pictures
        points = [replace(point, progress=point.pictures / most) for point in points]
    batch = rows[0]["pictures"] // rows[0]["step"]
    found: dict[str, tuple[str, int, int]] = {}
    due = 1
    for count in range(1, len(points) + 1):
        if count < due:
            continue
        due = max(count + 1, int(GROWTH * count))
        history = History(points[:count], batch)
        for kind, sign in SIGNS.items():
            if kind not in found and sign(history):
                found[kind] = kind, points[count - 1].pictures, count
    return list(found.values())


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    runs = parser.parse_args().runs
    print(f"as this machine reads them ({machine()}); what they say is the same on any:")
    for run in runs:
        for task in TASKS:
            if (run / task / LOG).is_file():
                given = replayed(run / task / LOG)
                said = "; ".join(f"{kind} at {pictures:,} (row {row})" for kind, pictures, row in given)
                print(f"{run.name} {task}: {len(read_rows(run / task / LOG))} rows: {said or 'no warning'}")


if __name__ == "__main__":
    main()
