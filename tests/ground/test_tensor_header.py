"""Headers of weights that lie or are beyond all bounds are refused at once, without reading what they speak of."""

from __future__ import annotations

import json
import struct
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from fromnoise.ground.errors import UserError
from fromnoise.ground.tensor_file import MOST_HEADER, size_said

EMPTY = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}


def written(file: Path, header: Any, said: int | None = None) -> Path:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    file.write_bytes(struct.pack("<Q", len(text) if said is None else said) + text)
    return file


def test_the_size_that_a_file_says_is_the_one_it_has(tmp_path: Path) -> None:
    file = tmp_path / "a.safetensors"
    save_file({"a": torch.ones(3, 5), "b": torch.ones(7).half()}, file, metadata={"note": "x"})
    assert size_said(file) == file.stat().st_size


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ({f"x.{i}": EMPTY for i in range(50_001)}, "holds 50,001 tensors; the most is 50,000"),
        ({"a" * 401: EMPTY}, "has 401 characters; the most is 400"),
        ({"a": {**EMPTY, "data_offsets": [0, 10**30]}}, "data_offsets of tensor 'a' should be two places"),
        ({"a": 7}, "data_offsets of tensor 'a' should be two places, not None"),
        (b"[1]", "should be a JSON object, not a list of 1"),
        (b"[" * 100_000, "nested more than 32 deep"),
        (b"", "cannot be read as JSON"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_headers_beyond_the_bounds(tmp_path: Path, header: Any, why: str) -> None:
    begin = time.process_time()
    with pytest.raises(UserError, match=why):
        size_said(written(tmp_path / "a.safetensors", header))
    assert time.process_time() - begin < 2


def test_four_gibibytes_of_header_are_not_read(tmp_path: Path) -> None:
    file = written(tmp_path / "a.safetensors", b"{", 2**32)
    with file.open("r+b") as opened:
        opened.truncate(2**32 + 16)  # a hole, which takes no room
    with pytest.raises(UserError, match=f"its header has 4,294,967,296 bytes; the most is {MOST_HEADER:,}"):
        size_said(file)
