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
from fastapi.responses import FileResponse, Response
from PIL import Image
from pydantic import ValidationError
from starlette.datastructures import FormData
from torch import Tensor

from fromnoise.drawing.generate import Request, one_by_one, prompt_text
from fromnoise.drawing.picture_file import to_image
from fromnoise.drawing.start import Start
from fromnoise.studio.api_pictures import Given, as_given, kept_for_link
from fromnoise.studio.asking import STRENGTH, any_seed, checked
from fromnoise.studio.encode import TYPES
from fromnoise.studio.engine import Drawn, Event, Failed, Progress, Stopped, Wish
from fromnoise.studio.forms import BINARY, PICTURE, files_of, form_body, read_form
from fromnoise.studio.problems import Problem
from fromnoise.studio.schemas import Edit, Generation
from fromnoise.studio.sizes import Size, read_size
from fromnoise.studio.state import State, state_of
from fromnoise.studio.streams import EventStream, event
from fromnoise.studio.uploads import begun, check_reach, mask_from, opened, own_mask
from fromnoise.studio.waiting import Asked

routes = APIRouter(prefix="/v1", tags=["OpenAI"])
Studio = Annotated[State, Depends(state_of)]
IGNORED_STYLES = ("vivid", "natural")  # OpenAI's own, which some clients always send
EDIT_FORM = form_body(
    {"image": BINARY, "mask": BINARY, **{name: {"type": "string"} for name in Edit.model_fields}}, ["image", "prompt"]
)

ANSWERS: dict[int | str, dict[str, Any]] = {200: {"content": {"application/json": {}, "text/event-stream": {}}}}


@dataclass(frozen=True)
class Ask:
    """A request of the API, ready to be drawn."""

    asked: Generation
    requests: list[Request]
    size: Size
    start: Start | None = None
    kind: str = "image_generation"

    @property
    def fast(self) -> bool:
        """Draw in a few steps."""
        return bool(self.asked.fast)


@routes.get("/models")
async def models(studio: Studio) -> dict[str, Any]:
    """The models that draw here: the one the server was started with."""
    return {"object": "list", "data": [_model(studio)]}


@routes.get("/models/{model:path}")
async def one_model(model: Annotated[str, InPath(max_length=200)], studio: Studio) -> dict[str, Any]:
    """A model's facts."""
    _check_model(model, studio)
    return _model(studio)


@routes.post("/images/generations", responses=ANSWERS)
async def generations(asked: Generation, studio: Studio, request: HttpRequest) -> Response:
    """Draw pictures from words."""
    _check_model(asked.model, studio)
    size = read_size(asked.size, studio.models.get(bool(asked.fast)), studio.settings.limits)
    requests = await asyncio.to_thread(_requests, asked, size, studio, None)
    return await _answer(Ask(asked, requests, size), studio, request)


@routes.post("/images/edits", openapi_extra=EDIT_FORM, responses=ANSWERS)
async def edits(request: HttpRequest, studio: Studio) -> Response:
    """Draw from a picture: all of it anew in its shape, or where a mask is transparent."""
    form = await read_form(request)
    try:
        asked = _edit_fields(form)
        _check_model(asked.model, studio)
        images = await files_of(form, ("image", "image[]"))
        masks = await files_of(form, ("mask",))
    finally:
        await form.close()
    if len(images) != 1:
        said = "send a picture as image" if not images else "this model starts from one picture, not several"
        raise Problem(400, said, "image")
    ask = await studio.patiently(_edit, asked, images[0], masks[0] if masks else None, studio)
    return await _answer(ask, studio, request)


@routes.get("/files/{picture}", response_class=FileResponse, responses=PICTURE)
async def file(
    picture: Annotated[str, InPath(pattern="^[0-9a-f]{32}$")],
    studio: Studio,
    until: Annotated[int, Query(ge=0, le=2**53)],
    proof: Annotated[str, Query(max_length=64, pattern="^[0-9a-f]*$")],
) -> FileResponse:
    """A picture by the address that an answer with ``response_format="url"`` gave."""
    kept = studio.store.get(picture) if studio.links.holds(picture, until, proof) else None
    if kept is None:
        raise Problem(404, "this address does not work, or no longer", code="file_not_found")
    return FileResponse(studio.store.file(kept.id), media_type=TYPES["png"])


