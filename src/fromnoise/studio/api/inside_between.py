"""Routes of the chapter on what lies between two pictures; each answers with a stream of events."""

from __future__ import annotations

from fastapi import APIRouter

from fromnoise.ground.errors import UserError
from fromnoise.inspection.arithmetic import equation_of, shifted
from fromnoise.inspection.between import Goal, walk
from fromnoise.inspection.between_live import sum_news, walk_news
from fromnoise.studio.api.inside import LIVE, Studio, live, subject_of
from fromnoise.studio.api.schemas_inside import SumIn, WalkIn
from fromnoise.studio.api.streams import EventStream, as_events
from fromnoise.studio.desk.problem import problem_of

routes = APIRouter(prefix="/api/inside/between", tags=["look inside"])


@routes.post("", response_class=EventStream, responses=LIVE)
async def look_between(asked: WalkIn, studio: Studio) -> EventStream:
    """A walk to another prompt or seed: "walk", a "stop" for every picture, "both" if asked, "end"; or "problem"."""
    subject, goal = subject_of(asked, studio), Goal(asked.to, asked.to_seed, asked.both.strip())
    try:
        way = walk(studio.models.base, subject, goal, asked.stops)
    except UserError as error:
        raise problem_of(error) from None
    return EventStream(as_events(live(studio, walk_news(studio.models.base, subject, goal, way))))


@routes.post("/sum", response_class=EventStream, responses=LIVE)
async def look_at_sum(asked: SumIn, studio: Studio) -> EventStream:
    """Words taken away and added: "sum", "drawn" for every picture, "end" with a verdict; or "problem"."""
    subject, model = subject_of(asked, studio), studio.models.base
    try:
        equation = equation_of(asked.prompt, asked.minus, asked.plus, asked.target)
        shifted(model, subject.plan(model), equation, everywhere=False)
        subject.plan(model, prompt=equation.target)
    except UserError as error:
        raise problem_of(error) from None
    return EventStream(as_events(live(studio, sum_news(model, subject, equation, asked.seeds))))
