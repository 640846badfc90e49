"""Addresses of pictures in API answers: they work without the token, for a while, for that picture only."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time


class Links:
    """Makes and checks addresses.

    Args:
        seconds: how long one works.
    """

    def __init__(self, seconds: float) -> None:
        self._key, self._seconds = secrets.token_bytes(32), seconds

    def path(self, picture: str) -> str:
        """The path and query of a picture's address."""
        until = int(time.time() + self._seconds)
        return f"/v1/files/{picture}?until={until}&proof={self._proof(picture, until)}"

    def holds(self, picture: str, until: int, proof: str) -> bool:
        """Whether an address is one of ours and has not run out."""
        right = hmac.compare_digest(proof.encode(), self._proof(picture, until).encode())
        return right and time.time() < until

    def _proof(self, picture: str, until: int) -> str:
        return hmac.new(self._key, f"{picture} {until}".encode(), hashlib.sha256).hexdigest()
