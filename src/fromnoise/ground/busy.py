"""Whether other programs keep this machine's cores busy, seen while ours is still starting."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass

BUSY = 0.3  # share of the cores' time that others take, from which on idle threads of ours had better sleep


@dataclass(frozen=True)
class Reading:
    """What was spent so far, in seconds: by the clock, by all programs on our cores, and by this one.

    Attributes:
        clock, all, own: those three.
        cores: how many cores this process may use.
    """

    clock: float
    all: float
    own: float
    cores: int

    @classmethod
    def now(cls) -> Reading | None:
        """The present reading; None where the system does not tell."""
        import psutil

        with contextlib.suppress(OSError, RuntimeError, psutil.Error):
            times = psutil.cpu_times(percpu=True)
            process = psutil.Process()
            if hasattr(process, "cpu_affinity"):  # not on macOS
                ours = process.cpu_affinity()
                times = [spent for core, spent in enumerate(times) if core in ours]
            spent = sum(getattr(core, kind, 0.0) for core in times for kind in _WORK)
            return cls(time.monotonic(), spent, sum(os.times()[:2]), len(times))
        return None


_WORK = ("user", "nice", "system", "irq", "softirq", "steal")  # of a core's time; the rest it was idle or waited
AT_START = Reading.now()


def others_are_busy(before: Reading | None = AT_START) -> bool:
    """Say whether others have taken a good share of the cores since a reading; False where that cannot be told.

    It needs some 50 ms between the two, since systems count in steps of 10.
    """
    after = Reading.now()
    if before is None or after is None or after.clock <= before.clock or not after.cores:
        return False
    others = (after.all - before.all) - (after.own - before.own)
    return others / (after.clock - before.clock) / after.cores >= BUSY
