"""Errors as the OpenAI API shows them, on every path: {"error": {message, type, param, code}}."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from fromnoise.ground.errors import UserError, one_line
from fromnoise.studio.api.routes import as_sent, example_for, hint_at, methods_at, near_path
from fromnoise.studio.desk.problem import Problem, problem_of

LOG = logging.getLogger("fromnoise.studio")
JSON_KINDS = {list: "a list", str: "text", bool: "true or false"}
CODES = {
    400: ("invalid_request_error", "bad_request"),
    401: ("authentication_error", "invalid_api_key"),
    403: ("permission_error", "forbidden"),
    404: ("invalid_request_error", "not_found"),
    405: ("invalid_request_error", "method_not_allowed"),
    408: ("invalid_request_error", "request_timeout"),
    409: ("invalid_request_error", "conflict"),
    410: ("invalid_request_error", "gone"),
    413: ("invalid_request_error", "request_too_large"),
    415: ("invalid_request_error", "unsupported_media_type"),
    421: ("invalid_request_error", "misdirected_request"),
    429: ("rate_limit_error", "rate_limit_exceeded"),
    500: ("server_error", "internal_error"),
    503: ("server_error", "service_unavailable"),
    507: ("server_error", "insufficient_storage"),
}


def body_of(problem: Problem) -> dict[str, Any]:
    """The error object."""
    kind, code = CODES.get(
        problem.status, ("invalid_request_error" if problem.status < 500 else "server_error", "error")
    )
    message = one_line(problem.message)
    return {"error": {"message": message, "type": kind, "param": problem.param, "code": problem.code or code}}


def answer_to(problem: Problem, more: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer, with headers that go with it and some more."""
    headers = {"Retry-After": str(problem.retry)} if problem.retry is not None else {}
    proof = {"WWW-Authenticate": "Bearer"} if problem.status == 401 else {}
    return JSONResponse(body_of(problem), problem.status, {**headers, **proof, **(more or {})})


def answer_all(app: FastAPI) -> None:
    """Let an application answer every failure with an error object."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        return answer_to(error)

    @app.exception_handler(UserError)
    async def _user(request: Request, error: UserError) -> JSONResponse:
        return answer_to(problem_of(error))

    @app.exception_handler(RequestValidationError)
    async def _fields(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer_to(_of_request(request, error))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405:
            return _other_methods(request)
        if error.status_code == 404:
            return answer_to(Problem(404, f"there is nothing at {request.url.path:.200}{near_path(request)}"))
        if error.status_code == 400:  # the framework's word for bytes that are no text
            return answer_to(Problem(400, "the body cannot be read as JSON in UTF-8", code="invalid_json"))
        return answer_to(Problem(error.status_code, str(error.detail)), error.headers)

    @app.exception_handler(ClientDisconnect)  # by its name, or the framework logs a traceback for each
    async def _gone(request: Request, error: ClientDisconnect) -> JSONResponse:
        return answer_to(Problem(408, "the client went away"))

    @app.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, OSError):  # those are clients that went away
            LOG.error("answering %s %s failed", request.method, request.url.path, exc_info=error)
        return answer_to(Problem(500, "something went wrong inside the server; its log says what"))


def _other_methods(request: Request) -> Response:
    """The answer to a method that does not work, and to the question which ones do."""
    allowed = methods_at(request)
    headers = {"Allow": ", ".join((*allowed, "OPTIONS"))}
    if request.method == "OPTIONS":
        return Response(status_code=204, headers=headers)
    said = f"{request.method:.20} does not work at {request.url.path:.200}; use {' or '.join(allowed)}"
    return answer_to(Problem(405, said), headers)


def _of_request(request: Request, error: RequestValidationError) -> Problem:
    """What is wrong with a request's fields, or with the whole of its body."""
    first = error.errors()[0]
    if first["loc"][0] != "body":
        return from_errors(error.errors(), {}, "")
    kind = request.headers.get("content-type", "")
    name, _, _ = kind.lower().partition(";")
    if error.body is not None and not (name.strip() == "application/json" or name.strip().endswith("+json")):
        came = f"this came as {kind:.60}" if kind else "this came without"
        return Problem(415, f"send Content-Type: application/json ({came})")
    if first["type"] == "json_invalid":
        said = f"{first['ctx']['error']} at character {first['loc'][-1]}"
        return Problem(400, f"the body is not valid JSON: {said}", code="invalid_json")
    route = request.scope["route"].path
    if not isinstance(error.body, dict) and first["type"] != "two_names":
        came = "it is empty" if error.body is None else f"this is {JSON_KINDS.get(type(error.body), 'a number')}"
        return Problem(400, f"the body must be a JSON object{example_for(route)}; {came}")
    return from_errors(error.errors(), error.body or {}, route)


def from_errors(errors: Sequence[Any], given: Mapping[str, Any], route: str) -> Problem:
    """The first thing that is wrong with fields.

    Args:
        errors: as pydantic lists them.
        given: the fields as the client sent them.
        route: the path's pattern.
    """
    unknown = [error for error in errors if error["type"] == "extra_forbidden"]
    first = (unknown or errors)[0]  # a misspelt name explains one that is missing
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    if first["type"] == "two_names":
        return Problem(400, first["msg"], ".".join([*place, first["ctx"]["other"]]), "invalid_value")
    if first["type"] == "extra_forbidden":
        said = f"there is no field '{place[-1]:.60}'{hint_at(route, place)}"
        return Problem(400, said, ".".join(place)[:200], "unknown_field")
    if place:
        place[0] = as_sent(route, place[0], given)
    name = ".".join(place)
    if first["type"] == "missing":
        return Problem(400, f"{name} is missing", name, "missing_field")
    return Problem(400, f"{name}: {first['msg']}", name, "invalid_value")
