"""safetensors files that are larger than memory: written piece by piece, and read in place.

The library writes only what it holds as a whole. The format is eight bytes with the length of a header in JSON, the
header, and the numbers (https://github.com/huggingface/safetensors#format); only float32 is written here.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.json_file import parsed, shown
from fromnoise.ground.mapped import mapped

ALIGNED = 64  # bytes: where the numbers begin, as tensors in memory do
# Of a header of others. Stable Diffusion XL has 2,515 tensors in 0.3 MiB, a LoRA some 5,000 and a MiB of notes.
MOST_HEADER, MOST_TENSORS, LONGEST_NAME = 16 * 2**20, 50_000, 400


class TensorFile:
    """A file of float32 tensors whose shapes are known and whose numbers come later.

    Args:
        file: to write.
        shapes: of the tensors, by their names, in the order in which they lie in the file.
        notes: texts that are kept beside them.
    """

    def __init__(self, file: Path, shapes: Mapping[str, tuple[int, ...]], notes: Mapping[str, str]) -> None:
        header: dict[str, Any] = {"__metadata__": dict(notes)}
        self._shapes, self._starts, end = dict(shapes), dict[str, int](), 0
        for name, shape in shapes.items():
            self._starts[name], size = end, 4 * math.prod(shape)
            header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [end, end + size]}
            end += size
        text = json.dumps(header).encode()
        text += b" " * (-(len(text) + 8) % ALIGNED)
        self._file, self._first = file, len(text) + 8
        self._opened = file.open("wb")
        self._opened.write(struct.pack("<Q", len(text)) + text)
        self._opened.truncate(self._first + end)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

    def write(self, name: str, pieces: Iterable[Tensor]) -> None:
        """Write a tensor from its beginning on, in pieces along its first axis.

        Raises:
            OSError: the disk is full.
            ValueError: the pieces are not as many numbers as the tensor has.
        """
        self._opened.seek(self._first + self._starts[name])
        wanted = 4 * math.prod(self._shapes[name])
        for piece in pieces:
            wanted -= self._opened.write(piece.detach().float().cpu().contiguous().numpy().data.cast("B"))
        self._opened.flush()
        if wanted:
            raise ValueError(f"{name} is {abs(wanted)} bytes too {'short' if wanted > 0 else 'long'}")

    def __getitem__(self, name: str) -> Tensor:
        """What was written so far, in place."""
        return mapped(self._file, self._shapes[name], torch.float32, self._first + self._starts[name])


def size_said(file: Path) -> int:
    """How many bytes a safetensors file of others should have, by its header, which is read within bounds.

    Raises:
        UserError: it has no such header, or one beyond the bounds.
        OSError: it cannot be read.
    """
    with file.open("rb") as opened:
        begin = opened.read(8)
        length = int.from_bytes(begin, "little")
        if len(begin) < 8 or length > MOST_HEADER:
            raise UserError(f"{file} is damaged: its header has {length:,} bytes; the most is {MOST_HEADER:,}")
        text = opened.read(length)
    header = parsed(text, f"{file}: its header")
    if not isinstance(header, dict):
        raise UserError(f"{file} is damaged: its header should be a JSON object, not {shown(header)}")
    names = [name for name in header if name != "__metadata__"]
    if len(names) > MOST_TENSORS:
        raise UserError(f"{file} holds {len(names):,} tensors; the most is {MOST_TENSORS:,}")
    if names and len(longest := max(names, key=len)) > LONGEST_NAME:
        name = f"{one_line(longest[:40])}…"
        raise UserError(
            f"{file}: the name of tensor '{name}' has {len(longest):,} characters; the most is {LONGEST_NAME}"
        )
    return 8 + length + max((_end(file, name, header[name]) for name in names), default=0)


def _end(file: Path, name: str, fact: Any) -> int:
    places = fact.get("data_offsets") if isinstance(fact, dict) else None
    if not isinstance(places, list) or not places or type(places[-1]) is not int or not 0 <= places[-1] < 1 << 62:
        raise UserError(f"{file}: data_offsets of tensor '{one_line(name)}' should be two places, not {shown(places)}")
    return int(places[-1])


def mapped_tensors(file: Path) -> dict[str, Tensor]:
    """The float32 tensors of a safetensors file, in place.

    Raises:
        OSError, ValueError: it cannot be read, or is none.
    """
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        header = json.loads(opened.read(length))
    facts = {name: fact for name, fact in header.items() if name != "__metadata__" and fact["dtype"] == "F32"}
    return {
        name: mapped(file, tuple(fact["shape"]), torch.float32, 8 + length + fact["data_offsets"][0])
        for name, fact in facts.items()
    }
