"""The page's own routes: jobs, their news, pictures to start from, the gallery, facts about the model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Query
from fastapi import Path as InPath
from fastapi import Request as HttpRequest
from fastapi.responses import FileResponse, Response

from fromnoise.studio.api.asking import orders_from, said_of
from fromnoise.studio.api.facts import facts
from fromnoise.studio.api.forms import BINARY, PICTURE, form_body, one_file
from fromnoise.studio.api.schemas import CheckIn, JobIn, PictureChange, Watch
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.api.streams import EventStream, as_events
from fromnoise.studio.desk.hub import News
from fromnoise.studio.desk.jobs import Job, Watching, stored_state
from fromnoise.studio.desk.order import orders_of
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.desk.store import Kept, Search, StoredJob

routes = APIRouter(prefix="/api", tags=["studio"])
Studio = Annotated[State, Depends(state_of)]
JobId = Annotated[str, InPath(pattern="^[0-9a-f]{32}$")]
MOST_INTERRUPTED = 200  # jobs that are listed
FORM = form_body({"file": BINARY}, ["file"])


@routes.get("/facts")
async def read_facts(studio: Studio) -> dict[str, Any]:
    """What the page needs to know of the model and the server."""
    return facts(studio)


@routes.get("/machine")
def read_machine(studio: Studio) -> dict[str, Any]:
    """The networks' modules with the shapes that go through them, found by drawing one step."""
    return studio.machine()


# --- jobs ------------------------------------------------------------------------------------------------------


@routes.post("/check")
async def check(asked: CheckIn, studio: Studio) -> dict[str, Any]:
    """What to know of words before they are drawn: why they would be refused, or what would be told beside them."""
    return {"warnings": await asyncio.to_thread(said_of, asked.prompt, asked.negative, studio.models.base)}


@routes.post("/jobs", status_code=201)
async def begin(asked: JobIn, studio: Studio) -> dict[str, Any]:
    """Begin a job: its pictures are queued, watched through events, and kept in the gallery."""
    orders = await asyncio.to_thread(orders_from, asked, studio.models, studio.uploads, studio.settings.limits)
    starts = await asyncio.to_thread(studio.jobs.starts_of, orders)
    return studio.jobs.state(studio.jobs.begin(orders, starts, _watching(asked)))


@routes.get("/jobs")
async def all_jobs(studio: Studio) -> list[dict[str, Any]]:
    """Jobs of this server's life, the oldest first."""
    return [studio.jobs.state(job) for job in studio.jobs.all()]


@routes.get("/jobs/interrupted")
async def interrupted(studio: Studio) -> list[dict[str, Any]]:
    """Jobs that the end of the server interrupted, and that nobody has put away."""
    jobs = studio.store.jobs(("interrupted",), MOST_INTERRUPTED)
    return [stored_state(job, studio.store.of_job(job.id)) for job in jobs]


@routes.get("/jobs/{job}")
async def one_job(job: JobId, studio: Studio) -> dict[str, Any]:
    """How a job stands."""
    found = studio.jobs.get(job)
    if found is not None:
        return studio.jobs.state(found)
    stored = studio.store.job(job)
    if stored is None:
        raise _no_job()
    return stored_state(stored, studio.store.of_job(job))


@routes.delete("/jobs/{job}")
async def cancel(job: JobId, studio: Studio) -> dict[str, Any]:
    """Cancel a job within one step, or put away one that was interrupted; pictures that are done are kept."""
    found = studio.jobs.get(job)
    if found is not None:
        studio.jobs.cancel(found)
        if found.task is not None:
            await asyncio.wait([found.task], timeout=5)
        return studio.jobs.state(found)
    stored = studio.store.job(job)
    if stored is None:
        raise _no_job()
    if stored.state == "interrupted":
        studio.store.set_state(job, "cancelled", stored.message)
    return await one_job(job, studio)


