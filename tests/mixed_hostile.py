"""What clients do that are broken, slow, greedy or up to no good."""

from __future__ import annotations

import socket
import time
from typing import Any

from mixed_session import Session

GATHERED = 12  # connections that one client leaves half open at a time


def ask_nonsense(s: Session) -> None:
    """Requests that are refused, in words."""
    method, path, more = s.draw.choice(NONSENSE)
    s.ask("nonsense", method, path, (400, 404, 405, 410, 413, 415), **more)


NONSENSE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", "/v1/images/generations", {"content": b'{"prompt": "x", ', "headers": {"content-type": "text/json"}}),
    ("POST", "/v1/images/generations", {"json": {"prompt": "x", "guidence": 3}}),
    ("POST", "/v1/images/generations", {"json": {"prompt": "x", "n": 10**9}}),
    ("POST", "/v1/images/generations", {"json": {"prompt": "x" * 2 * 10**6}}),
    ("POST", "/v1/images/generations", {"json": {"prompt": "x", "size": "99999x1"}}),
    ("POST", "/api/jobs", {"json": {"prompt": "x", "start": "0" * 32}}),
    ("POST", "/api/jobs", {"json": []}),
    ("POST", "/api/uploads", {"files": {"file": ("x.png", b"\x89PNG\r\n\x1a\n" + bytes(99), "image/png")}}),
    ("POST", "/api/uploads", {"files": {"other": ("x.png", b"GIF89a", "image/gif")}}),
    ("GET", "/api/pictures?before=yesterday", {}),
    ("GET", "/api/jobs/" + "0" * 32, {}),
    ("PUT", "/api/pictures", {}),
    ("GET", "/../../etc/passwd", {}),
)


def send_malformed(s: Session) -> None:
    """A form that is none, on a connection of its own: an answer 4xx, or the connection is closed."""
    body = s.draw.choice(FORMS)
    length = s.draw.choice((len(body), len(body), max(0, len(body) - 7), len(body) + 5))
    path = s.draw.choice(("/api/uploads", "/v1/images/edits", "/api/settings"))
    kind = s.draw.choice(("multipart/form-data; boundary=cut", "multipart/form-data", "multipart/form-data; boundary="))
    head = f"POST {path} HTTP/1.1\r\nHost: {s.http.base_url.netloc.decode()}\r\nContent-Type: {kind}\r\n"
    with s.asking("malformed form"):
        wire = s.connect(f"{head}Content-Length: {length}\r\n\r\n".encode() + body)
        with wire:
            if length > len(body):  # it waits for more: no answer is due for a minute
                s.ledger.note("malformed form", "left", True)
                return
            status = wire.recv(12)[9:12].decode("latin-1") or "closed"
    s.ledger.note(
        "malformed form", status, status == "closed" or status[0] == "4" or status in ("503",), str(body[:80])
    )


PART = b'--cut\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n'
FORMS = (
    b"",
    b"--cut--\r\n",
    b"not a form at all",
    b"\x00\xff" * 500,
    PART,
    PART + b"\r\n" + b"x" * 3000,
    PART + b"\r\n\x89PNG\r\n\r\n--cut--\r\n",
    PART.replace(b"name=", b"nombre=") + b"\r\nx\r\n--cut--\r\n",
    PART + b"Content-Transfer-Encoding: base64\r\nContent-Type: " + b"a" * 5000 + b"\r\n\r\nx\r\n--cut--\r\n",
    (PART + b"\r\nx\r\n") * 300 + b"--cut--\r\n",
    b'--cut\r\nContent-Disposition: form-data; name="\xff\xfe"\r\n\r\nx\r\n--cut--\r\n',
)


def read_slowly(s: Session) -> None:
    """Ask for much and read a byte now and then."""
    path = s.draw.choice(("/api/events?all_steps=true", "/api/pictures?limit=200", "/", "/openapi.json"))
    with s.asking("slow reader"):
        wire = s.connect(f"GET {path} HTTP/1.1\r\nHost: {s.http.base_url.netloc.decode()}\r\n\r\n".encode())
        with wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            first = wire.recv(12)[9:12].decode("latin-1") or "closed"
            for _ in range(20):
                time.sleep(0.1)
                if not wire.recv(1):
                    break
    s.ledger.note("slow reader", first, first in ("200", "503") or s.ledger.ending.is_set())


def leave_half_open(s: Session) -> None:
    """Begin a request and say no more."""
    host = s.http.base_url.netloc.decode()
    begun = s.draw.choice(("", "GET", f"POST /api/jobs HTTP/1.1\r\nHost: {host}\r\nContent-Length: 50\r\n\r\n{{"))
    with s.asking("half open"):
        s.left_open.append(s.connect(begun.encode()))
    s.ledger.note("half open", "left", True)
    if len(s.left_open) > GATHERED:
        s.left_open.pop(0).close()


def flood(s: Session) -> None:
    """Fill the queue until it is refused, and take all of it back."""
    taken = []
    for _ in range(40):
        body = {"prompt": "a flood", "count": 8, "steps": 20, "seed": 0, "show": "none"}
        answer = s.ask("flood", "POST", "/api/jobs", (201,), json=body)
        if answer.status_code != 201:
            break
        taken.append(answer.json()["id"])
        s.ledger.take_on(taken[-1])
    for job in taken:
        s.ask("take back", "DELETE", f"/api/jobs/{job}")
