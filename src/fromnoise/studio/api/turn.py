"""One at a time, and not too many waiting."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from fromnoise.studio.desk.problem import Problem

WAITING = 16  # at a time; one is served, the others wait


class Turn:
    """Whose turn it is: each of these takes a core from the pictures, so one is served at a time.

    Args:
        what: those who wait, in a message: "stories".
    """

    def __init__(self, what: str) -> None:
        self.what, self.waiting, self._lock = what, 0, asyncio.Lock()

    def check(self) -> None:
        """Refuse one more where too many wait already.

        Raises:
            Problem: they do.
        """
        if self.waiting >= WAITING:
            raise Problem(429, f"{WAITING} {self.what} wait already; try again in {WAITING} s", retry=WAITING)

    @asynccontextmanager
    async def mine(self) -> AsyncGenerator[None]:
        """Wait for the turn, and have it.

        Raises:
            Problem: too many wait already.
        """
        self.check()
        self.waiting += 1
        try:
            async with self._lock:
                yield
        finally:
            self.waiting -= 1
