"""Routes that show what a picture is to the machine, and decode it again while its latents are changed."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from torch import Tensor

from fromnoise.drawing.start import fitting_size
from fromnoise.ground.errors import UserError
from fromnoise.inspection.latents_live import change, latents_news
from fromnoise.inspection.subject import Subject, named
from fromnoise.studio.api.asking import seed_of
from fromnoise.studio.api.inside import LIVE, live
from fromnoise.studio.api.schemas_inside import ChannelsIn, LookAtIn
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.api.streams import EventStream, as_events
from fromnoise.studio.desk.problem import problem_of

routes = APIRouter(prefix="/api/inside", tags=["look inside"])
Studio = Annotated[State, Depends(state_of)]


@routes.post("/latents", response_class=EventStream, responses=LIVE)
async def look_at_latents(asked: LookAtIn, studio: Studio) -> EventStream:
    """A picture's latents: "step"s, "picture", "back", "channel"s, "noised" by amount, "end"; or "problem"."""
    how = named(studio.models.opened)
    subject = Subject(asked.prompt, asked.style, seed=seed_of(asked.seed, 1), **how)
    given = None if asked.start is None else await asyncio.to_thread(_given, asked.start, studio)
    try:
        if given is None:
            subject.plan(studio.models.base)
    except UserError as error:
        raise problem_of(error) from None
    studio.looks.check()
    return EventStream(as_events(live(studio, latents_news(studio.models.base, subject, given))))


@routes.post("/latents/changed")
async def change_latents(asked: ChannelsIn, studio: Studio) -> dict[str, Any]:
    """An upload with each channel of its latents multiplied: ``picture``, and ``db`` to what was sent."""
    async with studio.touches.mine():
        return await asyncio.to_thread(_changed, asked, studio)


def _changed(asked: ChannelsIn, studio: State) -> dict[str, Any]:
    try:
        return change(studio.models.base, _given(asked.start, studio), asked.gains)
    except UserError as error:
        raise problem_of(error) from None


def _given(start: str, studio: State) -> Tensor:
    """An upload as the command takes it: in its own shape, with as many pixels as the model draws.

    Raises:
        Problem: it is not there any more.
    """
    model = studio.models.base
    size = fitting_size(studio.uploads.open(start, "start"), model.pixels, model.vae.factor)
    return studio.uploads.start(start, None, size).picture
