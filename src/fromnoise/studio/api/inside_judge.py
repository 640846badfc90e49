"""The route that shows what another network thinks of a drawing, step by step."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from fromnoise.ground.errors import UserError
from fromnoise.inspection.judge_live import judge_news
from fromnoise.studio.api.inside import LIVE, live, subject_of
from fromnoise.studio.api.schemas_inside import JudgeIn
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.api.streams import EventStream, as_events
from fromnoise.studio.desk.problem import problem_of

routes = APIRouter(prefix="/api/inside", tags=["look inside"])
Studio = Annotated[State, Depends(state_of)]


@routes.post("/judge", response_class=EventStream, responses=LIVE)
async def look_at_the_judge(asked: JudgeIn, studio: Studio) -> EventStream:
    """What CLIP thinks of the drawing: "judge", an "opinion" of every step and of the picture, "end"; or "problem"."""
    subject = subject_of(asked, studio)
    try:
        news = judge_news(studio.models.base, subject, asked.decoys, asked.clip_guidance)
    except UserError as error:
        raise problem_of(error) from None
    return EventStream(as_events(live(studio, news)))
