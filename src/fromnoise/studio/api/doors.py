"""Requests that mean what a route means and say it a little differently: HEAD for GET, slashes too many, empty
queries."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Doors:
    """Makes requests plain before anything looks at them, so that everything looks at the same.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope["path"] = "/" + "/".join(part for part in scope["path"].split("/") if part)
        scope["query_string"] = b"&".join(part for part in scope["query_string"].split(b"&") if part.partition(b"=")[2])
        if scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        scope["method"] = "GET"
        head = _Head(send)
        await self.app(scope, head.receive, head.send)


class _Head:
    """The answer of a GET without its body: it ends after its headers, and so does what would have made the body."""

    def __init__(self, send: Send) -> None:
        self._send, self._asked, self._answered = send, False, asyncio.Event()

    async def receive(self) -> Message:
        """No body; then, as soon as there is an answer, the client is gone."""
        if not self._asked:
            self._asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._answered.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """The headers, and the end."""
        if message["type"] == "http.response.start":
            await self._send(message)
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})
            self._answered.set()
