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
        begun: seconds since 1970.
    """

    number: int
    begun: float

    @classmethod
    def here(cls) -> Process:
        """This very process."""
        return cls(os.getpid(), _psutil().Process().create_time())

    @property
    def alive(self) -> bool:
        """Whether it is still working."""
        library = _psutil()
        try:
            found = library.Process(self.number)
            same = abs(found.create_time() - self.begun) < 1
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
    write_atomically(run / NOTE, json.dumps({"process": here.number, "begun": here.begun}) + "\n")


def process_of(run: Path) -> Process | None:
    """The process that trained in a run's folder last; None where nobody knows."""
    try:
        noted: Any = json.loads((run / NOTE).read_text(encoding="utf-8"))
        number, begun = noted["process"], noted["begun"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    good = isinstance(number, int) and not isinstance(number, bool) and number > 1 and isinstance(begun, int | float)
    return Process(number, float(begun)) if good else None


def _psutil() -> Any:
    try:
        import psutil
    except ImportError as error:
        raise missing_packages("telling whether a training is alive needs more packages", "train") from error
    return psutil
