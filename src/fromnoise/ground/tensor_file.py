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

from fromnoise.ground.mapped import mapped

ALIGNED = 64  # bytes: where the numbers begin, as tensors in memory do


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
