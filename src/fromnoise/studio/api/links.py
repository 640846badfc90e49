"""Addresses of pictures in API answers: they work without the token, for a while, for that picture only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time


class Links:
    """Makes and checks addresses. Their time is counted by a clock that nobody sets, so it says no time of day.

    Args:
        seconds: how long one works.
    """

    def __init__(self, seconds: float) -> None:
        self._key, self._seconds = secrets.token_bytes(32), seconds

    def path(self, file: str, quality: int) -> str:
        """The path and query of a picture's address: ``file`` is its id with the ending of its kind."""
        until = int(time.monotonic() + self._seconds)
        return f"/v1/files/{file}?quality={quality}&until={until}&proof={self._proof(file, quality, until)}"

    def holds(self, file: str, quality: int, until: int, proof: str) -> bool:
        """Whether an address is one of ours and has not run out."""
        right = hmac.compare_digest(proof.encode(), self._proof(file, quality, until).encode())
        return right and time.monotonic() < until

    def _proof(self, file: str, quality: int, until: int) -> str:
        return hmac.new(self._key, f"{file} {quality} {until}".encode(), hashlib.sha256).hexdigest()
