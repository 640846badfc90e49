"""The route that drowns a picture in noise."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.inspection.noise_live import check_look, level_news, noise_news
from fromnoise.inspection.subject import Subject, named
from fromnoise.studio.api.asking import seed_of
from fromnoise.studio.api.inside import LIVE, live
from fromnoise.studio.api.schemas_inside import LevelIn, LookAtIn
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.api.streams import EventStream, as_events
from fromnoise.studio.desk.problem import problem_of

routes = APIRouter(prefix="/api/inside", tags=["look inside"])
Studio = Annotated[State, Depends(state_of)]


@routes.post("/noise", response_class=EventStream, responses=LIVE)
async def look_at_noise(asked: LookAtIn, studio: Studio) -> EventStream:
    """How a picture drowns in noise: "step"s, "picture", "noise", a "level" for each tenth, "end"; or "problem"."""
    how = named(studio.models.opened)
    subject = Subject(asked.prompt, asked.style, seed=seed_of(asked.seed, 1), **how)
    given = None if asked.start is None else await asyncio.to_thread(given_square, asked.start, studio)
    try:
        check_look(studio.models.base, subject, given)
    except UserError as error:
        raise problem_of(error) from None
    studio.looks.check()
    return EventStream(as_events(live(studio, noise_news(studio.models.base, subject, given))))


@routes.post("/noise/level", response_class=EventStream, responses=LIVE)
async def look_at_one_level(asked: LevelIn, studio: Studio) -> EventStream:
    """The guesses from one noise level of an upload, while somebody moves a slider: one "level"; or "problem". It does
    not wait for those who look inside."""
    how = named(studio.models.opened)
    subject = Subject(asked.prompt, asked.style, seed=seed_of(asked.seed, 1), **how)
    given = await asyncio.to_thread(given_square, asked.start, studio)
    studio.touches.check()
    try:
        news = level_news(studio.models.base, subject, given, asked.t)
    except UserError as error:
        raise problem_of(error) from None
    return EventStream(as_events(live(studio, news, studio.touches)))


def given_square(start: str, studio: State) -> Tensor:
    """An upload, uint8 [3,H,W] of the model's own size, on white.

    Raises:
        Problem: it is not there any more.
    """
    side = studio.models.base.pixels
    return studio.uploads.start(start, None, (side, side)).picture
