"""Routes of the chapter on the map: where prompts land, and how much room their pictures take."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends

from fromnoise.ground.errors import UserError
from fromnoise.inspection.map_live import area_news, map_news
from fromnoise.inspection.subject import Subject, named
from fromnoise.studio.api.asking import seed_of
from fromnoise.studio.api.inside import LIVE, live
from fromnoise.studio.api.schemas_inside import AreaIn, MapIn
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.api.streams import EventStream, as_events
from fromnoise.studio.desk.problem import problem_of

routes = APIRouter(prefix="/api/inside", tags=["look inside"])
Studio = Annotated[State, Depends(state_of)]


@routes.post("/map", response_class=EventStream, responses=LIVE)
async def look_at_the_map(asked: MapIn, studio: Studio) -> EventStream:
    """Captions and pictures as CLIP sees them: "map" with all points, a "landing" for every prompt, "end"; or
    "problem". Landings alone do not wait for those who look inside."""
    turn = studio.looks if asked.points else studio.touches
    turn.check()
    try:
        news = await asyncio.to_thread(
            map_news, studio.models.base, asked.prompts, asked.points, asked.nearest, studio.models.opened
        )
    except UserError as error:
        raise problem_of(error) from None
    return EventStream(as_events(live(studio, news, turn)))


@routes.post("/map/area", response_class=EventStream, responses=LIVE)
async def look_at_areas(asked: AreaIn, studio: Studio) -> EventStream:
    """The room that the pictures of prompts take: an "area" after every picture, "end"; or "problem"."""
    seed = seed_of(asked.seed, asked.pictures)
    how = named(studio.models.opened)
    subjects = [Subject(prompt, asked.style, seed=seed, steps=asked.steps, **how) for prompt in asked.prompts]
    studio.looks.check()
    try:
        news = await asyncio.to_thread(area_news, studio.models.base, subjects, asked.pictures)
    except UserError as error:
        raise problem_of(error) from None
    return EventStream(as_events(live(studio, news)))