# --- asking ----------------------------------------------------------------------------------------------------


def _requests(asked: Generation, size: Size, studio: State, strength: float | None) -> list[Request]:
    """The pictures of a request, complete."""
    limits, style = studio.settings.limits, asked.style
    model = studio.models.get(bool(asked.fast))
    if (asked.n or 1) > limits.api_count:
        raise Problem(400, f"n is at most {limits.api_count}", "n")
    own = size.drawn == (model.pixels, model.pixels) and strength is None
    request = Request(
        prompt=asked.prompt,
        negative=asked.negative_prompt or "",
        style=None if style in IGNORED_STYLES and style not in model.styles else style,
        seed=any_seed() if asked.seed is None else asked.seed,
        count=asked.n or 1,
        steps=asked.steps,
        guidance=asked.guidance,
        sampler=asked.sampler,
        width=None if own else size.drawn[0],
        height=None if own else size.drawn[1],
        strength=strength,
    )
    return checked(one_by_one(request), studio.models, bool(asked.fast), limits)


def _edit_fields(form: FormData) -> Edit:
    fields = {k: v for k, v in form.multi_items() if isinstance(v, str) and k not in ("image", "image[]", "mask")}
    try:
        return Edit.model_validate({k: v for k, v in fields.items() if v != ""})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        raise Problem(400, f"{name}: {first['msg']}", name, "invalid_value") from None


def _edit(asked: Edit, image: bytes, mask: bytes | None, studio: State) -> Ask:
    limits, model = studio.settings.limits, studio.models.get(bool(asked.fast))
    picture = opened(image, limits.upload_pixels)
    given = asked.size if asked.size not in (None, "", "auto") else None
    size = read_size(given or _shape_of(picture, studio), model, limits)
    size = size if given else Size(size.drawn, size.drawn)
    free: Image.Image | None
    if mask is not None:
        free = mask_from(opened(mask, limits.upload_pixels, "mask"))
    else:  # its own transparency says what to fill
        free = own_mask(picture, size.drawn, model.vae.factor)
    strength = asked.strength or (1.0 if free is not None else STRENGTH)
    requests = _requests(asked, size, studio, strength)
    start = begun(picture, free, size.drawn)
    check_reach(start, model.vae.factor)
    return Ask(asked, requests, size, start, "image_edit")


def _shape_of(picture: Image.Image, studio: State) -> str:
    most = studio.settings.limits.enlarged
    scale = min(1.0, most / max(picture.size))
    width, height = (max(16, round(side * scale)) for side in picture.size)
    return f"{width}x{height}"


def _check_model(name: str | None, studio: State) -> None:
    if name is not None and name != studio.models.name:
        raise Problem(
            404, f"this server draws with {studio.models.name}, not with {name}", "model", code="model_not_found"
        )


def _model(studio: State) -> dict[str, Any]:
    return {"id": studio.models.name, "object": "model", "created": studio.started, "owned_by": "fromnoise"}


# --- answering -------------------------------------------------------------------------------------------------


async def _answer(ask: Ask, studio: State, http: HttpRequest) -> Response:
    if ask.asked.stream:  # a full queue is an answer of its own, not a broken stream: so ask before it begins
        return EventStream(_stream(ask, Asked(studio.engine, _makes(ask, ask.asked.partial_images or 0)), studio))
    pictures: dict[int, Tensor] = {}
    async with aclosing(Asked(studio.engine, _makes(ask, 0)).events()) as events:
        async for which, happened in events:
            if await http.is_disconnected():  # nobody would get the pictures
                raise Problem(408, "the client went away")
            if isinstance(happened, Failed | Stopped):
                raise _problem_of(happened)
            if isinstance(happened, Drawn):
                pictures[which] = happened.picture
    ordered = [pictures[i] for i in range(len(pictures))]
    body = await asyncio.to_thread(_body, ask, ordered, studio)
    return Response(json.dumps(body), media_type="application/json")


