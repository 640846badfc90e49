"""The route that hides a drawing in coloured static."""

from __future__ import annotations

from fastapi import APIRouter

from fromnoise.inspection.hidden_live import hidden_news
from fromnoise.studio.api.inside import LIVE, Studio, live, subject_of
from fromnoise.studio.api.schemas_inside import LookIn
from fromnoise.studio.api.streams import EventStream, as_events

routes = APIRouter(prefix="/api/inside", tags=["look inside"])


@routes.post("/hidden", response_class=EventStream, responses=LIVE)
async def look_for_what_is_hidden(asked: LookIn, studio: Studio) -> EventStream:
    """A drawing hidden in static: "hidden", "step"s, "page" with what fades in over it, "end"; or "problem"."""
    subject = subject_of(asked, studio)
    return EventStream(as_events(live(studio, hidden_news(studio.models.base, subject))))
