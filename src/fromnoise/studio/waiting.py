"""From the drawing thread to the event loop: what one asked for, as it comes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from fromnoise.studio.engine import Drawn, Engine, Event, Failed, Wish

Make = Callable[[Callable[[Event], None]], Wish]  # a wish that tells what happens to it


async def drawn(engine: Engine, makes: Sequence[Make]) -> AsyncIterator[tuple[int, Event]]:
    """Ask for pictures and yield (which, what happened), until each is drawn or failed.

    Closing this generator, or an error in who reads it, cancels what is not drawn yet.

    Raises:
        Problem: the queue is full, or the server is stopping.
    """
    loop, news = asyncio.get_running_loop(), asyncio.Queue[tuple[int, Event]]()

    def teller(which: int) -> Callable[[Event], None]:
        def tell(event: Event) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(news.put_nowait, (which, event))

        return tell

    wishes = [make(teller(i)) for i, make in enumerate(makes)]
    engine.submit(wishes)
    try:
        left = len(wishes)
        while left:
            which, event = await news.get()
            left -= isinstance(event, Drawn | Failed)
            yield which, event
    finally:
        for wish in wishes:
            engine.cancel(wish)
