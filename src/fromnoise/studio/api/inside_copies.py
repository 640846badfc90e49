"""Routes that tell whether pictures are copies of what the model was trained on."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import APIRouter

from fromnoise.ground.errors import UserError
from fromnoise.studio.api.asking import seed_of
from fromnoise.studio.api.inside import LIVE, Studio, live, subject_of
from fromnoise.studio.api.own import JobId, kept_picture, no_picture
from fromnoise.studio.api.schemas_inside import CopiesIn, KnownIn
from fromnoise.studio.api.streams import EventStream, as_events
from fromnoise.studio.desk.problem import problem_of

routes = APIRouter(prefix="/api", tags=["look inside"])


@routes.get("/pictures/{picture}/copies")
async def copies_of_picture(picture: JobId, studio: Studio) -> dict[str, Any]:
    """Is it a copy? ``answers`` by model, the most alarming first, each with the nearest training pictures; what was
    ``not_asked``; and ``why`` where nothing can be said."""
    kept = kept_picture(studio, picture)
    async with studio.checks.mine():
        try:
            return await asyncio.to_thread(studio.copies.of_file, studio.store.file(kept.id))
        except FileNotFoundError:
            raise no_picture() from None


@routes.post("/inside/copies", response_class=EventStream, responses=LIVE)
async def look_for_copies(asked: CopiesIn, studio: Studio) -> EventStream:
    """Several seeds, each beside its nearest training pictures: "copies", "step"s, a "verdict" for each, "end"; or
    "problem"."""
    seeded = asked.model_copy(update={"seed": seed_of(asked.seed, asked.seeds)})
    subject = subject_of(seeded, studio)
    try:
        news = studio.copies.news(subject, subject.plan(studio.models.base), asked.seeds)
    except UserError as error:
        raise problem_of(error) from None
    return EventStream(as_events(live(studio, news)))


@routes.post("/inside/copies/known", response_class=EventStream, responses=LIVE)
async def look_at_known(asked: KnownIn, studio: Studio) -> EventStream:
    """A training picture put through the check, as it is and changed more and more: "known", "changed" for each, "end";
    or "problem"."""
    studio.looks.check()
    try:
        news = studio.copies.changes(asked.name)
    except UserError as error:
        raise problem_of(error) from None
    return EventStream(as_events(live(studio, news)))
