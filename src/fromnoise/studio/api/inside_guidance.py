"""Routes that show guidance at work: one drawing step by step, and one noise at several scales."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from fromnoise.ground.errors import UserError
from fromnoise.inspection.guidance_live import guidance_news, ladder_news
from fromnoise.inspection.subject import Subject
from fromnoise.studio.api.inside import LIVE, live, subject_of
from fromnoise.studio.api.schemas_inside import LookIn
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.api.streams import EventStream, as_events
from fromnoise.studio.desk.problem import problem_of
from fromnoise.system.text_to_image import TextToImage

routes = APIRouter(prefix="/api/inside", tags=["look inside"])
Studio = Annotated[State, Depends(state_of)]
View = Callable[[TextToImage, Subject], Iterator[dict[str, Any]]]


@routes.post("/guidance", response_class=EventStream, responses=LIVE)
async def look_at_guidance(asked: LookIn, studio: Studio) -> EventStream:
    """The guesses with and without words: "guidance", a "step" after every step, "end"; or "problem"."""
    return _stream(studio, guidance_news, asked)


@routes.post("/ladder", response_class=EventStream, responses=LIVE)
async def look_at_scales(asked: LookIn, studio: Studio) -> EventStream:
    """The same noise at guidance 1 to 12, whatever guidance is asked for: "ladder", a "rung" for each, "end"; or
    "problem"."""
    return _stream(studio, ladder_news, asked)


def _stream(studio: State, view: View, asked: LookIn) -> EventStream:
    subject = subject_of(asked, studio)
    try:
        news = view(studio.models.base, subject)
    except UserError as error:
        raise problem_of(error) from None
    return EventStream(as_events(live(studio, news)))
