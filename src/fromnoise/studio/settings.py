"""What the studio is started with, and the limits it keeps."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from pathlib import Path

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.provenance.stamp import PLAIN, Stamp

LEAST_TOKEN = 12  # characters
MIB = 2**20


@dataclass(frozen=True)
class Limits(Config):
    """What one client may ask for, and for how long it may keep others waiting.

    Attributes:
        waiting: pictures in the queue; a request that does not fit is told to come back.
        count: pictures of one request.
        api_count: the same in the OpenAI API, where 10 is the custom.
        least: shortest side of a picture, which must hold a watermark where this server hides one.
        pixels: of one drawn picture, as a multiple of what the model was trained on.
        enlarged: longest side of an enlarged picture (:mod:`fromnoise.studio.api.sizes`).
        body: bytes of a request without pictures.
        upload: bytes of a request with pictures.
        upload_pixels: of a picture that is sent, read from its header before it is unpacked.
        connections: at once.
        head_seconds: for the first line and headers of a request.
        body_seconds: for the whole body.
        send_seconds: that a client may leave the answer unread.
        unpack_seconds: for unpacking a picture.
        drain_seconds: for the pictures under way when the server is asked to stop.
        undo_seconds: for which a deleted picture can be had back.
        link_seconds: for which a picture's address in an API answer works.
    """

    waiting: int = 256
    count: int = 64
    api_count: int = 16
    least: int = 1
    pixels: float = 4.0
    enlarged: int = 2048
    body: int = 1 * MIB
    upload: int = 48 * MIB
    upload_pixels: int = 40_000_000
    connections: int = 200
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    send_seconds: float = 30.0
    unpack_seconds: float = 15.0
    drain_seconds: float = 30.0
    undo_seconds: float = 3600.0
    link_seconds: float = 3600.0


@dataclass(frozen=True)
class Settings:
    """How the studio is started.

    Attributes:
        gallery: folder of pictures and the list of them.
        host, port: where it listens; port 0 takes a free one.
        token: what clients have to show; without one only this machine is served.
        limits: see :class:`Limits`.
        answer_to: other names that the API takes for the model, as ``gpt-image-1``.
        run: folder of a training to watch.
        stamp: what is put on every picture that is kept or handed out.

    Raises:
        UserError: another address than this machine's without a token, a token that can be guessed, or a name that
            cannot be one.
    """

    gallery: Path
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    limits: Limits = field(default_factory=Limits)
    answer_to: tuple[str, ...] = ()
    run: Path | None = None
    stamp: Stamp = PLAIN

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise UserError(f"--port must be 0…65535, not {self.port}")
        if self.token is not None and len(self.token) < LEAST_TOKEN:
            raise UserError(f"--token needs at least {LEAST_TOKEN} characters, so that nobody guesses it")
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and " " not in self.token):
            raise UserError("--token may have letters, digits and signs of ASCII only, and no spaces")
        if self.token is None and not is_loopback(self.host):
            raise UserError(
                f"anyone in the network could use the studio at {self.host}; give --token SECRET, or leave out --host"
            )

        for name in self.answer_to:
            if not is_model_name(name):
                raise UserError(f"--answer-to takes a model's name without spaces, as gpt-image-1, not '{name:.80}'")

    @property
    def local(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)


def is_model_name(name: str) -> bool:
    """Whether clients can send a name in a request and in an address."""
    fine = name.isascii() and name.isprintable() and not set(name) & set(" '\"?#%\\")
    return fine and 0 < len(name) <= 200 and "" not in name.split("/")


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine itself."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
