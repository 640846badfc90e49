"""Errors as the OpenAI API shows them, on every path: {"error": {message, type, param, code}}."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Collection, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from fromnoise.ground.errors import UserError, one_line
from fromnoise.studio.desk.problem import Problem

LOG = logging.getLogger("fromnoise.studio")
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


def answer_all(app: FastAPI, fields: Collection[str]) -> None:
    """Let an application answer every failure with an error object.

    Args:
        app: whose failures.
        fields: names that requests may have, to guess what was meant by others.
    """

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        return answer_to(error)

    @app.exception_handler(UserError)
    async def _user(request: Request, error: UserError) -> JSONResponse:
        return answer_to(Problem(400, str(error)))

    @app.exception_handler(RequestValidationError)
    async def _fields(request: Request, error: RequestValidationError) -> JSONResponse:
        return answer_to(from_fields(error, fields))

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        said = {
            404: f"there is nothing at {request.url.path}",
            405: f"{request.method} does not work at {request.url.path}",
        }
        message = said.get(error.status_code, str(error.detail))
        return answer_to(Problem(error.status_code, message), error.headers)

    @app.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, OSError | ClientDisconnect):  # those are clients that went away
            LOG.error("answering %s %s failed", request.method, request.url.path, exc_info=error)
        return answer_to(Problem(500, "something went wrong inside the server; its log says what"))


def from_fields(error: RequestValidationError, fields: Collection[str]) -> Problem:
    """The first thing that is wrong with a request's fields; ``fields`` are the names that there are."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    if first["type"] == "json_invalid":
        return Problem(400, "the body is not valid JSON", code="invalid_json")
    name = ".".join(place) or None
    if first["type"] == "extra_forbidden" and place:
        near = difflib.get_close_matches(place[-1], fields, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return Problem(400, f"there is no field '{place[-1]:.60}'{hint}", name, "unknown_field")
    return Problem(400, f"{name or 'the body'}: {first['msg']}", name, "invalid_value")
