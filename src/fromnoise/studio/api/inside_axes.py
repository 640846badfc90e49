"""Routes of the chapter on kinds and axes; each answers with a stream of events."""

from __future__ import annotations

from fastapi import APIRouter

from fromnoise.ground.errors import UserError
from fromnoise.inspection.axes_live import axes_news, rounds_news
from fromnoise.inspection.kinds import check_kinds
from fromnoise.studio.api.inside import LIVE, Studio, live
from fromnoise.studio.api.schemas_inside import KindsIn, RoundsIn
from fromnoise.studio.api.state import State
from fromnoise.studio.api.streams import EventStream, as_events
from fromnoise.studio.desk.problem import problem_of

routes = APIRouter(prefix="/api/inside/axes", tags=["look inside"])


@routes.post("", response_class=EventStream, responses=LIVE)
async def look_at_axes(asked: KindsIn, studio: Studio) -> EventStream:
    """Kinds of things by hand-made measures and by CLIP: "sheet", then "measured"; or "problem"."""
    kinds = _kinds(asked, studio)
    return EventStream(as_events(live(studio, axes_news(studio.models.base, kinds, studio.models.opened))))


@routes.post("/rounds", response_class=EventStream, responses=LIVE)
async def look_at_rounds(asked: RoundsIn, studio: Studio) -> EventStream:
    """A network that learns the same pictures from nothing: a "round" after every round; or "problem"."""
    kinds = _kinds(asked, studio)
    return EventStream(as_events(live(studio, rounds_news(studio.models.base, kinds, asked.seed))))


def _kinds(asked: KindsIn, studio: State) -> tuple[str, ...] | None:
    """The kinds that are named, checked before a stream begins.

    Raises:
        Problem: what is wrong with them, or too many look inside.
    """
    try:
        kinds = None if asked.kinds is None else check_kinds(asked.kinds)
    except UserError as error:
        raise problem_of(error) from None
    studio.looks.check()
    return kinds
