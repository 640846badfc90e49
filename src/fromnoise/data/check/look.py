"""One look at each picture file: whether it can be used, what it is, and what it looks like in a few bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from fromnoise.data.decoding import identity, reason
from fromnoise.data.record import Entry
from fromnoise.ground.pictures import Opened, on_white, read_picture

SAME_KIND = {"MPO": "JPEG"}  # what cameras call .jpg, too
STEP = 2  # of 255: what differs by less is equal, so that flat ground has no pattern


@dataclass(frozen=True)
class Look:
    """What one picture file is like.

    Attributes:
        wrong: why it cannot be used; "" where it can.
        identity: names the file and its words, as training does; b"" where there is nothing to read.
        file: names the file alone.
        notes: what is done to use it, a sentence each.
        kind: of file, by its contents: "PNG".
        size: width and height, upright.
        outline, shades: see :func:`outline_of` and :func:`shades_of`.
    """

    wrong: str = ""
    identity: bytes = b""
    file: bytes = b""
    notes: tuple[str, ...] = ()
    kind: str = ""
    size: tuple[int, int] = (0, 0)
    outline: bytes = b""
    shades: bytes = b""


def looks(entries: Sequence[Entry]) -> list[Look]:
    """A look at each of some entries."""
    return [look(entry) for entry in entries]


def look(entry: Entry) -> Look:
    """A look at one entry; whatever is wrong with it is told, not raised."""
    name, names = entry.record.file_name, b""
    try:
        data = entry.read()
        names = identity(data, entry.record)
        opened = read_picture(data)
    except (OSError, ValueError) as error:
        return Look(wrong=reason(error, name), identity=names)
    small = on_white(opened.image)
    return Look(
        identity=names,
        file=hashlib.sha256(data).digest(),
        notes=tuple(noticed(opened, name)),
        kind=opened.kind,
        size=opened.image.size,
        outline=outline_of(small),
        shades=shades_of(small),
    )


def noticed(opened: Opened, name: str) -> list[str]:
    """What somebody may want to know of a picture that is used, a sentence each."""
    suffix = Path(name).suffix.lower()
    kind = SAME_KIND.get(opened.kind, opened.kind)
    meant = Image.registered_extensions().get(suffix)
    notes = [f"it is a {kind} by its contents, whatever its name says"] if meant != kind and suffix else []
    notes += ["it holds several pictures; the first is used"] if opened.many else []
    return [*notes, *opened.changed]


def outline_of(picture: Image.Image) -> bytes:
    """16 bytes that stay the same when a picture is made smaller or saved anew: a difference hash.

    Of 9×9 grey values, 64 bits say where it gets lighter to the right and 64 where it gets lighter downwards
    (N. Krawetz, "Kind of like that", 2013, with both directions).
    """
    grey = np.asarray(picture.convert("L").resize((9, 9), Image.Resampling.BOX, reducing_gap=4.0), np.int16)
    right = grey[:8, 1:] - grey[:8, :-1] > STEP
    down = grey[1:, :8] - grey[:-1, :8] > STEP
    return np.packbits(np.concatenate([right.ravel(), down.ravel()])).tobytes()


def shades_of(picture: Image.Image) -> bytes:
    """192 bytes: the mean colours of 8×8 parts of a picture."""
    return picture.resize((8, 8), Image.Resampling.BOX, reducing_gap=4.0).tobytes()
