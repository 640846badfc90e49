"""Arrays in files: the numbers that were written, and no more of them in memory than is asked for."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from fromnoise.ground.mapped import mapped, parts, placed, release, rows
from fromnoise.ground.tensor_file import TensorFile, mapped_tensors


def resident() -> float:
    """MiB of files that this process holds."""
    found = re.search(r"RssFile:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


def test_rows_and_parts_are_those_of_the_file(tmp_path: Path) -> None:
    numbers = torch.randint(0, 256, (50, 3, 4), dtype=torch.uint8)
    (tmp_path / "x").write_bytes(b"head" + numbers.numpy().tobytes())
    found = mapped(tmp_path / "x", (50, 3, 4), torch.uint8, 4)
    chosen = torch.tensor([7, 0, 7, 49])
    assert rows(found, chosen).equal(numbers[chosen])
    assert torch.cat(list(parts(found, 7))).equal(numbers)
    assert placed(found, "cpu") is found
    found[0] = 0
    release(found)
    assert mapped(tmp_path / "x", (50, 3, 4), torch.uint8, 4).equal(numbers)  # the file is as it was
    assert mapped(tmp_path / "x", (0, 3), torch.uint8).shape == (0, 3)
    with pytest.raises(ValueError):
        mapped(tmp_path / "x", (51, 3, 4), torch.uint8, 4)


def test_what_is_in_memory_stays_there() -> None:
    numbers = torch.arange(12.0).reshape(4, 3)
    release(numbers)
    assert rows(numbers, torch.tensor([2])).tolist() == [[6, 7, 8]]
    assert numbers.equal(torch.arange(12.0).reshape(4, 3))


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux how much is there")
def test_a_large_array_is_let_go_while_it_is_read(tmp_path: Path) -> None:
    size = 64 * 2**20
    with (tmp_path / "x").open("wb") as file:
        file.truncate(size)
    found, before = mapped(tmp_path / "x", (64, 2**20), torch.uint8), resident()
    assert sum(int(part.sum()) for part in parts(found, 4)) == 0
    assert resident() - before < 8
    found.sum()
    assert resident() - before > 60
    rows(found, torch.tensor([3]))
    assert resident() - before < 8


def test_a_file_written_in_pieces_is_what_the_library_writes(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(10, 3, 2), "b": torch.randn(5), "empty": torch.randn(0, 4)}
    shapes = {name: tuple(x.shape) for name, x in tensors.items()}
    with TensorFile(tmp_path / "x.safetensors", shapes, {"stamp": 'a "note"'}) as made:
        made.write("b", [tensors["b"]])
        made.write("a", tensors["a"].split(3))
        assert made["a"].equal(tensors["a"])
        with pytest.raises(ValueError, match="too short"):
            made.write("a", [tensors["a"][:9]])
        made.write("a", tensors["a"].split(4))
    with safe_open(tmp_path / "x.safetensors", "pt") as stored:
        assert stored.metadata() == {"stamp": 'a "note"'}
    save_file(tensors, tmp_path / "theirs.safetensors")
    for file in ("x", "theirs"):
        for found in (load_file(tmp_path / f"{file}.safetensors"), mapped_tensors(tmp_path / f"{file}.safetensors")):
            assert set(found) == set(tensors)
            assert all(found[name].equal(x) for name, x in tensors.items())
