"""Server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.responses import StreamingResponse


def event(data: Mapping[str, Any], name: str | None = None) -> bytes:
    """One event; its data are JSON, which has no line breaks."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


async def as_events(news: AsyncIterator[Mapping[str, Any] | None]) -> AsyncIterator[bytes]:
    """News as events named by their "type"; silence as comments, which keep the connection open."""
    yield b": here\n\n"
    async for item in news:
        if item is None:
            yield b": still here\n\n"
        else:
            sent = {key: value for key, value in item.items() if key not in ("key", "client")}
            yield event(sent, str(item["type"]))


def event_stream(events: AsyncIterator[bytes]) -> StreamingResponse:
    """The answer that carries them."""
    return StreamingResponse(events, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
