"""Server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send


def event(data: Mapping[str, Any], name: str | None = None) -> bytes:
    """One event; its data are JSON, which has no line breaks."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


async def as_events(news: AsyncGenerator[Mapping[str, Any] | None]) -> AsyncGenerator[bytes]:
    """News as events named by their "type"; silence as comments, which keep the connection open."""
    yield b": here\n\n"
    async with aclosing(news):
        async for item in news:
            if item is None:
                yield b": still here\n\n"
            else:
                sent = {key: value for key, value in item.items() if key not in ("key", "client")}
                yield event(sent, str(item["type"]))


class EventStream(StreamingResponse):
    """The answer that carries events. However it ends, its source is closed at once, which cancels what it waits for:
    left alone, a generator is closed when the garbage is collected.

    Args:
        content: encoded events.
        status_code: of the answer.
    """

    media_type = "text/event-stream"

    def __init__(self, content: AsyncGenerator[bytes], status_code: int = 200) -> None:
        super().__init__(content, status_code, headers={"X-Accel-Buffering": "no"})
        self._events = content

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send them."""
        async with aclosing(self._events):
            await super().__call__(scope, receive, send)
