"""The web application: routes, layers, and what happens when the server starts and stops."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import Depends, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware

from fromnoise import __version__
from fromnoise.studio.api import (
    inside,
    inside_activations,
    inside_axes,
    inside_between,
    inside_copies,
    inside_guidance,
    inside_hidden,
    inside_judge,
    inside_latents,
    inside_learning,
    inside_map,
    inside_noise,
    manual,
    openai,
    own,
    story,
    training,
)
from fromnoise.studio.api.bodies import BODIES
from fromnoise.studio.api.doors import Doors
from fromnoise.studio.api.guard import Guard
from fromnoise.studio.api.metrics import Measured
from fromnoise.studio.api.problems import CODES, answer_all
from fromnoise.studio.api.schemas import tell_limits
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.desk.store import OPEN
from fromnoise.studio.settings import Settings

WEB = Path(__file__).parent / "web"
PURGE_SECONDS = 600.0
ERROR = {
    "description": "What is wrong, as OpenAI's API says it.",
    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}},
}
ERROR_SCHEMA = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
Studio = Annotated[State, Depends(state_of)]


def create_app(settings: Settings, models: Models) -> FastAPI:
    """The studio as an ASGI application.

    Args:
        settings: see :class:`Settings`.
        models: what draws.

    Raises:
        UserError: the gallery's folder cannot be used.
    """
    state = State.build(settings, models)
    app = FastAPI(
        title="fromnoise studio",
        version=__version__,
        lifespan=_life,
        redirect_slashes=False,  # doors.py
        docs_url=None,  # these pages load scripts from elsewhere; ours is manual.py
        redoc_url=None,
        responses=dict.fromkeys(CODES, ERROR),
    )
    app.state.studio = state
    answer_all(app)
    app.include_router(openai.routes)
    app.include_router(own.routes)
    app.include_router(story.routes)
    app.include_router(inside.routes)
    app.include_router(inside_activations.routes)
    app.include_router(inside_guidance.routes)
    app.include_router(inside_judge.routes)
    app.include_router(inside_axes.routes)
    app.include_router(inside_between.routes)
    app.include_router(inside_copies.routes)
    app.include_router(inside_hidden.routes)
    app.include_router(inside_noise.routes)
    app.include_router(inside_latents.routes)
    app.include_router(inside_map.routes)
    app.include_router(inside_learning.routes)
    app.include_router(training.routes)
    app.include_router(manual.routes)
    _add_pages(app)
    app.openapi = _documented(app, settings)  # type: ignore[method-assign]
    app.add_middleware(GZipMiddleware, minimum_size=2000, compresslevel=5)  # not of event streams
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(Doors)
    app.add_middleware(Measured, metrics=state.metrics)
    return app


@contextlib.asynccontextmanager
async def _life(app: FastAPI) -> AsyncIterator[None]:
    state: State = app.state.studio
    taken, interrupted = state.jobs.take_up()
    state.restarted = (taken, len(interrupted))
    cleaning = asyncio.create_task(_clean(state))
    yield
    cleaning.cancel()
    await drain(state)
    state.store.close()


async def drain(state: State) -> None:
    """Take nothing new, finish what is being drawn, end all streams; what waits is drawn after the next start."""
    if not state.jobs.closing:
        await state.jobs.close()
    state.hub.close()


async def _clean(state: State) -> None:
    while True:
        await asyncio.to_thread(state.store.purge, state.settings.limits.undo_seconds)
        needed = {order.get(key) for job in state.store.jobs((*OPEN, "interrupted")) for order in job.orders
                  for key in ("start", "mask")}  # fmt: skip
        await asyncio.to_thread(state.uploads.purge, needed.__contains__, state.store.passing())
        await asyncio.sleep(PURGE_SECONDS)


def _documented(app: FastAPI, settings: Settings) -> Any:
    plain = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = plain()
            document["info"]["description"] = settings.stamp.sentence
            schemas = document["components"]["schemas"]
            schemas["Error"] = ERROR_SCHEMA
            for model in set(BODIES.values()):
                if model.__name__ in schemas:
                    tell_limits(schemas[model.__name__], model, settings.limits)
            for path in document["paths"].values():
                for operation in path.values():
                    operation["responses"].pop("422", None)  # those are 400 here
        return app.openapi_schema or {}

    return openapi


class _Pages(StaticFiles):
    """The page's files. Always asked for again, and then mostly answered with "not modified"."""

    def file_response(self, *arguments: Any, **named: Any) -> Response:
        response = super().file_response(*arguments, **named)
        response.headers["Cache-Control"] = "no-cache"
        return response


def _add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(WEB / "index.html", headers={"Cache-Control": "no-cache"})

    @app.get("/login", include_in_schema=False)
    async def login_page() -> FileResponse:
        return FileResponse(WEB / "login.html", headers={"Cache-Control": "no-cache"})

    @app.post("/login", include_in_schema=False)
    async def login(request: Request) -> RedirectResponse:
        """The token from the form on the login page; wrong ones lead back to it, right ones to the page ``next``."""
        given = parse_qs((await request.body()).decode("utf-8", "replace")).get("token", [""])[0]
        guard: Guard = request.state.guard
        return guard.login(given, request.query_params.get("next", ""))

    @app.get("/favicon.svg", include_in_schema=False)
    async def icon() -> FileResponse:
        return FileResponse(WEB / "favicon.svg")

    @app.get("/healthz", tags=["operation"])
    async def healthz() -> dict[str, str]:
        """Whether the server answers at all."""
        return {"status": "ok"}

    @app.get("/readyz", tags=["operation"])
    async def readyz(studio: Studio) -> Response:
        """Whether it draws: 503 while it is stopping, or when the drawing thread is gone."""
        if not studio.engine.alive:
            raise Problem(503, "the server is stopping", retry=30)
        return JSONResponse({"status": "ready", "waiting": studio.engine.waiting})

    @app.get("/metrics", tags=["operation"], response_class=PlainTextResponse)
    async def metrics(studio: Studio) -> Response:
        """Figures for Prometheus."""
        return PlainTextResponse(studio.metrics.text())

    app.mount("/static", _Pages(directory=WEB), name="static")
