"""One client of a campaign of mixed requests: asks, notes what comes, and what breaks off."""

from __future__ import annotations

import contextlib
import json
import random
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx

from mixed_ledger import Ledger

BUSY = (429, 503)  # the queue is full, or the server is stopping


class Cut(Exception):
    """An answer was cut off while the server was being ended."""


@dataclass
class Session:
    """One client.

    Attributes:
        patient: nothing is cancelled, as when pictures are drawn alone.
    """

    url: str
    ledger: Ledger
    draw: random.Random
    patient: bool = False
    left_open: list[socket.socket] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, timeout=120)

    @contextlib.contextmanager
    def asking(self, action: str) -> Iterator[None]:
        """Whatever breaks off inside is noted; it may, while the server ends.

        Raises:
            Cut: it did.
        """
        try:
            yield
        except (httpx.TransportError, httpx.StreamError, OSError) as error:
            ending = self.ledger.ending.is_set()
            self.ledger.note(action, "cut off" if ending else type(error).__name__, ending, str(error))
            raise Cut from None

    def ask(
        self, action: str, method: str, path: str, allowed: tuple[int, ...] = (200,), **more: Any
    ) -> httpx.Response:
        """Ask, and note the answer."""
        with self.asking(action):
            answer = self.http.request(method, path, **more)
        self.noted(action, answer, allowed)
        return answer

    def noted(self, action: str, answer: httpx.Response, allowed: tuple[int, ...]) -> None:
        """Note an answer, which is one of the allowed, or says that the server is busy and when to come back."""
        status = answer.status_code
        fine = status in allowed or (status in BUSY and "retry-after" in answer.headers)
        said = ""
        if not fine:
            with contextlib.suppress(httpx.TransportError, httpx.StreamError):
                answer.read()
                said = answer.text
        self.ledger.note(action, status, fine, said)

    def connect(self, sent: bytes) -> socket.socket:
        """A connection on which something was sent."""
        host, _, port = self.url.removeprefix("http://").rpartition(":")
        found = socket.create_connection((host, int(port)), timeout=20)
        found.sendall(sent)
        return found

    def close(self) -> None:
        """Leave."""
        for each in self.left_open:
            each.close()
        self.http.close()


def events_of(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """The data of server-sent events."""
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line[6:])
