"""Running the application: sockets, patience with slow clients, and stopping without losing pictures."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import threading
import webbrowser
from types import FrameType
from typing import Any, TextIO
from urllib.parse import quote

import h11
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from fromnoise.ground.errors import UserError
from fromnoise.studio.api.problems import body_of
from fromnoise.studio.api.state import State
from fromnoise.studio.app import create_app, drain
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.settings import Settings

BACKLOG = 2048  # as uvicorn's


def serve(settings: Settings, models: Models, browser: bool, parent: TextIO | None = None) -> None:
    """Serve until Ctrl-C or a request to end.

    Args:
        settings: see :class:`Settings`.
        models: what draws.
        browser: open the page.
        parent: ends when whoever began this process does; the server ends with it.

    Raises:
        UserError: the port is taken, or the gallery cannot be used.
    """
    listening = bound(settings)
    app = create_app(settings, models)
    address = address_of(settings, listening.getsockname()[1])
    print(f"the studio is at {address}/ (Ctrl-C stops it); pictures are kept in {settings.gallery}", flush=True)
    if settings.token is not None and not settings.local:
        print(
            "others in the network can use it with the token, which travels unencrypted: put TLS before it", flush=True
        )
    state: State = app.state.studio
    page = page_address(address, settings.token)
    if state.training is not None:
        page += f"#training/{state.training.key}"
        print(f"training: {page} (whoever has this address may begin, pause and go on)", flush=True)
    if browser:
        threading.Timer(0.7, webbrowser.open, (page,)).start()
    server = Server(app, settings)
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent, server), daemon=True).start()
    server.run(sockets=[listening])
    if state.training is not None and state.training.begun_here:
        print(f"the training goes on without the page; see it again: fromnoise studio --run {state.training.path}")


def _end_with(parent: TextIO, server: uvicorn.Server) -> None:
    parent.read()  # to its end
    server.should_exit = True


def bound(settings: Settings) -> socket.socket:
    """A socket at the wanted address.

    Raises:
        UserError: somebody else is there, or the address is not this machine's.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host.strip("[]"), settings.port, type=socket.SOCK_STREAM
        )[0]
        found = socket.socket(family, kind, protocol)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
        found.listen(BACKLOG)  # before its address is told: who is told may knock at once
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(
            f"cannot listen at {settings.host}:{settings.port}: {reason}; name another --port or --host"
        ) from None
    return found


def address_of(settings: Settings, port: int) -> str:
    """Where clients reach it."""
    host = settings.host.strip("[]")
    host = "127.0.0.1" if host == "0.0.0.0" else f"[{host}]" if ":" in host else host
    return f"http://{host}:{port}"


def page_address(address: str, token: str | None) -> str:
    """The page's address, with the token where one is needed: any sign of it may mean something else in an address."""
    return f"{address}/" if token is None else f"{address}/?token={quote(token, safe='')}"


class Server(uvicorn.Server):
    """uvicorn, with streams that end when it is told to stop: it would wait for them otherwise."""

    def __init__(self, app: FastAPI, settings: Settings) -> None:
        limits = settings.limits
        super().__init__(
            uvicorn.Config(
                app,
                http=_timed(limits.head_seconds),
                ws="none",
                lifespan="on",
                log_level="warning",
                access_log=False,
                server_header=False,
                limit_concurrency=4 * limits.connections,  # idle ones too; the guard counts those that ask
                timeout_keep_alive=30,
                timeout_graceful_shutdown=int(limits.drain_seconds) + 5,
                h11_max_incomplete_event_size=32 * 1024,
                proxy_headers=False,
            )
        )
        self._state: State = app.state.studio
        self._draining: asyncio.Task[None] | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Told to stop: drain first; told again: stop at once."""
        if self._draining is None and sig in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(RuntimeError):  # before the loop runs there is nothing to drain
                loop = asyncio.get_running_loop()
                self._draining = loop.create_task(drain(self._state))
                self._draining.add_done_callback(lambda _: super(Server, self).handle_exit(sig, frame))
                return
        super().handle_exit(sig, frame)


def _timed(seconds: float) -> Any:
    """A protocol that closes connections on which no whole request head arrives in time."""

    class Timed(H11Protocol):
        _late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self._late = self.loop.call_later(seconds, self._give_up)

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is not None:
                self._stop_waiting()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
                self._stop_waiting()
                self._late = self.loop.call_later(seconds + 30, self._give_up)

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(exc)

        def send_400_response(self, msg: str) -> None:
            body = json.dumps(body_of(Problem(400, msg))).encode()
            headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
            headers.append((b"content-length", str(len(body)).encode()))
            answer = h11.Response(status_code=400, headers=headers, reason=b"Bad Request")
            for event in (answer, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event=event))
            self.transport.close()

        def _give_up(self) -> None:
            if self.cycle is None or self.cycle.response_complete:
                self.transport.close()

        def _stop_waiting(self) -> None:
            if self._late is not None:
                self._late.cancel()
                self._late = None

    return Timed
