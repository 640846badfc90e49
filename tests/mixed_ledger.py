"""What a campaign of mixed requests remembers: answers, pictures that were said to be finished, and what was wrong."""

from __future__ import annotations

import hashlib
import io
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

SEEDS = (100, 101, 102, 103)
SHADES = tuple((i * 37 % 256, i * 91 % 256, i * 53 % 256) for i in range(64))


@dataclass(frozen=True)
class Drawing:
    """A request that is made again and again.

    Attributes:
        prompt: tells it from the others.
        how: "words", "edit" (the API's, with a mask) or "restyle" (a job that starts from an upload).
        settings: as both APIs call them.
    """

    prompt: str
    how: str = "words"
    settings: Mapping[str, Any] = field(default_factory=dict)


CATALOGUE = (
    Drawing("a red apple"),
    Drawing("a boat", settings={"steps": 3}),
    Drawing("two cats", settings={"steps": 7, "guidance": 1.0}),
    Drawing("a green tree", settings={"steps": 5, "sampler": "ddim"}),
    Drawing("a yellow sun", settings={"steps": 6, "sampler": "euler", "guidance": 5.0}),
    Drawing("a blue house", settings={"steps": 12, "sampler": "unipc"}),
    Drawing("a mushroom", "edit", {"steps": 5}),
    Drawing("a car", "restyle", {"steps": 6, "strength": 0.6}),
)


def photo() -> bytes:
    """The picture that edits and restyles begin with, PNG."""
    picture = Image.new("RGB", (40, 40))
    picture.putdata([SHADES[(x // 5 + y // 3) % 64] for y in range(40) for x in range(40)])
    return _png(picture)


def mask() -> bytes:
    """White where the photo may change, PNG."""
    picture = Image.new("L", (40, 40))
    picture.paste(255, (0, 0, 24, 40))
    return _png(picture)


def _png(picture: Image.Image) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


def pixels_of(data: bytes) -> str:
    """A name for the pixels of a picture's file, whatever else the file says."""
    with Image.open(io.BytesIO(data)) as picture:
        shown = picture.convert("RGB")
    return hashlib.sha256(f"{shown.size}".encode() + shown.tobytes()).hexdigest()


def _apart(first: bytes, second: bytes) -> str:
    """How far two pictures' files are apart: a rounding looks otherwise than another picture."""
    with Image.open(io.BytesIO(first)) as one, Image.open(io.BytesIO(second)) as other:
        if one.size != other.size:
            return f": {other.size} for {one.size}"
        far = np.abs(np.asarray(one.convert("RGB"), int) - np.asarray(other.convert("RGB"), int))
    return f": {np.count_nonzero(far)} of {far.size} values, by up to {far.max()} of 255"


@dataclass(frozen=True)
class Said:
    """A picture that the server said was finished; ``file`` is a name for its file's bytes, once they were read."""

    prompt: str
    seed: int
    file: str | None = None


@dataclass
class Ledger:
    """Shared by all clients of a campaign.

    Attributes:
        references: the pixels of (prompt, seed) drawn alone.
        answers: how often an action got an answer.
        finished: pictures of the gallery by id.
        jobs: ids of jobs that the server took on.
        wrong: pictures that are not those drawn alone.
        lost: finished pictures, and jobs, that are gone.
        strange: answers that nobody may get, tracebacks, and whatever else must not be.
        ending: the server is being ended, so that answers may be cut off.
    """

    references: dict[tuple[str, int], str] = field(default_factory=dict)
    answers: Counter[tuple[str, str]] = field(default_factory=Counter)
    finished: dict[str, Said] = field(default_factory=dict)
    jobs: set[str] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    compared: int = 0
    ending: threading.Event = field(default_factory=threading.Event)
    _pictures: dict[tuple[str, int], bytes] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def requests(self) -> int:
        """How many were made."""
        return sum(self.answers.values())

    def note(self, action: str, answer: object, allowed: bool, said: str = "") -> None:
        """An answer came, or none."""
        with self._lock:
            self.answers[action, str(answer)] += 1
            if not allowed:
                self.strange.append(f"{action}: {answer} {said[:300]}".strip())

    def compare(self, action: str, prompt: str, seed: int, data: bytes) -> None:
        """A picture came: is it the one that was drawn alone?"""
        found = pixels_of(data)
        with self._lock:
            self.compared += 1
            known = self.references.setdefault((prompt, seed), found)
            first = self._pictures.setdefault((prompt, seed), data)
            if known != found:
                self.wrong.append(f"{action}: '{prompt}' with seed {seed}{_apart(first, data)}")

    def say(self, picture: str, said: Said) -> None:
        """The server said that a picture is finished."""
        with self._lock:
            self.finished[picture] = said

    def take_on(self, job: str) -> None:
        """The server said that it has a job."""
        with self._lock:
            self.jobs.add(job)

    @property
    def fine(self) -> bool:
        """Whether nothing was lost, wrong or strange."""
        return not (self.lost or self.wrong or self.strange)
