"""From the drawing thread to the event loop: what one asked for, as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from fromnoise.studio.desk.engine import Drawn, Engine, Event, Failed, Wish

Make = Callable[[Callable[[Event], None]], Wish]  # a wish that tells what happens to it


class Asked:
    """Pictures that were asked for: they are in the queue as soon as this exists.

    Args:
        engine: draws.
        makes: one for each picture.

    Attributes:
        left: how many are neither drawn nor failed.

    Raises:
        Problem: the queue is full, or the server is stopping.
    """

    def __init__(self, engine: Engine, makes: Sequence[Make]) -> None:
        self._engine, self._loop = engine, asyncio.get_running_loop()
        self._news = asyncio.Queue[tuple[int, Event] | None]()
        self.wishes = [make(self._teller(i)) for i, make in enumerate(makes)]
        self.left = len(self.wishes)
        engine.submit(self.wishes)

    def _teller(self, which: int) -> Callable[[Event], None]:
        def tell(event: Event) -> None:
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._news.put_nowait, (which, event))

        return tell

    async def events(self) -> AsyncGenerator[tuple[int, Event]]:
        """(which, what happened), until each is drawn or failed; closing this cancels what is not drawn yet."""
        try:
            while self.left and (news := await self._news.get()):
                self.left -= isinstance(news[1], Drawn | Failed)
                yield news
        finally:
            self.cancel()

    def end(self) -> None:
        """There will be no more news: let who listens hear what there is, and go."""
        self._news.put_nowait(None)

    def cancel(self) -> None:
        """Nobody waits any more."""
        for wish in self.wishes:
            self._engine.cancel(wish)
