"""News for everyone who listens, without letting a slow listener grow without bound."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable
from typing import Any

MOST_WAITING = 2000  # news for one listener; who is further behind has lost the thread and begins anew

News = dict[str, Any]


class Listener:
    """What one listener has not heard yet. News with the same ``key`` replace each other: only the newest counts.

    Args:
        wants: which news this listener hears.
    """

    def __init__(self, wants: Callable[[News], bool]) -> None:
        self.wants, self._waiting, self._ready = wants, OrderedDict[Any, News | None](), asyncio.Event()
        self._count = 0

    def put(self, news: News | None) -> None:
        """Hand over news; None is the end."""
        self._count += 1
        key = (news or {}).get("key") or self._count
        self._waiting.pop(key, None)  # to the end of the line, where the newest belongs
        self._waiting[key] = news
        if len(self._waiting) > MOST_WAITING:
            self._waiting.clear()
            self._waiting[0] = None
        self._ready.set()

    async def get(self, seconds: float) -> News | bool | None:
        """The next news, None at the end, False when there was none for so long."""
        if not self._waiting:
            self._ready.clear()
            try:
                await asyncio.wait_for(self._ready.wait(), seconds)
            except TimeoutError:
                return False
        return self._waiting.popitem(last=False)[1]


class Hub:
    """Where news are told and heard, on one event loop."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self.closed = False

    def tell(self, news: News) -> None:
        """Tell everyone who wants to hear it."""
        for listener in self._listeners:
            if listener.wants(news):
                listener.put(news)

    def close(self) -> None:
        """End all listening, since the server stops."""
        self.closed = True
        for listener in self._listeners:
            listener.put(None)

    async def listen(
        self, wants: Callable[[News], bool], first: Callable[[], list[News]], pause: float = 15.0
    ) -> AsyncGenerator[News | None]:
        """How things stand, and then news as they come.

        Args:
            wants: which news to hear.
            first: how things stand; asked once no news can be missed.
            pause: after so many seconds of silence comes None, so that broken connections are noticed.
        """
        listener = Listener(wants)
        self._listeners.add(listener)
        try:
            for news in first():
                yield news
            while not self.closed:
                heard = await listener.get(pause)
                if heard is None:
                    return
                yield heard if isinstance(heard, dict) else None
        finally:
            self._listeners.discard(listener)
