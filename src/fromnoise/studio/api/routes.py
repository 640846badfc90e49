"""What stands at which address: the fields that a route takes, the methods of a path, and what a wrong one meant."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from fastapi import Request
from starlette.routing import Match, Mount

from fromnoise.studio.api.bodies import BODIES
from fromnoise.studio.api.naming import hint, is_blank
from fromnoise.studio.api.schemas import OtherIn

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
FILES = {"/v1/images/edits": ("image", "mask")}  # what its form has beside fields
VERBS = {"/api/pictures/{picture}": "PATCH"}  # all others: POST
GUESSED = (
    *("/v1/images/generations", "/v1/images/edits", "/v1/models", "/api/jobs", "/api/pictures", "/api/uploads"),
    *("/api/facts", "/api/events", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"),
)


def titled(route: str) -> str:
    """A route as people write it."""
    return f"{VERBS.get(route, 'POST')} {route}"


def fields_of(route: str) -> list[str]:
    """The names that a route reads: fields, files, and other names of fields."""
    model = BODIES[route]
    return [*model.model_fields, *FILES.get(route, ()), *model.also]


def example_for(route: str) -> str:
    """What a body may look like, for a sentence that says it must be one."""
    return ', as {"prompt": "a red apple"}' if "prompt" in fields_of(route) else ""


def hint_at(route: str, place: list[str]) -> str:
    """What an unknown field of a route may have meant, as the end of a sentence."""
    if place[0] == "towards" and len(place) > 1:
        return hint(place[-1], "towards", {"towards": [*OtherIn.model_fields, *OtherIn.also]})
    game = route.startswith("/api/story")
    known = {titled(each): fields_of(each) for each in BODIES if each.startswith("/api/story") == game}
    return hint(place[-1], titled(route), {**known})


def as_sent(route: str, name: str, given: Mapping[str, Any]) -> str:
    """The name under which a client sent a field."""
    also = BODIES[route].also if route in BODIES else {}
    others = [other for other, own in also.items() if own == name and not is_blank(other, given.get(other))]
    return others[0] if others and is_blank(name, given.get(name)) else name


def methods_at(request: Request) -> list[str]:
    """The methods that work at a request's path."""
    scope = {key: request.scope[key] for key in ("type", "path", "headers")}
    scope["root_path"] = request.scope.get("app_root_path", request.scope["root_path"])  # a mount has changed it
    found = []
    for route in request.app.router.routes:
        files = isinstance(route, Mount)
        for method in ("GET",) if files else METHODS:
            if route.matches({**scope, "method": method})[0] is Match.FULL:
                found += ["GET", "HEAD"] if method == "GET" else [method]
    return list(dict.fromkeys(found))


def near_path(request: Request) -> str:
    """The address that may have been meant, as the end of a sentence."""
    path = request.url.path
    whole = next((each for each in GUESSED if each.endswith(path) and path != "/"), None)
    near = [whole] if whole else difflib.get_close_matches(path, GUESSED, 1, 0.75)
    if near and near[0] != path:
        return f"; did you mean {near[0]}?"
    return "; /docs says what there is" if path.startswith(("/v1", "/api", "/images")) else ""
