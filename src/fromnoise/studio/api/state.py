"""Everything that lives as long as the server, in one place that routes are handed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from fastapi import Request

from fromnoise.drawing.picture_file import Origin, origin_in
from fromnoise.ground.errors import UserError
from fromnoise.inspection.architecture import machine_of
from fromnoise.story.model import StoryModel
from fromnoise.studio.api.copies import Copies
from fromnoise.studio.api.links import Links
from fromnoise.studio.api.metrics import Metrics
from fromnoise.studio.api.turn import Turn
from fromnoise.studio.desk.engine import Engine
from fromnoise.studio.desk.hub import Hub
from fromnoise.studio.desk.jobs import Jobs
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.problem import Problem, problem_of
from fromnoise.studio.desk.store import Store
from fromnoise.studio.desk.uploads import Uploads
from fromnoise.studio.runs.watched import Watched
from fromnoise.studio.settings import Settings

T = TypeVar("T")


@dataclass(eq=False)
class State:
    """The parts of a server.

    Attributes:
        restarted: what an earlier life of the server left: jobs queued again, jobs interrupted.
        started: seconds since 1970.
        stories, looks: whose turn it is in the story game, and in looking inside.
        checks: likewise for the check whether a picture is a copy.
        trials: likewise for drawing with the model of the training.
        training: the one that is watched.
        touches: likewise for small changes while somebody drags, which do not wait for a whole look.
    """

    settings: Settings
    models: Models
    store: Store
    engine: Engine
    uploads: Uploads
    hub: Hub
    jobs: Jobs
    links: Links
    metrics: Metrics
    restarted: tuple[int, int] = (0, 0)
    started: int = field(default_factory=lambda: int(time.time()))
    stories: Turn = field(default_factory=lambda: Turn("stories"))
    looks: Turn = field(default_factory=lambda: Turn("looks inside"))
    touches: Turn = field(default_factory=lambda: Turn("changes"))
    checks: Turn = field(default_factory=lambda: Turn("checks for copies"))
    trials: Turn = field(default_factory=lambda: Turn("drawings with the newest model"))
    training: Watched | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @classmethod
    def build(cls, settings: Settings, models: Models) -> State:
        """Put the parts together; opens the gallery and starts the drawing thread."""
        store = Store(settings.gallery)
        engine, hub = Engine(models, settings.limits.waiting), Hub()
        uploads = Uploads(settings.gallery / "uploads", settings.limits.upload_pixels)
        jobs = Jobs(engine, store, uploads, hub, settings.limits.drain_seconds, settings.stamp)
        links = Links(settings.limits.link_seconds)
        state = cls(settings, models, store, engine, uploads, hub, jobs, links, Metrics(engine))
        if settings.run is not None:
            state.training = Watched(settings.run)
        return state

    async def patiently(self, function: Callable[..., T], *arguments: Any) -> T:
        """Work on what a client sent, aside from the event loop and not for ever.

        Raises:
            Problem: it took too long.
        """
        try:
            work = asyncio.to_thread(function, *arguments)
            return await asyncio.wait_for(work, self.settings.limits.unpack_seconds)
        except TimeoutError:
            raise Problem(413, "reading the picture takes too long; send a smaller one") from None

    def read_origin(self, data: bytes) -> Origin:
        """How a picture says that it was drawn.

        Raises:
            Problem: it does not say.
        """
        try:
            return origin_in(data, "this picture")
        except UserError as error:
            raise problem_of(error, param="file", code="no_settings") from None

    @cached_property
    def copies(self) -> Copies:
        """The check for copies."""
        return Copies(self.models)

    @property
    def hashes(self) -> set[str]:
        """The names of the models that draw here."""
        return {model.hash for model in self.models.loaded()}

    def machine(self) -> dict[str, Any]:
        """The diagram of the networks; drawn once."""
        with self._lock:
            return self._machine

    def story(self) -> StoryModel:
        """The shipped model of the story game, loaded once.

        Raises:
            UserError: it is not there.
        """
        with self._lock:
            return self._story

    @cached_property
    def _story(self) -> StoryModel:
        return StoryModel.load()

    @cached_property
    def _machine(self) -> dict[str, Any]:
        return machine_of(self.models.plain())


def state_of(request: Request) -> State:
    """The state of the server that answers a request."""
    state: State = request.app.state.studio
    return state


def reached_at(request: Request) -> str:
    """The server's address as a client reached it, which another machine calls otherwise than this one does."""
    return f"{request.url.scheme}://{request.headers['host']}"
