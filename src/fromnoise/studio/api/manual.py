"""``/docs``: how to use the API, as a page that the server makes from its own tables; nothing comes from elsewhere."""

from __future__ import annotations

import json
import string
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from fromnoise.diffusion.samplers import SAMPLERS
from fromnoise.drawing.request import MASKED_STRENGTH, STRENGTH
from fromnoise.studio.api.fields import Fields
from fromnoise.studio.api.problems import CODES
from fromnoise.studio.api.samples import Place, samples
from fromnoise.studio.api.schemas import Edit, Generation, JobIn, Watch, tell_limits
from fromnoise.studio.api.state import State, reached_at, state_of
from fromnoise.studio.settings import Limits

routes = APIRouter()
PAGE = Path(__file__).parents[1] / "pages" / "docs.html"  # not beside the page's files: it is no page yet
KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "array": "list"}
MEANINGS = {
    400: "something in the request is wrong; param says which field",
    401: "the server asks for its token: Authorization: Bearer TOKEN",
    403: "the request came from a page of another origin",
    404: "there is nothing at this address, or no such picture, job or model (code model_not_found)",
    405: "the address does not know this method; the header Allow says which ones it knows",
    408: "the request did not arrive in time",
    409: "what was asked for does not fit how things stand",
    410: "it was there, and is gone",
    413: "the request, or the picture in it, is too large",
    415: "the request came in another form than the route reads; the message says which",
    421: "the request names another host than this machine",
    429: "too many pictures wait already; the header Retry-After says when to come back",
    500: "something went wrong inside the server",
    503: "the server is stopping, or has no room for more",
    507: "the server's disk is full, or cannot be written",
}


@routes.get("/docs", include_in_schema=False)
async def docs(request: Request, studio: Annotated[State, Depends(state_of)]) -> HTMLResponse:
    """The page."""
    place = Place(reached_at(request), studio.models.name, studio.settings.token is not None)
    text = manual(place, defaults_of(studio), request.app.openapi(), studio.settings.limits)
    return HTMLResponse(text, headers={"Cache-Control": "no-cache"})


def defaults_of(studio: State) -> dict[str, str]:
    """What fields are when nobody says, where the model decides, and what may be said instead."""
    model = studio.models.base
    own = f"{model.pixels}x{model.pixels}"
    return {
        "model": " or ".join(dict.fromkeys((studio.models.name, *studio.settings.answer_to))),
        "size": f"auto: {own}",
        "width": str(model.pixels),
        "height": str(model.pixels),
        "style": f"{model.default_style or 'none'}; {', '.join(model.styles) or 'this model has none'}",
        "sampler": f"{model.defaults.sampler}; {', '.join(sorted(SAMPLERS))}",
        "steps": str(model.defaults.steps),
        "guidance": f"{model.defaults.guidance:g}",
        "rescale": f"{model.defaults.rescale:g}",
        "seed": "any",
        "strength": f"{STRENGTH:g}; with a mask {MASKED_STRENGTH:g}",
    }


def manual(place: Place, defaults: Mapping[str, str], document: Mapping[str, Any], limits: Limits) -> str:
    """The page as HTML.

    Args:
        place: where the server is.
        defaults: of fields, where the model decides.
        document: the API's, for the list of routes.
        limits: of the server.
    """
    token = f"It asks for its token: write it for <code>{place.key}</code>." if place.locked else "It asks for no key."
    return string.Template(PAGE.read_text(encoding="utf-8")).substitute(
        address=escape(place.address),
        model=escape(place.model),
        token=token,
        samples="".join(_sample(name, *shown) for name, shown in samples(place).items()),
        generations=fields_table(Generation, defaults, limits),
        edits=fields_table(Edit, defaults, limits, leave_out=Generation),
        jobs=fields_table(JobIn, defaults, limits, last=Watch),
        errors=_table("Errors", ("status", "type, code", "meaning"), (_error(status) for status in CODES)),
        routes=_table("All routes", ("method", "route", "meaning"), _routes(document)),
    )


def fields_table(
    model: type[Fields],
    defaults: Mapping[str, str],
    limits: Limits,
    leave_out: type[Fields] | None = None,
    last: type[Fields] | None = None,
) -> str:
    """The fields of a route: name, what may be sent, what is taken when nothing is.

    Args:
        model: has them.
        defaults: where the model that draws decides.
        limits: of the server.
        leave_out: its fields are told elsewhere.
        last: its fields come at the end.
    """
    schema = tell_limits(model.model_json_schema(), model, limits)
    names = [name for name in model.model_fields if leave_out is None or name not in leave_out.model_fields]
    names.sort(key=lambda name: last is not None and name in last.model_fields)
    rows = []
    for name in names:
        also = [other for other, own in model.also.items() if own == name]
        shown = _code(name) + (f" (or {', '.join(map(_code, also))})" if also else "")
        facts = schema["properties"][name]
        default = defaults.get(name) or ("needed" if name in schema.get("required", ()) else _default(facts))
        rows.append((shown, escape(_range(facts)), escape(default), escape(facts.get("description", ""))))
    return _table(f"Fields of {model.__name__}", ("field", "what may be sent", "by default", "meaning"), rows)


def _range(facts: Mapping[str, Any]) -> str:
    """What a JSON schema allows, in words."""
    kinds = [each for each in facts.get("anyOf", (facts,)) if each.get("type") != "null"]
    first = kinds[0]
    if "enum" in first:
        return ", ".join(map(str, first["enum"]))
    if "const" in first:
        return str(first["const"])
    said = KINDS.get(first.get("type", ""), "object")
    low, high = first.get("minimum"), first.get("maximum")
    if low is not None:
        return f"{said}, {low:g} to {high:g}" if high < 2**31 else f"{said}, {low:g} to {high}"
    if "exclusiveMinimum" in first:
        return f"{said}, above {first['exclusiveMinimum']:g}, at most {high:g}"
    return f"{said}, at most {first['maxLength']} characters" if "maxLength" in first else said


def _default(facts: Mapping[str, Any]) -> str:
    value = facts.get("default")
    return "" if value in (None, "") else json.dumps(value).strip('"')


def _error(status: int) -> tuple[str, str, str]:
    kind, code = CODES[status]
    return str(status), f"{_code(kind)}, {_code(code)}", escape(MEANINGS[status])


def _routes(document: Mapping[str, Any]) -> Iterable[tuple[str, str, str]]:
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            yield method.upper(), _code(path), escape(operation.get("description", "").replace("``", ""))


def _sample(name: str, title: str, text: str) -> str:
    shown = f'<pre id="{name}" tabindex="0" role="region" aria-label="{escape(title)}">{escape(text)}</pre>'
    return f"<section><h3>{escape(title)}</h3>{shown}</section>"


def _code(text: str) -> str:
    return f"<code>{escape(text)}</code>"


def _table(title: str, head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A table that scrolls sideways where it is too wide: so the keyboard must reach it, and it needs a name."""
    top = "".join(f'<th scope="col">{each}</th>' for each in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    table = f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div class="wide" tabindex="0" role="region" aria-label="{escape(title)}">{table}</div>'
