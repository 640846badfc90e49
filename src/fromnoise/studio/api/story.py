"""The story game's routes: plots from random words, spoilt sentences, and their repair."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

import torch
from fastapi import APIRouter, Depends

from fromnoise.ground.errors import UserError
from fromnoise.story.draw import StoryRequest, story_steps
from fromnoise.story.examples import example, spoilt
from fromnoise.story.model import StoryModel
from fromnoise.story.repair import Repaired, repair
from fromnoise.story.view import seen
from fromnoise.story.vocabulary import sentence_of
from fromnoise.studio.api.schemas import PlotIn, RepairIn, SpoilIn
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.desk.problem import problem_of

routes = APIRouter(prefix="/api/story", tags=["story"])
T = TypeVar("T")
Studio = Annotated[State, Depends(state_of)]


@routes.get("")
async def read_story(studio: Studio) -> dict[str, Any]:
    """What can be asked for: genres and places; how many words it knows, whether it can put words in or take them
    out."""
    known = (await _model(studio)).vocabulary
    free = known.empty is not None
    return {"genres": known.story_genres, "places": known.story_places, "words": len(known), "lengths": free}


@routes.post("/plots")
async def draw_plot(asked: PlotIn, studio: Studio) -> dict[str, Any]:
    """A story with every step on the way: words, which of them changed, how sure the model is of each."""
    model = await _model(studio)
    return await _in_turn(studio, _drawn, model, asked)


@routes.post("/spoilt")
async def spoil_sentence(asked: SpoilIn, studio: Studio) -> dict[str, Any]:
    """A sentence with a share of its words replaced by random ones: a round of the game."""
    model = await _model(studio)
    try:
        seed = _seed(asked.seed)
        clean, noisy = spoilt(model, asked.text or example(asked.number), asked.noise, seed)
    except UserError as error:
        raise problem_of(error, param="text") from None
    return {"clean": clean, "spoilt": noisy, "seed": seed}


@routes.post("/repairs")
async def repair_sentence(asked: RepairIn, studio: Studio) -> dict[str, Any]:
    """Which words of a sentence are wrong, what each should be, and the whole sentence as it should be."""
    model = await _model(studio)
    try:
        found = await _in_turn(studio, _mended, model, asked)
    except UserError as error:
        raise problem_of(error, param="text") from None
    return asdict(found)


async def _model(studio: State) -> StoryModel:
    """The story model, loaded when somebody first plays.

    Raises:
        Problem: none is there.
    """
    try:
        return await asyncio.to_thread(studio.story)
    except UserError as error:
        raise problem_of(error, 404, code="no_story_model") from None


async def _in_turn(studio: State, function: Callable[..., T], *arguments: Any) -> T:
    """Draw one story at a time: each would take a core from the pictures.

    Raises:
        Problem: too many wait already.
    """
    async with studio.stories.mine():
        return await asyncio.to_thread(function, *arguments)


def _mended(model: StoryModel, asked: RepairIn) -> Repaired:
    return repair(model, asked.text, asked.errors, lengths=asked.lengths)


def _drawn(model: StoryModel, asked: PlotIn) -> dict[str, Any]:
    try:
        request = StoryRequest(**asked.model_dump() | {"keep": tuple(asked.keep), "seed": _seed(asked.seed)})
        steps, first, last = [], None, None
        for step in story_steps(model, request):
            first = step.x_t[0] if first is None else first
            shown = seen(model, step)
            words = [[word.text, word.changed, round(word.sure, 4)] for word in shown.words]
            steps.append({"noise": round(shown.noise, 4), "revised": shown.revised, "words": words})
            last = step.x_next[0]
    except UserError as error:
        raise problem_of(error) from None
    assert isinstance(first, torch.Tensor)
    assert last is not None
    read_as = model.vocabulary.read_as(asked.start)
    unknown = [word for word, like in read_as.items() if not like]
    text = sentence_of(model.vocabulary.text(last.tolist()))
    begin = model.vocabulary.places_in(first.tolist())
    alike = {word: like for word, like in read_as.items() if like}
    return {"begin": begin, "steps": steps, "text": text, "unknown": unknown, "read_as": alike, "seed": request.seed}


def _seed(asked: int | None) -> int:
    return secrets.randbelow(2**32) if asked is None else asked
