"""Is everybody still there? A thread of each process that trains together with others.

Each process counts up a number in the launcher's key-value store every second or two. The first one looks whether all
numbers grow, the others whether its number does; so whoever is killed, or whose machine is gone, is missed within
:data:`SILENT` seconds, also where a collective operation would wait for it for ever. What a process has to say at its
end goes the same way.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import torch.distributed as dist

BEAT = 1.0  # seconds between two signs of life
SILENT = 40.0  # seconds without one after which a process counts as gone
PATIENCE = 6.0  # seconds in which the first process waits until the others have heard of its end
LOST = (
    "{} has ended or cannot be reached; what was learnt until the last checkpoint is kept, and the same command goes "
    "on from there"
)
Ending = Callable[[str, int], None]


def connected() -> dist.Store:
    """A connection of its own to the launcher's store, under a name that a restart by the launcher changes.

    A connection does one thing at a time: who waits for something needs another one than who gives signs of life.
    """
    place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    store = dist.TCPStore(*place, is_master=False, timeout=timedelta(seconds=SILENT / 2))
    restart = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return dist.PrefixStore(f"fromnoise/{restart}", store)


class Watch:
    """Signs of life and last words of one process among others.

    Args:
        index, count: which process of how many this is.
        end: is called by the thread with a line for the reader ("" for none) and an exit code, and ends the process.
    """

    def __init__(self, index: int, count: int, end: Ending) -> None:
        self.index, self.count, self._end = index, count, end
        self._store, self._beating = connected(), connected()
        self._others = range(1, count) if index == 0 else range(1)
        self._beats = self._unanswered = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="fromnoise-watch", daemon=True)
        self._guard = threading.Thread(target=self._wait_for_looks, name="fromnoise-guard", daemon=True)

    def begin(self) -> None:
        """Begin; call at about the same time everywhere."""
        self._beating.set(f"beat/{self.index}", "0")
        self._thread.start()
        if self.index:
            self._guard.start()

    def say(self, key: str, value: str = "1") -> None:
        """Let the others know something."""
        self._store.set(key, value)

    def wait(self, key: str) -> None:
        """Wait until somebody has said it, however long that takes."""
        while not self._store.check([key]):
            time.sleep(0.05)

    def end_all(self, code: int, missing: int = 0) -> None:
        """As the first process: let the others end with this exit code, and wait until they do, unless all are gone."""
        self._over.set()
        until = time.monotonic() + (PATIENCE if self.count > 1 + missing else 0)
        try:
            self.say("end", str(code))
            while time.monotonic() < until and not self._store.check([f"left/{i}" for i in self._others]):
                time.sleep(0.05)
        except RuntimeError:  # the store is gone, and those who kept it
            return

    def lost(self, which: int | None = None) -> str:
        """A line that says that a process is gone; None is one of the others."""
        if which is None and self.count == 2:
            which = 1 - self.index
        who = f"one of the {self.count} processes" if which is None else f"process {which + 1} of {self.count}"
        return LOST.format(who)

    def linger(self) -> None:
        """As another process whose connections broke: end with the first one, or if that is gone with a line."""
        self._thread.join(PATIENCE)
        self._end(self.lost(), 2)

    def follow(self) -> None:
        """As another process: leave when the first one ends, by the thread."""
        self._thread.join()

    def _watch(self) -> None:
        heard = dict.fromkeys(self._others, (b"", 0))
        while not self._over.wait(BEAT):
            try:
                line = self._look(heard)
            except RuntimeError:  # the store is gone; the first process keeps it, or its launcher does
                line = self.lost(0)
            self._unanswered = 0
            if line:
                self._end(line, 2)

    def _wait_for_looks(self) -> None:
        """As another process: end where the store does not answer. The first process keeps it, or its launcher does; if
        that stands still, so does whoever asks it, since torch waits there for ever. What is counted are waits of this
        very process, so that one that stood still itself does not blame others.
        """
        while not self._over.wait(BEAT):
            self._unanswered += 1
            if self._unanswered * BEAT > SILENT:
                self._end(self.lost(0), 2)

    def _look(self, heard: dict[int, tuple[bytes, int]]) -> str:
        """Give a sign of life and look for those of others. Returns a line if all is over.

        Silence is counted in looks, not by a clock: after a lid that was closed all are silent, and none is gone.
        """
        self._beats += 1
        self._beating.set(f"beat/{self.index}", str(self._beats))
        if self.index and self._beating.check(["end"]):
            self._beating.set(f"left/{self.index}", "1")
            self._end("", int(self._beating.get("end")))
        for other, (last, when) in heard.items():
            if self.index == 0 and self._beating.check([f"failed/{other}"]):
                time.sleep(BEAT)  # an error of all is told by this process itself
                return self._beating.get(f"failed/{other}").decode() if not self._over.is_set() else ""
            beat = self._beating.get(f"beat/{other}") if self._beating.check([f"beat/{other}"]) else b""
            if beat != last:
                heard[other] = beat, self._beats
            elif (self._beats - when) * BEAT > SILENT:
                return self.lost(other)
        return ""
