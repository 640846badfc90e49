"""Sets that are larger than memory: the same pictures as in memory, whatever happened on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from fromnoise.data import kept_pictures as kept
from fromnoise.data import pictures as sets
from fromnoise.data.decoding import decoded
from fromnoise.data.pictures import load_folder
from fromnoise.data.reading import Canvas
from fromnoise.data.record import Entry
from fromnoise.ground.errors import UserError
from fromnoise.ground.mapped import release


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """120 pictures, some of them broken, twice there, or films."""
    place = tmp_path / "data"
    place.mkdir()
    for i in range(120):
        image = Image.new("RGB", (8, 8 + i % 3), (i, 2 * i, 255 - i))
        name = place / f"{i:03}.gif"
        more = {"save_all": True, "append_images": [Image.new("RGB", image.size)]} if i % 10 == 7 else {}
        image.save(name, **more)  # type: ignore[arg-type]
        name.with_suffix(".txt").write_text(f"thing {i}")
        if i % 10 == 3:
            name.write_bytes(b"junk")
        if i % 20 == 9:
            name.write_bytes((place / f"{i - 1:03}.gif").read_bytes())
            name.with_suffix(".txt").write_text(f"thing {i - 1}")
    return place


@pytest.fixture
def in_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """No set is small, and lines of the journal are short."""
    monkeypatch.setattr(sets, "IN_MEMORY", 0)
    monkeypatch.setattr(kept, "LINE", 16)


def unpacked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many entries each call of the decoder is given, from now on."""
    asked: list[int] = []

    def counted(entries: Sequence[Entry], canvas: Canvas) -> Any:
        asked.append(len(entries))
        return decoded(entries, canvas)

    monkeypatch.setattr(kept, "decoded", counted)
    return asked


def same(first: sets.PictureSet, second: sets.PictureSet) -> None:
    assert first.images.equal(second.images)
    assert first.records == second.records
    assert first.quarantine == second.quarantine
    assert first.notes == second.notes


def test_a_large_set_is_what_a_small_one_is(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = load_folder(folder, 16)
    assert (len(small.records), len(small.quarantine), len(small.notes)) == (102, 18, 12)
    monkeypatch.setattr(sets, "IN_MEMORY", 0)
    monkeypatch.setattr(kept, "LINE", 16)
    asked = unpacked(monkeypatch)
    for _ in range(2):
        large = load_folder(folder, 16, keep=tmp_path / "kept")
        same(small, large)
    assert asked == [120]  # once
    release(large.images)
    assert large.images.equal(small.images)
    same(small, load_folder(folder, 16))  # without a folder to keep them in
    assert asked == [120, 120]


def test_many_processes_give_the_same(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = load_folder(folder, 16)
    monkeypatch.setattr("fromnoise.data.decoding.FEW", 0)
    monkeypatch.setattr("fromnoise.data.begun.available_cores", lambda: 3)
    same(small, load_folder(folder, 16))
    monkeypatch.setattr(sets, "IN_MEMORY", 0)
    same(small, load_folder(folder, 16, keep=tmp_path / "kept"))


@pytest.mark.usefixtures("in_files")
@pytest.mark.parametrize("lines", [0, 1, 3, 7])
@pytest.mark.parametrize("torn", ["journal", "pictures", "both"])
def test_an_interrupted_unpacking_goes_on(
    lines: int, torn: str, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = load_folder(folder, 16, keep=tmp_path / "whole")
    load_folder(folder, 16, keep=tmp_path / "cut")
    (journal,), (array,) = (tmp_path / "cut").glob("*.jsonl"), (tmp_path / "cut").glob("*.u8")
    said, bytes_of = journal.read_bytes().splitlines(keepends=True), array.read_bytes()
    journal.write_bytes(b"".join(said[:lines]) + (said[lines][:20] if torn != "pictures" else b""))
    if torn != "journal":  # the disk has less than the journal says, as after a power cut
        array.write_bytes(bytes_of[: 13 * lines * 3 * 16 * 16 + 5])
    asked = unpacked(monkeypatch)
    same(whole, load_folder(folder, 16, keep=tmp_path / "cut"))
    assert array.read_bytes() == bytes_of
    assert len(asked) == 1
    assert 120 - 16 * lines <= asked[0] <= 120 - (16 * (lines - 2) if lines > 2 else 0)


@pytest.mark.usefixtures("in_files")
def test_a_set_that_has_changed_is_unpacked_anew(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load_folder(folder, 16, keep=tmp_path / "kept")
    asked = unpacked(monkeypatch)
    Image.new("RGB", (8, 8), "red").save(folder / "000.gif")
    found = load_folder(folder, 16, keep=tmp_path / "kept")
    assert found.images[0, :, 8, 8].tolist() == [255, 0, 0]
    (folder / "001.txt").write_text("another thing")
    assert load_folder(folder, 16, keep=tmp_path / "kept").records[1].text == "another thing"
    load_folder(folder, 24, keep=tmp_path / "kept")
    assert asked == [120, 120, 120]
    assert len(list((tmp_path / "kept").glob("*.u8"))) == 1  # the older ones are gone
    load_folder(folder, 24, split="train", keep=tmp_path / "kept")
    assert len(list((tmp_path / "kept").glob("*.u8"))) == 2  # another part of the set


@pytest.mark.usefixtures("in_files")
def test_a_full_disk_is_one_line_before_anything_is_unpacked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(kept.shutil, "disk_usage", lambda place: usage)
    with pytest.raises(UserError, match=r"cannot unpack pictures into .*GiB are needed .*free some space"):
        load_folder(folder, 16, keep=tmp_path / "kept")


KILLED = """
import sys
from pathlib import Path
from fromnoise.data import kept_pictures as kept, pictures as sets
sets.IN_MEMORY, kept.LINE = 0, 64
sets.load_folder(sys.argv[1], 16, keep=Path(sys.argv[2]))
"""


def test_a_killed_process_leaves_what_the_next_one_goes_on_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, keep = tmp_path / "data", tmp_path / "kept"
    place.mkdir()
    noise = torch.randint(0, 256, (400, 32, 32, 3), dtype=torch.uint8).numpy()
    for i in range(400):
        Image.fromarray(noise[i]).save(place / f"{i}.png")
        (place / f"{i}.txt").write_text(str(i))
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(place), str(keep)], stderr=subprocess.DEVNULL)
    end = time.monotonic() + 60
    while time.monotonic() < end and not any(f.stat().st_size for f in keep.glob("*.jsonl")):
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    monkeypatch.setattr(kept, "LINE", 64)
    small, asked = load_folder(place, 16), unpacked(monkeypatch)
    monkeypatch.setattr(sets, "IN_MEMORY", 0)
    same(small, load_folder(place, 16, keep=keep))
    assert asked == [] or asked[0] <= 400 - 64
