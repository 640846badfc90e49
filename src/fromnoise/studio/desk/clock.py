"""Time that passes evenly, whatever the machine's clock is set to meanwhile."""

from __future__ import annotations

import time


class Passing:
    """Seconds since 1970 as the clock said at the beginning, and those that passed since.

    What is removed after a while goes by this: a clock that is set a month ahead removes nothing early.
    """

    def __init__(self) -> None:
        self._begun = time.time() - time.monotonic()

    def __call__(self) -> float:
        """Now."""
        return self._begun + time.monotonic()
