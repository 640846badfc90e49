"""The routes of the training that the studio watches. Whoever may see the page may watch; only the owner, who was told
the key in the terminal and sits at this machine, may begin, pause and go on."""

from __future__ import annotations

import asyncio
import hmac
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header
from fastapi import Path as InPath
from fastapi.responses import FileResponse

from fromnoise.studio.api.asking import seed_of
from fromnoise.studio.api.forms import PICTURE
from fromnoise.studio.api.schemas_training import TrainIn, TryIn
from fromnoise.studio.api.state import State, state_of
from fromnoise.studio.desk.encode import data_url
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.runs.watched import Watched

routes = APIRouter(prefix="/api/training", tags=["training"])
Studio = Annotated[State, Depends(state_of)]
Task = Literal["text", "clip", "vae", "diffusion", "distill", "lora"]
Key = Annotated[str, Header(max_length=200, description="the owner's key, from the terminal")]
OWNERS = "only who started the studio may do that: open the address that it printed in its terminal, on this machine"


def watched_by(studio: Studio) -> Watched:
    """The training that a studio watches.

    Raises:
        Problem: none.
    """
    if studio.training is None:
        raise Problem(404, "this studio watches no training; start it with --run FOLDER", code="no_training")
    return studio.training


Run = Annotated[Watched, Depends(watched_by)]


def is_owner(studio: Studio, run: Run, x_fromnoise_owner: Key = "") -> bool:
    """Whether the owner asks."""
    return studio.settings.local and hmac.compare_digest(x_fromnoise_owner.encode(), run.key.encode())


Owner = Annotated[bool, Depends(is_owner)]


def owned_by(run: Run, mine: Owner) -> Watched:
    """The training that a studio watches, for its owner.

    Raises:
        Problem: somebody else asks.
    """
    if not mine:
        raise Problem(403, OWNERS, code="not_the_owner")
    return run


Owned = Annotated[Watched, Depends(owned_by)]


@routes.get("")
async def standing(run: Run) -> dict[str, Any]:
    """Where the training is: its state, tasks, warnings and sheets."""
    return await asyncio.to_thread(run.standing)


@routes.get("/owner")
async def owner(mine: Owner) -> dict[str, bool]:
    """Whether the key is the owner's."""
    return {"owner": mine}


@routes.get("/curves/{task}")
async def curves(task: Task, run: Run) -> dict[str, list[tuple[int, float]]]:
    """Figures of a task as [pictures seen, value], at most a few hundred each."""
    return await asyncio.to_thread(run.folder.curves, task)


@routes.get("/sheets/{task}/{pictures}", response_class=FileResponse, responses=PICTURE)
async def sheet(task: Task, pictures: Annotated[int, InPath(ge=0, lt=10**10)], run: Run) -> FileResponse:
    """A sheet of a task as a PNG file."""
    file = run.folder.sheet(task, pictures)
    if file is None:
        raise Problem(404, "there is no such sheet", code="sheet_not_found")
    return FileResponse(file, media_type="image/png", headers={"Cache-Control": "private, max-age=3600"})


@routes.post("/try")
async def try_model(asked: TryIn, run: Run, studio: Studio) -> dict[str, Any]:
    """Draw one picture with the newest model of the run."""
    seed = seed_of(asked.seed, 1)
    async with studio.trials.mine():
        loop = asyncio.get_running_loop()
        picture, seen = await loop.run_in_executor(run.aside, run.try_model, asked.prompt, seed)
    return {"picture": data_url(picture), "seed": seed, "pictures_seen": seen}


@routes.post("/start", status_code=201)
async def start(asked: TrainIn, run: Owned) -> dict[str, Any]:
    """Let the model that comes with fromnoise learn from a folder of pictures; for the owner."""
    await asyncio.to_thread(run.begin, asked.data, asked.minutes, asked.recipe, asked.trigger)
    return await asyncio.to_thread(run.standing)


@routes.post("/pause")
async def pause(run: Owned) -> dict[str, Any]:
    """Let the training save and stop; for the owner."""
    await asyncio.to_thread(run.pause)
    return await asyncio.to_thread(run.standing)


@routes.post("/go-on")
async def go_on(run: Owned) -> dict[str, Any]:
    """Go on with the training where it stopped; for the owner."""
    await asyncio.to_thread(run.go_on)
    return await asyncio.to_thread(run.standing)
