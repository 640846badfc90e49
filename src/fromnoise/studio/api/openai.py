"""The image API of OpenAI: generations, edits, models; existing clients work unchanged."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from fastapi import Path as InPath
from fastapi import Request as HttpRequest
from fastapi.responses import Response
from PIL import Image
from pydantic import ValidationError
from starlette.datastructures import FormData

from fromnoise.drawing.picture_file import Origin, as_stamped, to_image
from fromnoise.drawing.plan import Plan
from fromnoise.drawing.request import Request, one_by_one, strength_of
from fromnoise.drawing.size import Size
from fromnoise.drawing.start import Start
from fromnoise.studio.api.asking import checked, notes_of, seed_of
from fromnoise.studio.api.background import background_of, wants_transparent
from fromnoise.studio.api.forms import (
    BINARY,
    PICTURES,
    check_names,
    check_single,
    files_of,
    form_body,
    no_file,
    read_form,
)
from fromnoise.studio.api.pictures import Given, as_given, as_kind, kept_for_link, on_the_way
from fromnoise.studio.api.problems import body_of, from_errors
from fromnoise.studio.api.schemas import Edit, Generation
from fromnoise.studio.api.sizes import read_size, shape_of
from fromnoise.studio.api.state import State, reached_at, state_of
from fromnoise.studio.api.streams import EventStream, event
from fromnoise.studio.api.told import facts_of, warnings_of
from fromnoise.studio.api.usage import usage_of
from fromnoise.studio.desk.encode import TYPES
from fromnoise.studio.desk.engine import Drawn, Event, Failed, Progress, Stopped, Wish
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.desk.uploads import begun, check_reach, mask_from, opened, own_mask
from fromnoise.studio.desk.waiting import Asked
from fromnoise.studio.settings import is_model_name

routes = APIRouter(prefix="/v1", tags=["OpenAI"])
Studio = Annotated[State, Depends(state_of)]
IGNORED_STYLES = ("vivid", "natural")  # OpenAI's own, which some clients always send
EDIT_FORM = form_body(
    {"image": BINARY, "mask": BINARY, **{name: {"type": "string"} for name in (*Edit.model_fields, *Edit.also)}},
    ["image", "prompt"],
)

EDITS = "/v1/images/edits"
IMAGE, MASK = ("image", "image[]"), ("mask",)  # what files may be called
FILE_FIELDS = (*IMAGE, *MASK)
ANSWERS: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {}, "text/event-stream": {}}}}


@dataclass(frozen=True)
class Ask:
    """A request of the API, ready to be drawn.

    Attributes:
        notes: told beside the pictures.
        address: of this server, as the client reached it.
    """

    asked: Generation
    plans: list[Plan]
    size: Size
    notes: tuple[str, ...]
    address: str
    start: Start | None = None
    kind: str = "image_generation"

    @property
    def fast(self) -> bool:
        """Draw in a few steps."""
        return bool(self.asked.fast)


@routes.get("/models")
async def models(studio: Studio) -> dict[str, Any]:
    """The models that draw here: the one the server was started with, under all names that it answers to."""
    return {"object": "list", "data": [_model(name, studio) for name in _names(studio)]}


@routes.get("/models/{model:path}")
async def one_model(model: Annotated[str, InPath(max_length=200)], studio: Studio) -> dict[str, Any]:
    """A model's facts."""
    _check_model(model, studio)
    return _model(model, studio)


@routes.post("/images/generations", responses=ANSWERS)
async def generations(asked: Generation, studio: Studio, request: HttpRequest) -> Response:
    """Draw pictures from words."""
    _check_model(asked.model, studio)
    ask = await asyncio.to_thread(_generation, asked, studio, reached_at(request))
    return await _answer(ask, studio, request)


@routes.post("/images/edits", openapi_extra=EDIT_FORM, responses=ANSWERS)
async def edits(request: HttpRequest, studio: Studio) -> Response:
    """Draw from a picture: all of it anew in its shape, or where a mask is transparent."""
    form = await read_form(request)
    try:
        asked = _edit_fields(form)
        _check_model(asked.model, studio)
        images, masks = await files_of(form, IMAGE), await files_of(form, MASK)
        if not images:
            raise no_file(form, "image")
        check_names(form, FILE_FIELDS, Edit, EDITS)
        check_single(form, IMAGE)
        check_single(form, MASK)
    finally:
        await form.close()
    await asyncio.to_thread(studio.models.get, bool(asked.fast))  # a model that is loaded now may take its time
    ask = await studio.patiently(_edit, asked, images[0], masks[0] if masks else None, studio, reached_at(request))
    return await _answer(ask, studio, request)