@routes.post("/jobs/{job}/again", status_code=201)
async def again(job: JobId, studio: Studio, asked: Annotated[Watch | None, Body()] = None) -> dict[str, Any]:
    """Draw what is missing of a job that was interrupted, as a new job; one that lacks nothing is finished."""
    missing = studio.jobs.missing_of(_interrupted(studio, job))
    if not missing:
        studio.store.set_state(job, "finished")
        return await one_job(job, studio)
    orders = await asyncio.to_thread(orders_of, _interrupted(studio, job), studio.models)
    orders = [orders[i] for i in missing]
    starts = await asyncio.to_thread(studio.jobs.starts_of, orders)
    _interrupted(studio, job)  # somebody else may have taken it up meanwhile
    begun = studio.jobs.begin(orders, starts, _watching(asked or Watch()))
    studio.store.set_state(job, "cancelled", "taken up again")
    return studio.jobs.state(begun)


@routes.get("/jobs/{job}/events", response_class=EventStream)
async def job_events(job: JobId, studio: Studio) -> EventStream:
    """A job's news as server-sent events: "job", "step" with previews, "picture"; they end with the job."""
    found = studio.jobs.get(job)
    if found is None:
        raise _no_job()
    return EventStream(as_events(_of_job(studio, found)))


@routes.get("/events", response_class=EventStream)
async def events(
    studio: Studio, client: Annotated[str, Query(max_length=64)] = "", all_steps: bool = False
) -> EventStream:
    """All jobs' news as server-sent events; previews only of this client's jobs, unless ``all_steps``."""

    def wants(news: News) -> bool:
        return news["type"] != "step" or all_steps or news.get("client") == client

    def first() -> list[News]:
        latest = [news for job in studio.jobs.all() for news in job.latest.values() if wants(news)]
        return [{"type": "hello", "jobs": [studio.jobs.state(job) for job in studio.jobs.all() if job.open]}, *latest]

    return EventStream(as_events(studio.hub.listen(wants, first)))


async def _of_job(studio: State, job: Job) -> AsyncGenerator[News | None]:
    def first() -> list[News]:
        return [{"type": "job", "job": job.id, "state": studio.jobs.state(job)}, *job.latest.values()]

    async with aclosing(studio.hub.listen(lambda news: news.get("job") == job.id, first)) as listening:
        async for news in listening:
            yield news
            if news is not None and news["type"] == "job" and not job.open:
                yield {"type": "end", "job": job.id, "state": news["state"]}
                return


# --- pictures to start from ------------------------------------------------------------------------------------


@routes.post("/uploads", status_code=201, openapi_extra=FORM)
async def upload(request: HttpRequest, studio: Studio, mask: bool = False) -> dict[str, Any]:
    """Keep a picture to start from, or a mask: transparent, or white, where the picture may change."""
    data = await one_file(request, studio.settings.limits)
    kind = "mask" if mask else "image"
    name, (width, height) = await studio.patiently(studio.uploads.add, data, kind)
    return {"id": name, "width": width, "height": height}


@routes.get("/uploads/{upload}", response_class=FileResponse, responses=PICTURE)
async def uploaded(upload: JobId, studio: Studio) -> FileResponse:
    """An uploaded picture, as it was kept."""
    return FileResponse(studio.uploads.file(upload), media_type="image/png")


@routes.post("/settings", openapi_extra=FORM)
async def settings_of(request: HttpRequest, studio: Studio) -> dict[str, Any]:
    """How a picture that fromnoise drew was drawn, read from its file."""
    data = await one_file(request, studio.settings.limits)
    origin = await studio.patiently(studio.read_origin, data)
    return {"origin": origin.to_dict(), "same_model": origin.model_hash in studio.hashes}


# --- gallery ---------------------------------------------------------------------------------------------------


