"""What is seen of a folder before a training: how many pictures there are that can be learnt from."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from fromnoise.cli.train import load_recipe
from fromnoise.ground.errors import UserError
from fromnoise.training.situation import Situation, situation_of


def picture(number: int, side: int = 40) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (side, side), (200, 40 * number, 40)).save(out, "PNG")
    return out.getvalue()


def bomb() -> bytes:
    """A grey PNG of 8,300 x 8,300 pixels in a few KiB, which is more than is read."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 8_300, 8_300, 1, 0, 0, 0, 0)
    data = zlib.compress(bytes(8_300 * (1 + 8_304 // 8)), 9)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def captioned(place: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (place / name).write_bytes(data)
        (place / name).with_suffix(".txt").write_text(f"thing {name}")
    return place


def test_only_pictures_that_can_be_read_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = {f"{i}.png": picture(i) for i in range(5)}
    bad = {"cut.png": picture(5, 200)[:150], "empty.png": b"", "bomb.png": bomb()}
    place = captioned(tmp_path, good | bad)
    (place / "again.png").write_bytes(good["0.png"])
    (place / "again.txt").write_text("thing 0.png")
    unpacked, load = [], ImageFile.ImageFile.load
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda file: (unpacked.append(file.size), load(file))[1])
    found = situation_of(str(place))
    assert sorted(set(unpacked)) == [(40, 40), (200, 200)]  # nothing of the bomb
    assert (found.pictures, found.side) == (5, 40)


def test_what_would_start_another_program_is_not_opened(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("RGB", (30, 30)).save(out, "EPS")
    place = captioned(tmp_path, {"0.png": picture(0), "1.png": out.getvalue()})
    assert situation_of(str(place)).pictures == 1


def test_of_many_files_the_number_is_worked_out_from_some(tmp_path: Path) -> None:
    files = {f"{i:03}.png": b"" if i % 4 == 0 else picture(0) for i in range(130)}  # every second one is looked at
    assert situation_of(str(captioned(tmp_path, files))).pictures == 130 - round(130 * 33 / 65)


@pytest.mark.parametrize("name", ["lora", "finetune", "scratch"])
def test_nothing_to_train_on_is_said_in_one_line(name: str, tmp_path: Path) -> None:
    place = captioned(tmp_path, {"0.png": b"", "1.png": b"no picture"})
    with pytest.raises(UserError, match="has no usable training pictures: none of the 2 can be read"):
        load_recipe(name, lambda: situation_of(str(place)))
    lines = [f'{{"file_name": "{i}.png", "text": "x {i}", "split": "test"}}' for i in range(2)]
    (place / "metadata.jsonl").write_text("\n".join(lines))
    with pytest.raises(UserError, match=r"by their split \('test'\) all are held out"):
        load_recipe(name, lambda: situation_of(str(place)))


def test_a_lora_of_drawings_is_refused_in_one_line() -> None:
    with pytest.raises(UserError, match="drawings are none yet: make some with 'fromnoise data world"):
        load_recipe("lora", lambda: Situation(0, 0))
