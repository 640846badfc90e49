"""``copies.safetensors`` beside a model: which of its parts there are, read bounded; what they mean is said where they
are used (:mod:`fromnoise.evaluation.copies` looks by a judge's features and pixels, drawing by pixels alone)."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

from fromnoise.ground.errors import UserError

FORMAT = "2"
BACKDROP = "3"  # the same with the number of pictures that are only a backdrop
MOST_ABOUT = 64 * 2**20  # bytes of text, unpacked
AGAIN = "make it again with: fromnoise inspect index MODEL --data FOLDER"


@dataclass(frozen=True)
class Kind:
    """One of the files beside a model that know its training pictures.

    Attributes:
        key: of its version, in the file's head.
        formats: versions that are read.
        what: it is, for messages.
        again: how it is made again.
    """

    key: str
    formats: tuple[str, ...]
    what: str
    again: str


INDEX = Kind("copies", (FORMAT, BACKDROP), "index of copies", AGAIN)
MAP = Kind("map", ("1",), "map of CLIP space", "make it again with: fromnoise inspect make-map MODEL --data FOLDER")
LEARNING = Kind("learning", ("1",), "film of a training", "make it again with: fromnoise inspect make-film RUN")


def pictures_of(styles: Sequence[str], card: dict[str, Any]) -> str:
    """12 hex digits that name what a model was trained on: styles, sources, number and choice of its pictures.

    Not its weights: a model that was converted to another format, or trained for longer, keeps its index.
    """
    recipe = card.get("recipe")
    chosen = recipe.get("data") if isinstance(recipe, dict) else None
    facts = [sorted(styles), card.get("pictures"), card.get("sources"), chosen]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:12]


@contextmanager
def reading(file: str, kind: Kind = INDEX) -> Iterator[None]:
    """Whatever goes wrong inside is said of the file.

    Raises:
        UserError: it is damaged.
    """
    try:
        yield
    except (SafetensorError, ValueError, LookupError, TypeError, AttributeError, RecursionError, zlib.error) as error:
        raise UserError(f"{file} is damaged ({error}); {kind.again}") from None


def parts_of(data: bytes, file: str, kind: Kind = INDEX) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of an index, or of another kind of file, and what it says about its pictures, not yet checked; within
    :func:`reading`.

    Raises:
        UserError: it is of another version.
    """
    tensors = load(data)
    length = int.from_bytes(data[:8], "little")
    version = json.loads(data[8 : 8 + length]).get("__metadata__", {}).get(kind.key)
    if version not in kind.formats:
        said = f"no {kind.what}" if version is None else f"in format {version}"
        read = f"format{'s' if len(kind.formats) > 1 else ''} {' and '.join(kind.formats)}"
        raise UserError(f"{file} is {said}; this version reads {read}: update fromnoise, or {kind.again}")
    return tensors, json.loads(unpacked(tensors["about"], MOST_ABOUT).decode("utf-8"))


def check_whose(about: str, trained_on: str, file: str, kind: Kind = INDEX) -> None:
    """Refuse an index, or another kind of file, of other pictures.

    Args:
        about, trained_on: what :func:`pictures_of` said when the index was made, and what it says of the model.
        file: its name.

    Raises:
        UserError: they differ.
    """
    if about != trained_on:
        raise UserError(f"{file} belongs to a model that was trained on other pictures; {kind.again}")


def require(holds: bool, problem: str) -> None:
    """Raise ``ValueError`` with the problem, unless it holds."""
    if not holds:
        raise ValueError(problem)


def unpacked(packed: Tensor, most: int) -> bytes:
    """What was compressed, if it is no more than ``most`` bytes.

    Raises:
        ValueError: it is more, or cut off.
    """
    reader = zlib.decompressobj()
    data = reader.decompress(packed.numpy().tobytes(), most)
    require(reader.eof or not reader.decompress(reader.unconsumed_tail, 1), "it unpacks to too much")
    require(reader.eof, "a compressed part is cut off")
    return data