@routes.get("/pictures")
async def gallery(
    studio: Studio,
    search: Annotated[str, Query(max_length=200)] = "",
    favourites: bool = False,
    before: Annotated[str, Query(pattern=r"^([0-9]{1,12}(\.[0-9]{1,20})?~[0-9a-f]{32})?$")] = "",
    limit: Annotated[int, Query(ge=1, le=200)] = 60,
) -> dict[str, Any]:
    """Pictures of the gallery, the newest first; ``next`` goes into ``before`` for the page after."""
    at, _, last = before.partition("~")
    found = studio.store.search(Search(search, favourites, (float(at), last) if before else None, limit))
    more = f"{found[-1].created!r}~{found[-1].id}" if len(found) == limit else None
    return {"pictures": [kept.to_dict() for kept in found], "next": more, "total": studio.store.count()}


@routes.get("/pictures/{picture}")
async def one_picture(picture: JobId, studio: Studio) -> dict[str, Any]:
    """A picture's facts."""
    return kept_picture(studio, picture).to_dict()


@routes.patch("/pictures/{picture}")
async def change(picture: JobId, asked: PictureChange, studio: Studio) -> dict[str, Any]:
    """Mark a picture as a favourite, or not."""
    if not studio.store.set_favourite(picture, asked.favourite):
        raise no_picture()
    return _tell_gallery(studio, kept_picture(studio, picture).to_dict())


@routes.delete("/pictures/{picture}")
async def delete(picture: JobId, studio: Studio) -> dict[str, Any]:
    """Take a picture out of the gallery; it can be had back for an hour."""
    if not studio.store.delete(picture):
        raise no_picture()
    return _tell_gallery(studio, {"id": picture, "deleted": True})


@routes.post("/pictures/{picture}/restore")
async def restore(picture: JobId, studio: Studio) -> dict[str, Any]:
    """Undo a deletion."""
    if not studio.store.restore(picture):
        raise Problem(410, "this picture is gone for good", code="gone")
    return _tell_gallery(studio, kept_picture(studio, picture).to_dict())


@routes.get("/pictures/{picture}/file", response_class=FileResponse, responses=PICTURE)
async def picture_file(picture: JobId, studio: Studio, download: bool = False) -> Response:
    """The PNG file, with all that is needed to draw it again."""
    kept = kept_picture(studio, picture)
    words = "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in kept.prompt).split()[:8]) or "picture"
    kind = "attachment" if download else "inline"
    return FileResponse(
        studio.store.kept_file(kept.id),
        media_type="image/png",
        filename=f"{words[:60]}-{kept.seed}.png",
        content_disposition_type=kind,
        headers={"Cache-Control": "private, max-age=3600, immutable"},
    )


@routes.post("/pictures/{picture}/start", status_code=201)
async def start_from_picture(picture: JobId, studio: Studio) -> dict[str, Any]:
    """Make a picture of the gallery one to start from."""
    kept = kept_picture(studio, picture)
    data = await asyncio.to_thread(studio.store.kept_file(kept.id).read_bytes)
    name, (width, height) = await studio.patiently(studio.uploads.add, data, "image")
    return {"id": name, "width": width, "height": height}


def _interrupted(studio: State, job: str) -> StoredJob:
    stored = studio.store.job(job)
    if stored is None:
        raise _no_job()
    if stored.state != "interrupted":
        raise Problem(409, f"this job is {stored.state}; only interrupted jobs are taken up again")
    return stored


def _watching(asked: Watch) -> Watching:
    return Watching(asked.client, asked.show, asked.every, asked.keep)


def kept_picture(studio: State, picture: str) -> Kept:
    """A picture of the gallery.

    Raises:
        Problem: it is not there.
    """
    kept = studio.store.get(picture)
    if kept is None:
        raise no_picture()
    return kept


def _tell_gallery(studio: State, picture: dict[str, Any]) -> dict[str, Any]:
    studio.hub.tell({"type": "gallery", "picture": picture, "total": studio.store.count()})
    return picture


def no_picture() -> Problem:
    """There is no such picture in the gallery."""
    return Problem(404, "there is no such picture", code="picture_not_found")


def _no_job() -> Problem:
    return Problem(404, "there is no such job", code="job_not_found")