@routes.get("/files/{file}", response_class=Response, responses=PICTURES)
async def file(
    file: Annotated[str, InPath(pattern=r"^[0-9a-f]{32}\.(png|jpeg|webp)$")],
    studio: Studio,
    quality: Annotated[int, Query(ge=0, le=100)],
    until: Annotated[int, Query(ge=0, le=2**53)],
    proof: Annotated[str, Query(max_length=64, pattern="^[0-9a-f]*$")],
) -> Response:
    """A picture by the address that an answer with ``response_format="url"`` gave."""
    name, _, ending = file.partition(".")
    kept = studio.store.get(name) if studio.links.holds(file, quality, until, proof) else None
    if kept is None:
        raise Problem(404, "this address does not work, or no longer", code="file_not_found")
    kind = next(each for each in TYPES if each == ending)
    data = await asyncio.to_thread(as_kind, studio.store.kept_file(kept.id), kind, quality, studio.settings.stamp)
    return Response(data, media_type=TYPES[kind])


# --- asking ----------------------------------------------------------------------------------------------------


def _generation(asked: Generation, studio: State, address: str) -> Ask:
    size = read_size(asked.size, studio.models.get(bool(asked.fast)), studio.settings.limits)
    made, notes = _plans(asked, size, studio, None)
    return Ask(asked, made, size, notes, address)


def _plans(asked: Generation, size: Size, studio: State, strength: float | None) -> tuple[list[Plan], tuple[str, ...]]:
    """A plan for each picture, and what to tell beside them."""
    limits, style = studio.settings.limits, asked.style
    model = studio.models.get(bool(asked.fast))
    if (asked.n or 1) > limits.api_count:
        raise Problem(400, f"n is at most {limits.api_count}", asked.name_of("count"))
    own = size.drawn == (model.pixels, model.pixels) and strength is None
    request = Request(
        prompt=asked.prompt,
        negative=asked.negative_prompt or "",
        style=None if style in IGNORED_STYLES and style not in model.styles else style,
        seed=seed_of(asked.seed, asked.n or 1),
        count=asked.n or 1,
        steps=asked.steps,
        guidance=asked.guidance,
        sampler=asked.sampler,
        width=None if own else size.drawn[0],
        height=None if own else size.drawn[1],
        strength=strength,
        transparent=wants_transparent(asked),
        best_of=asked.best_of or 1,
    )
    made = checked(one_by_one(request), studio.models, asked, limits)
    return made, (*size.notes, *notes_of(made))


def _edit_fields(form: FormData) -> Edit:
    fields = {k: v for k, v in form.multi_items() if isinstance(v, str) and k not in FILE_FIELDS}
    try:
        return Edit.model_validate(fields)
    except ValidationError as error:
        raise from_errors(error.errors(), fields, EDITS) from None


def _edit(asked: Edit, image: bytes, mask: bytes | None, studio: State, address: str) -> Ask:
    limits, model = studio.settings.limits, studio.models.get(bool(asked.fast))
    picture = opened(image, limits.upload_pixels)
    given = asked.size if asked.size not in (None, "", "auto") else None
    size = read_size(given or shape_of(picture.size, limits.enlarged), model, limits)
    size = size if given else Size(size.drawn, size.drawn)
    free: Image.Image | None
    if mask is not None:
        free = mask_from(opened(mask, limits.upload_pixels, "mask"))
    else:  # its own transparency says what to fill
        free = own_mask(picture, size.drawn, model.vae.factor)
    strength = strength_of(asked.strength, image=True, mask=free is not None)
    made, notes = _plans(asked, size, studio, strength)
    start = begun(picture, free, size.drawn)
    check_reach(start, model.vae.factor)
    return Ask(asked, made, size, notes, address, start, "image_edit")


def _names(studio: State) -> list[str]:
    return list(dict.fromkeys((studio.models.name, *studio.settings.answer_to)))


def _check_model(name: str | None, studio: State) -> None:
    if name is None or name in _names(studio):
        return
    known = " or ".join(_names(studio))
    option = f"; to take {name:.80} too, start it with --answer-to {name:.80}" if is_model_name(name) else ""
    said = f"this server draws with {known}, not with {name:.80}: leave model out, or name that{option}"
    raise Problem(404, said, "model", code="model_not_found")


def _model(name: str, studio: State) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": studio.started, "owned_by": "fromnoise"}


# --- answering -------------------------------------------------------------------------------------------------


async def _answer(ask: Ask, studio: State, http: HttpRequest) -> Response:
    if ask.asked.stream:  # a full queue is an answer of its own, not a broken stream: so ask before it begins
        return EventStream(_stream(ask, Asked(studio.engine, _makes(ask, ask.asked.partial_images or 0)), studio))
    pictures: dict[int, Drawn] = {}
    async with aclosing(Asked(studio.engine, _makes(ask, 0)).events()) as events:
        async for which, happened in events:
            if await http.is_disconnected():  # nobody would get the pictures
                raise Problem(408, "the client went away")
            if isinstance(happened, Failed | Stopped):
                raise _problem_of(happened)
            if isinstance(happened, Drawn):
                pictures[which] = happened
    ordered = [pictures[i] for i in range(len(pictures))]
    body = await asyncio.to_thread(_body, ask, ordered, studio)
    return Response(json.dumps(body), media_type="application/json")


