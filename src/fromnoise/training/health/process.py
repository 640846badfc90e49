"""Which process trains in a run's folder: noted when it begins, so that somebody else can see whether it still lives,
and ask it to save and stop.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fromnoise.ground.errors import missing_packages
from fromnoise.ground.whole import write_atomically

NOTE = ".process.json"  # in a run's folder; what begins with a dot is no part of the run


@dataclass(frozen=True)
class Process:
    """A process, told from a later one that was given the same number by when it began.

    Attributes:
        number: as the system numbers it.
        begun: seconds since 1970, as the clock was then.
        after: seconds from the machine's start until then, which stay the same when its clock is set; None where that
            was not noted.
    """

    number: int
    begun: float
    after: float | None = None

    @classmethod
    def here(cls) -> Process:
        """This very process."""
        return cls(os.getpid(), *_times(_psutil().Process()))

    @property
    def alive(self) -> bool:
        """Whether it is still working."""
        library = _psutil()
        try:
            found = library.Process(self.number)
            begun, after = _times(found)
            same = abs(begun - self.begun) < 1 or (self.after is not None and abs(after - self.after) < 1)
            return bool(same and found.status() != library.STATUS_ZOMBIE)
        except library.Error:
            return False

    def ask_to_stop(self) -> bool:
        """Send what Ctrl-C sends, if it is alive: a training saves and ends. Returns whether it was asked."""
        if not self.alive:
            return False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.number, signal.SIGINT)
        return True


def note_process(run: Path) -> None:
    """Write down that this process trains in a run's folder."""
    here = Process.here()
    noted = {"process": here.number, "begun": here.begun, "after": here.after}
    write_atomically(run / NOTE, json.dumps(noted) + "\n")


def process_of(run: Path) -> Process | None:
    """The process that trained in a run's folder last; None where nobody knows."""
    try:
        noted: Any = json.loads((run / NOTE).read_text(encoding="utf-8"))
        number, begun, after = noted["process"], noted["begun"], noted.get("after")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    good = isinstance(number, int) and not isinstance(number, bool) and number > 1 and isinstance(begun, int | float)
    return Process(number, float(begun), float(after) if isinstance(after, int | float) else None) if good else None


def _times(process: Any) -> tuple[float, float]:
    """When a process began: in seconds since 1970, and since the machine's start."""
    machine, begun = _psutil().boot_time(), process.create_time()
    return begun, begun - machine


def _psutil() -> Any:
    try:
        import psutil
    except ImportError as error:
        raise missing_packages("telling whether a training is alive needs more packages", "train") from error
    return psutil
