"""Errors as the OpenAI API shows them, on every path: {"error": {message, type, param, code}}."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from fromnoise.ground.errors import UserError, one_line

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


class Problem(Exception):
    """What goes wrong in answering a request.

    Args:
        status: of HTTP.
        message: what is wrong and what to do, in one sentence.
        param: the name of the field that is wrong.
        code: a word for programs; by default the status's.
        retry: seconds after which to try again.
    """

    def __init__(
        self, status: int, message: str, param: str | None = None, code: str | None = None, retry: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.message, self.param, self.code, self.retry = status, message, param, code, retry

    def body(self) -> dict[str, Any]:
        """The error object."""
        kind, code = CODES.get(self.status, ("invalid_request_error" if self.status < 500 else "server_error", "error"))
        message = one_line(self.message)
        return {"error": {"message": message, "type": kind, "param": self.param, "code": self.code or code}}

    def headers(self) -> dict[str, str]:
        """Headers that go with it."""
        found = {"Retry-After": str(self.retry)} if self.retry is not None else {}
        return {**found, **({"WWW-Authenticate": "Bearer"} if self.status == 401 else {})}

    def response(self, more: Mapping[str, str] | None = None) -> JSONResponse:
        """The answer."""
        return JSONResponse(self.body(), self.status, {**self.headers(), **(more or {})})


def answer_all(app: FastAPI) -> None:
    """Let an application answer every failure with an error object."""

    @app.exception_handler(Problem)
    async def _problem(request: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(UserError)
    async def _user(request: Request, error: UserError) -> JSONResponse:
        return Problem(400, str(error)).response()

    @app.exception_handler(RequestValidationError)
    async def _fields(request: Request, error: RequestValidationError) -> JSONResponse:
        return from_fields(error).response()

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        said = {
            404: f"there is nothing at {request.url.path}",
            405: f"{request.method} does not work at {request.url.path}",
        }
        message = said.get(error.status_code, str(error.detail))
        return Problem(error.status_code, message).response(error.headers)

    @app.exception_handler(Exception)
    async def _unknown(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, OSError | ClientDisconnect):  # those are clients that went away
            LOG.error("answering %s %s failed", request.method, request.url.path, exc_info=error)
        return Problem(500, "something went wrong inside the server; its log says what").response()


def from_fields(error: RequestValidationError) -> Problem:
    """The first thing that is wrong with a request's fields."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path")]
    if first["type"] == "json_invalid":
        return Problem(400, "the body is not valid JSON", code="invalid_json")
    name = ".".join(place) or None
    if first["type"] == "extra_forbidden" and place:
        from fromnoise.studio.schemas import FIELDS  # its parts raise problems themselves

        near = difflib.get_close_matches(place[-1], FIELDS, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return Problem(400, f"there is no field '{place[-1]:.60}'{hint}", name, "unknown_field")
    return Problem(400, f"{name or 'the body'}: {first['msg']}", name, "invalid_value")
