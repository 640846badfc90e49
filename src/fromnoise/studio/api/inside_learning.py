"""The routes of how the model learned: the film that it carries, and lessons that are given now."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends

from fromnoise.ground.errors import UserError
from fromnoise.inspection.learning_live import film_news, lessons_news
from fromnoise.inspection.noise_live import check_look
from fromnoise.inspection.subject import Subject, named
from fromnoise.studio.api.asking import seed_of
from fromnoise.studio.api.inside import LIVE, live
from fromnoise.studio.api.inside_noise import given_square
from fromnoise.studio.api.schemas_inside import LookAtIn, NothingIn
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.api.streams import EventStream, as_events
from fromnoise.studio.desk.problem import problem_of

routes = APIRouter(prefix="/api/inside", tags=["look inside"])
Studio = Annotated[State, Depends(state_of)]


@routes.post("/learning", response_class=EventStream, responses=LIVE)
async def look_at_learning(asked: NothingIn, studio: Studio) -> EventStream:
    """The film of its training that the model carries: "film", which says so where there is none."""
    studio.looks.check()
    return EventStream(as_events(live(studio, film_news(studio.models.base, studio.models.opened))))


@routes.post("/learning/lessons", response_class=EventStream, responses=LIVE)
async def give_lessons(asked: LookAtIn, studio: Studio) -> EventStream:
    """What training does, without changing anything: "step"s, "picture", three times "lesson", "end"; or "problem"."""
    how = named(studio.models.opened)
    subject = Subject(asked.prompt, asked.style, seed=seed_of(asked.seed, 1), **how)
    given = None if asked.start is None else await asyncio.to_thread(given_square, asked.start, studio)
    try:
        check_look(studio.models.base, subject, given)
    except UserError as error:
        raise problem_of(error) from None
    studio.looks.check()
    return EventStream(as_events(live(studio, lessons_news(studio.models.base, subject, given))))
