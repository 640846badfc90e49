"""Who may ask, how much, and for how long: checked before anything of a request is read.

A page in another tab may send requests to this machine too, and a name in the internet may be made to point at it.
So the Host must be ours, a foreign Origin is refused, and without a token only loopback addresses are served.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fromnoise.studio.api.problems import answer_to
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.settings import Settings, is_loopback

COOKIE = "fromnoise"
OPEN_PATHS = ("/healthz", "/readyz", "/login", "/static/login.js", "/static/style.css", "/favicon.svg")
PAGES = ("/", "/docs")  # a person comes to these, and is shown where to give the token
SAFE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
        "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers send forms with "Origin: null"
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=()",
}
MOST_TRIES = 20  # wrong tokens a minute, from all clients together


class Guard:
    """The outermost layer.

    Args:
        app: what answers.
        settings: see :class:`Settings`.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings = app, settings
        self._tries: list[float] = []
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or refuse."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return  # no websockets here
        patient = _Patient(receive, send, self.settings, _most_bytes(scope, self.settings))
        self._active += 1
        try:
            if self._active > self.settings.limits.connections:
                raise Problem(503, "too many requests at once; try again in a moment", retry=2)
            allowed = self._check(scope)
            if allowed is not None:
                await allowed(scope, receive, patient.send)
                return
            await self.app(scope, patient.receive, patient.send)
            if patient.problem is not None and not patient.begun:
                raise patient.problem
        except Problem as problem:
            patient.problem = None
            if not patient.begun:
                await answer_to(problem, {"Connection": "close"})(scope, receive, patient.send)
        except (Gone, TimeoutError):
            return  # the client does not read; uvicorn closes the connection
        finally:
            self._active -= 1

    def _check(self, scope: Scope) -> RedirectResponse | None:
        scope.setdefault("state", {})["guard"] = self
        headers = Headers(scope=scope)
        self._check_host(headers)
        self._check_origin(scope, headers)
        _check_length(headers, _most_bytes(scope, self.settings))
        return self._check_token(scope, headers)

    def _check_host(self, headers: Headers) -> None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not _plain_host(hosts[0]):
            raise Problem(400, "a request needs one Host header")
        name = urlsplit(f"//{hosts[0]}").hostname or ""
        if self.settings.local and not is_loopback(name):
            raise Problem(421, "this server answers to localhost only; another name points at it, which may be a trick")

    def _check_origin(self, scope: Scope, headers: Headers) -> None:
        origin = headers.get("origin")
        if origin is not None:
            host = urlsplit(origin).netloc if "://" in origin else ""
            if host.lower() != headers["host"].lower():
                raise Problem(403, "requests from other pages are refused", code="foreign_origin")
        elsewhere = headers.get("sec-fetch-site", "none") in ("cross-site", "same-site")
        if elsewhere and not (scope["method"] == "GET" and headers.get("sec-fetch-mode") == "navigate"):
            raise Problem(403, "requests from other pages are refused", code="foreign_origin")

    def _check_token(self, scope: Scope, headers: Headers) -> RedirectResponse | None:
        token, path = self.settings.token, scope["path"]
        if token is None or path in OPEN_PATHS or (path.startswith("/v1/files/") and scope["method"] == "GET"):
            return None  # addresses of files carry their own proof (links.py)
        given = _bearer(headers) or ""
        if hmac.compare_digest(given.encode(), token.encode()):
            return None
        if hmac.compare_digest(_cookie(headers).encode(), cookie_value(token).encode()):
            return None
        asked = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if path in PAGES and scope["method"] == "GET":
            if hmac.compare_digest(asked.encode(), token.encode()):
                return with_cookie(RedirectResponse(path, 303), token)
            self._count_try(bool(asked))
            return RedirectResponse(_login_for(path), 303)
        self._count_try(bool(given))
        raise Problem(401, "this server needs its token: send Authorization: Bearer TOKEN")

    def login(self, given: str, after: str = "") -> RedirectResponse:
        """The answer to a token from the login page.

        Args:
            given: the token.
            after: name of the page to go on to; any but ours is the first one.

        Raises:
            Problem: too many wrong ones.
        """
        token = self.settings.token
        page = f"/{after}" if f"/{after}" in PAGES else "/"
        if token is None or hmac.compare_digest(given.encode(), token.encode()):
            return RedirectResponse(page, 303) if token is None else with_cookie(RedirectResponse(page, 303), token)
        self._count_try(True)
        return RedirectResponse(_login_for(page, "wrong"), 303)

    def _count_try(self, tried: bool) -> None:
        """Refuse to compare tokens for a while after too many wrong ones."""
        now = time.monotonic()
        self._tries = [t for t in self._tries if now - t < 60]
        if tried:
            self._tries.append(now)
        if len(self._tries) > MOST_TRIES:
            raise Problem(429, "too many wrong tokens; try again in a minute", retry=60)


