"""A studio with the tiny model, on a real socket."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from fromnoise.drawing.opened import Opening
from fromnoise.studio.api.state import State
from fromnoise.studio.app import create_app
from fromnoise.studio.desk.models import Models
from fromnoise.studio.server import Server, address_of, bound
from fromnoise.studio.settings import Limits, Settings
from fromnoise.system.text_to_image import TextToImage

LIMITS = Limits(
    waiting=20, count=8, api_count=4, body=64 * 1024, upload=2**20, upload_pixels=2_000_000, head_seconds=0.6,
    body_seconds=1.0, send_seconds=1.0, drain_seconds=20.0, connections=60,
)  # fmt: skip


@dataclass
class Live:
    """A running server."""

    url: str
    state: State
    server: Server
    thread: threading.Thread
    loop: asyncio.AbstractEventLoop

    @property
    def port(self) -> int:
        return int(self.url.rsplit(":", 1)[1])

    def client(self, **options: object) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=240, **options)  # type: ignore[arg-type]

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(30)


@contextlib.contextmanager
def running(
    model: TextToImage | Models,
    gallery: Path,
    token: str | None = None,
    limits: Limits = LIMITS,
    settings: Settings | None = None,
) -> Iterator[Live]:
    """Serve a model until the end of the block."""
    settings = settings or Settings(gallery, port=0, token=token, limits=limits)
    listening = bound(settings)
    app = create_app(settings, model if isinstance(model, Models) else Models("tiny", model))
    state: State = app.state.studio
    server = Server(app, settings)
    loop = asyncio.new_event_loop()
    serving = server.serve(sockets=[listening])
    thread = threading.Thread(target=loop.run_until_complete, args=(serving,), daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
        assert thread.is_alive()
    live = Live(address_of(settings, listening.getsockname()[1]), state, server, thread, loop)
    try:
        yield live
    finally:
        live.stop()


@pytest.fixture(scope="package")
def live(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that tests share; they must not stop it."""
    models = Models("tiny", TextToImage.load(tiny_model_folder), opened=Opening(str(tiny_model_folder)))
    with running(models, tmp_path_factory.mktemp("gallery")) as found:
        yield found


@pytest.fixture
def http(live: Live) -> Iterator[httpx.Client]:
    """A client of the shared server, which must still be there: waiting for one that fell takes minutes a test."""
    assert live.thread.is_alive(), "an earlier test has brought the shared server down"
    with live.client() as client:
        yield client


def finished(client: httpx.Client, job: str, seconds: float = 240) -> dict:  # type: ignore[type-arg]
    """A job when it is done."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = client.get(f"/api/jobs/{job}").json()
        if found["state"] not in ("queued", "running"):
            return found
        time.sleep(0.03)
    raise AssertionError(f"job {job} is not done after {seconds} s: {found}")
