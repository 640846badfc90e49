"""The route that shows what the U-Net's blocks hand on while a picture is drawn."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from fromnoise.inspection.activations_live import activations_news
from fromnoise.studio.api.inside import LIVE, live, subject_of
from fromnoise.studio.api.schemas_inside import LookIn
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.api.streams import EventStream, as_events

routes = APIRouter(prefix="/api/inside", tags=["look inside"])
Studio = Annotated[State, Depends(state_of)]


@routes.post("/activations", response_class=EventStream, responses=LIVE)
async def look_at_activations(asked: LookIn, studio: Studio) -> EventStream:
    """The U-Net at work: "blocks", a "step" with their maps after every step, "times", "end"; or "problem"."""
    subject = subject_of(asked, studio)
    return EventStream(as_events(live(studio, activations_news(studio.models.base, subject))))