def _makes(ask: Ask, partial_images: int) -> list[Callable[[Callable[[Event], None]], Wish]]:
    show: Any = "clean" if partial_images else "none"

    def make(rank: int, plan: Plan, tell: Callable[[Event], None]) -> Wish:
        every = max(1, plan.steps // (partial_images + 1))
        return Wish(plan, tell, ask.start, ask.fast, show, every, rank)

    return [partial(make, i, plan) for i, plan in enumerate(ask.plans)]


async def _stream(ask: Ask, asked: Asked, studio: State) -> AsyncGenerator[bytes]:
    """Events as OpenAI's: partial images, then the whole one."""
    sent = [0] * len(ask.plans)
    async with aclosing(asked.events()) as events:
        async for which, happened in events:
            if isinstance(happened, Failed | Stopped):
                yield event(body_of(_problem_of(happened)), "error")
                return
            if isinstance(happened, Progress):
                if happened.clean is not None and _is_due(ask, happened, sent[which]):
                    made = studio.models.made(ask.plans[which], ask.start is not None)
                    data = await asyncio.to_thread(on_the_way, happened.clean, _given(ask, which), made)
                    yield event(_partial(ask, data, sent[which]), f"{ask.kind}.partial_image")
                    sent[which] += 1
            else:
                origin, stamp = _origin(ask, which, happened, studio), studio.settings.stamp
                data = await asyncio.to_thread(as_given, happened.picture, _given(ask, which), origin, stamp)
                yield event(_completed(ask, data, origin, happened, studio), f"{ask.kind}.completed")


def _problem_of(happened: Failed | Stopped) -> Problem:
    return happened.problem if isinstance(happened, Failed) else Problem(503, "the server is stopping", retry=60)


def _is_due(ask: Ask, step: Progress, sent: int) -> bool:
    """Whether a step is shown: not the first, which shows next to nothing, and not the last, which is the picture."""
    return 0 < step.index < step.total - 1 and sent < (ask.asked.partial_images or 0)


def _given(ask: Ask, which: int) -> Given:
    quality = ask.asked.output_compression
    return Given(ask.size, ask.asked.output_format or "png", 100 if quality is None else quality)


def _origin(ask: Ask, which: int, drawn: Drawn, studio: State) -> Origin:
    origin = studio.models.origin(ask.plans[which], ask.start, ask.fast, which, drawn.choice)
    return as_stamped(origin, studio.settings.stamp)


def _described(ask: Ask, drawn: Sequence[Drawn] = ()) -> dict[str, Any]:
    return {
        "created_at": int(time.time()),
        "size": ask.size.text,
        "quality": ask.asked.quality or "auto",
        "background": background_of([each.picture for each in drawn]),
        "output_format": ask.asked.output_format or "png",
    }


def _partial(ask: Ask, data: bytes, index: int) -> dict[str, Any]:
    b64 = base64.b64encode(data).decode()
    return {"type": f"{ask.kind}.partial_image", "b64_json": b64, "partial_image_index": index, **_described(ask)}


def _completed(ask: Ask, data: bytes, origin: Origin, drawn: Drawn, studio: State) -> dict[str, Any]:
    b64 = base64.b64encode(data).decode()
    found = {"type": f"{ask.kind}.completed", "b64_json": b64, **_described(ask, [drawn])}
    return {
        **found,
        "usage": usage_of(ask.plans, studio.models.base),
        **facts_of(origin),
        **_warnings(ask, [drawn]),
    }


def _body(ask: Ask, drawn: Sequence[Drawn], studio: State) -> dict[str, Any]:
    data = [_item(ask, which, each, studio) for which, each in enumerate(drawn)]
    described = {key: value for key, value in _described(ask, drawn).items() if key != "created_at"}
    return {
        "created": int(time.time()),
        "data": data,
        **described,
        "usage": usage_of(ask.plans, studio.models.base),
        **_warnings(ask, drawn),
    }


def _warnings(ask: Ask, drawn: Sequence[Drawn]) -> dict[str, Any]:
    told = [*ask.notes, *warnings_of(drawn)]
    return {"warnings": told} if told else {}


def _item(ask: Ask, which: int, drawn: Drawn, studio: State) -> dict[str, Any]:
    picture, origin = drawn.picture, _origin(ask, which, drawn, studio)
    item = facts_of(origin)
    if ask.asked.response_format == "url":
        name = kept_for_link(to_image(picture), origin, ask.size, studio)
        given = _given(ask, which)
        return {"url": ask.address + studio.links.path(f"{name}.{given.kind}", given.quality), **item}
    data = as_given(picture, _given(ask, which), origin, studio.settings.stamp)
    return {"b64_json": base64.b64encode(data).decode(), **item}