def _makes(ask: Ask, partial_images: int) -> list[Callable[[Callable[[Event], None]], Wish]]:
    show: Any = "clean" if partial_images else "none"

    def make(rank: int, request: Request, tell: Callable[[Event], None]) -> Wish:
        every = max(1, (request.steps or 1) // (partial_images + 1))
        return Wish(request, tell, ask.start, ask.fast, show, every, rank)

    return [partial(make, i, request) for i, request in enumerate(ask.requests)]


async def _stream(ask: Ask, asked: Asked, studio: State) -> AsyncGenerator[bytes]:
    """Events as OpenAI's: partial images, then the whole one."""
    sent = [0] * len(ask.requests)
    async with aclosing(asked.events()) as events:
        async for which, happened in events:
            if isinstance(happened, Failed | Stopped):
                yield event(_problem_of(happened).body(), "error")
                return
            if isinstance(happened, Progress):
                if happened.clean is not None and _is_due(ask, happened, sent[which]):
                    data = await asyncio.to_thread(as_given, happened.clean, _given(ask, which), None)
                    yield event(_partial(ask, data, sent[which]), f"{ask.kind}.partial_image")
                    sent[which] += 1
            else:
                origin = studio.models.origin(ask.requests[which], ask.start, ask.fast, which)
                data = await asyncio.to_thread(as_given, happened.picture, _given(ask, which), origin)
                yield event(_completed(ask, data, which, studio), f"{ask.kind}.completed")


def _problem_of(happened: Failed | Stopped) -> Problem:
    return happened.problem if isinstance(happened, Failed) else Problem(503, "the server is stopping", retry=60)


def _is_due(ask: Ask, step: Progress, sent: int) -> bool:
    """Whether a step is shown: not the first, which shows next to nothing, and not the last, which is the picture."""
    return 0 < step.index < step.total - 1 and sent < (ask.asked.partial_images or 0)


def _given(ask: Ask, which: int) -> Given:
    quality = ask.asked.output_compression
    return Given(ask.size, ask.asked.output_format or "png", 100 if quality is None else quality)


def _described(ask: Ask) -> dict[str, Any]:
    return {
        "created_at": int(time.time()),
        "size": ask.size.text,
        "quality": ask.asked.quality or "auto",
        "background": "opaque",
        "output_format": ask.asked.output_format or "png",
    }


def _partial(ask: Ask, data: bytes, index: int) -> dict[str, Any]:
    b64 = base64.b64encode(data).decode()
    return {"type": f"{ask.kind}.partial_image", "b64_json": b64, "partial_image_index": index, **_described(ask)}


def _completed(ask: Ask, data: bytes, which: int, studio: State) -> dict[str, Any]:
    b64 = base64.b64encode(data).decode()
    found = {"type": f"{ask.kind}.completed", "b64_json": b64, **_described(ask)}
    return {**found, "usage": _usage(ask, studio), "seed": ask.requests[which].seed}


def _body(ask: Ask, pictures: Sequence[Tensor], studio: State) -> dict[str, Any]:
    data = [_item(ask, which, picture, studio) for which, picture in enumerate(pictures)]
    described = {key: value for key, value in _described(ask).items() if key != "created_at"}
    return {"created": int(time.time()), "data": data, **described, "usage": _usage(ask, studio)}


def _item(ask: Ask, which: int, picture: Tensor, studio: State) -> dict[str, Any]:
    request = ask.requests[which]
    origin = studio.models.origin(request, ask.start, ask.fast, which)
    item: dict[str, Any] = {"seed": request.seed}
    if ask.asked.response_format == "url":
        name = kept_for_link(to_image(picture), origin, ask.size, studio)
        return {"url": studio.address + studio.links.path(name), **item}
    return {"b64_json": base64.b64encode(as_given(picture, _given(ask, which), origin)).decode(), **item}


def _usage(ask: Ask, studio: State) -> dict[str, Any]:
    """Tokens as OpenAI counts them: of the words, and positions of the latents."""
    words = len(studio.models.base.tokenizer.tokens(prompt_text(ask.requests[0])))
    _, height, width = studio.models.base.latent_shape(ask.size.drawn[::-1])
    drawn_tokens = height * width * len(ask.requests)
    seen = 0 if ask.start is None else height * width
    return {
        "input_tokens": words + seen,
        "input_tokens_details": {"text_tokens": words, "image_tokens": seen},
        "output_tokens": drawn_tokens,
        "total_tokens": words + seen + drawn_tokens,
    }
