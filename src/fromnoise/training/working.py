"""Time in which a training could work: what a limit of minutes and the rate of pictures are about."""

from __future__ import annotations

import time
from collections.abc import Callable

STANDSTILL = 60.0  # seconds between two looks, from which a process may have been stopped
IDLE = 0.01  # of them, computed: with less the process was stopped, or its machine was


class Working:
    """A clock, in seconds, that stands still while the process does, and that never goes back.

    Ctrl-Z and a lid that is closed are no time of training: else a run of an hour that was stopped over lunch would be
    over at its next step, at the learning rate of its middle.

    Args:
        now: the clock that is followed, in seconds.
        computed: seconds that this process has computed.
    """

    def __init__(
        self, now: Callable[[], float] = time.monotonic, computed: Callable[[], float] = time.process_time
    ) -> None:
        self._now, self._computed = now, computed
        self._seen, self._used, self._sum = now(), computed(), 0.0

    def __call__(self) -> float:
        """Seconds since the beginning in which this process could work."""
        now, used = self._now(), self._computed()
        passed, computed = now - self._seen, used - self._used
        if passed > 0 and (passed <= STANDSTILL or computed >= IDLE * passed):
            self._sum += passed
        self._seen, self._used = now, used
        return self._sum
