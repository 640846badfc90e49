"""Routes that look inside while a picture is drawn: each answers with a stream of events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator, Iterator, Mapping
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends

from fromnoise.ground.errors import UserError
from fromnoise.inspection.subject import Subject, named
from fromnoise.inspection.words import check_words
from fromnoise.inspection.words_live import words_news
from fromnoise.studio.api.asking import seed_of
from fromnoise.studio.api.schemas_inside import LookIn
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.api.streams import EventStream, as_events
from fromnoise.studio.api.turn import Turn
from fromnoise.studio.desk.problem import Problem, problem_of

routes = APIRouter(prefix="/api/inside", tags=["look inside"])
Studio = Annotated[State, Depends(state_of)]
News = Mapping[str, Any]
LIVE: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {"schema": {"type": "object"}}}}}


@routes.post("/words", response_class=EventStream, responses=LIVE)
async def look_at_words(asked: LookIn, studio: Studio) -> EventStream:
    """Where each word is listened to and needed: "words", a "step" after every step, "end"; or "problem"."""
    subject = subject_of(asked, studio, check_words)
    return EventStream(as_events(live(studio, words_news(studio.models.base, subject))))


def subject_of(asked: LookIn, studio: State, check: Callable[[Subject], None] = lambda _: None) -> Subject:
    """What is looked at, checked before a stream begins; ``check`` may refuse more.

    Raises:
        Problem: what is wrong with it.
    """
    seed = seed_of(asked.seed, 1)
    how = named(studio.models.opened)
    subject = Subject(asked.prompt, asked.style, asked.negative, seed, asked.steps, asked.guidance, **how)
    try:
        check(subject)
        subject.plan(studio.models.base)
    except UserError as error:
        raise problem_of(error) from None
    studio.looks.check()
    return subject


async def live(studio: State, news: Iterator[News], turn: Turn | None = None) -> AsyncGenerator[News | None]:
    """News of a view, computed aside one by one, when it is its ``turn`` (of a look inside, unless another is named);
    closing it cancels within one step."""
    stopping: asyncio.Task[News | None] | None = None
    try:
        async with (turn or studio.looks).mine():
            while True:
                stopping = asyncio.create_task(asyncio.to_thread(next, news, None))
                item = await asyncio.shield(stopping)
                if item is None:
                    return
                yield item
    except (UserError, Problem) as error:
        yield {"type": "problem", "message": error.message}
    finally:
        if stopping is not None and not stopping.done():
            await asyncio.wait([stopping])
        cast(Generator[News], news).close()