def _login_for(page: str, *said: str) -> str:
    """The address of the login page, which leads on to a page of ours."""
    query = "&".join((*said, *([f"next={page[1:]}"] if page != "/" else [])))
    return f"/login?{query}" if query else "/login"


def with_cookie(response: RedirectResponse, token: str) -> RedirectResponse:
    """Remember in the browser that the token was shown; not the token itself."""
    response.set_cookie(COOKIE, cookie_value(token), httponly=True, samesite="strict", max_age=30 * 24 * 3600)
    return response


def cookie_value(token: str) -> str:
    """What the browser keeps."""
    return hashlib.sha256(f"fromnoise studio cookie {token}".encode()).hexdigest()


def _bearer(headers: Headers) -> str | None:
    kind, _, value = headers.get("authorization", "").partition(" ")
    return value.strip() if kind.lower() == "bearer" else None


def _cookie(headers: Headers) -> str:
    for part in headers.get("cookie", "").split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return ""


def _plain_host(host: str) -> bool:
    return bool(host) and not set(host) & set("/\\@?# \t,") and host.isascii()


def _most_bytes(scope: Scope, settings: Settings) -> int:
    kind = Headers(scope=scope).get("content-type", "")
    return settings.limits.upload if kind.lower().startswith("multipart/form-data") else settings.limits.body


def _check_length(headers: Headers, most: int) -> None:
    length = headers.get("content-length", "0")
    if not length.isdigit():
        raise Problem(400, "Content-Length must be a number")
    if int(length) > most:
        raise _too_large(most)


def _too_large(most: int) -> Problem:
    return Problem(413, f"the request is larger than {most / 2**20:g} MiB")


class Gone(OSError):
    """The client does not read its answer."""


class _Patient:
    """A request's two directions, with an end to the patience in both."""

    def __init__(self, receive: Receive, send: Send, settings: Settings, most: int) -> None:
        self._receive, self._send, self._limits = receive, send, settings.limits
        self._most = self._allowed = most
        self._deadline = time.monotonic() + settings.limits.body_seconds
        self._complete, self.begun = False, False
        self.problem: Problem | None = None  # what is wrong with the body; frameworks make something else of it

    async def receive(self) -> Message:
        """The next part of the body."""
        if self._complete:
            return await self._receive()  # waits for the client to go
        try:
            message = await asyncio.wait_for(self._receive(), max(0.0, self._deadline - time.monotonic()))
        except TimeoutError:
            self.problem = Problem(408, "the request took too long to arrive")
            raise self.problem from None
        if message["type"] == "http.request":
            self._most -= len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._most < 0:
                self.problem = _too_large(self._allowed)
                raise self.problem
        return message

    async def send(self, message: Message) -> None:
        """The next part of the answer."""
        if self.problem is not None:
            return  # what the application makes of a body that did not arrive is not the answer
        if message["type"] == "http.response.start":
            self.begun = True
            headers = MutableHeaders(scope=message)
            for name, value in SAFE_HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        try:
            await asyncio.wait_for(self._send(message), self._limits.send_seconds)
        except TimeoutError:
            raise Gone from None
