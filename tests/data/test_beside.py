"""Nothing captioned is ever neither used nor listed: names of captions, second pictures, archives, hidden folders."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from fromnoise.data import hidden
from fromnoise.data.below import some_below
from fromnoise.data.folders import read_folder
from fromnoise.data.places import entries_of
from fromnoise.data.record import Found
from fromnoise.ground.errors import UserError

HIDDEN = "not read, for its name begins with a dot"


def png(colour: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (colour * 9 % 256, 100, 7)).save(out, "PNG")
    return out.getvalue()


def lay(place: Path, *names: str) -> Path:
    """Files of these names: captions that say their own names, and pictures, no two alike, whatever their suffix."""
    for i, name in enumerate(names):
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(f"says {name}".encode() if name.lower().endswith(".txt") else png(i))
    return place


def said(found: Found) -> dict[str, str]:
    return {entry.record.file_name: entry.record.text for entry in found.entries}


# --- captions by either name -------------------------------------------------------------------------------------


def test_a_caption_may_be_called_after_the_whole_name(tmp_path: Path) -> None:
    lay(tmp_path, "tom.jpg", "tom.jpg.txt", "kit.v2.png", "kit.v2.png.txt", "odd.1", "odd.1.TXT")
    (tmp_path / "tom.jpg.json").write_text("{}")  # what programs that fetch pictures keep beside them
    found = read_folder(tmp_path)
    assert said(found) == {
        "tom.jpg": "says tom.jpg.txt",
        "kit.v2.png": "says kit.v2.png.txt",
        "odd.1": "says odd.1.TXT",
    }
    assert (found.noted, found.left_out) == ([], [])


def test_of_two_captions_the_shorter_name_counts_and_the_other_is_noted(tmp_path: Path) -> None:
    lay(tmp_path, "tom.jpg", "tom.txt", "tom.jpg.txt", "rex.png", "rex.png.txt", "rex.bin.txt")
    (tmp_path / "tom.jpg.json").write_text("{}")
    found = read_folder(tmp_path)
    assert said(found) == {"tom.jpg": "says tom.txt", "rex.png": "says rex.png.txt"}
    assert found.noted == [
        ("tom.jpg.txt", "not read, for there is a tom.txt"),
        ("rex.bin.txt", "not read, for no picture stands beside it"),
    ]
    assert found.left_out == []


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take both names for one")
def test_captions_that_differ_in_capitals_are_two(tmp_path: Path) -> None:
    found = read_folder(lay(tmp_path, "tom.png", "tom.TXT", "tom.txt"))
    assert said(found) == {"tom.png": "says tom.TXT"}
    assert found.noted == [("tom.txt", "not read, for there is a tom.TXT")]


def test_two_pictures_may_share_a_caption_and_one_have_its_own(tmp_path: Path) -> None:
    found = read_folder(lay(tmp_path, "tom.jpg", "tom.png", "tom.png.txt"))
    assert said(found) == {"tom.png": "says tom.png.txt"}
    assert found.left_out == [("tom.jpg", "no caption: tom.txt is missing")]
    found = read_folder(lay(tmp_path, "tom.txt"))
    assert said(found) == {"tom.jpg": "says tom.txt", "tom.png": "says tom.txt"}
    assert found.noted == [("tom.png.txt", "not read, for there is a tom.txt")]


# --- second pictures, archives -----------------------------------------------------------------------------------


def test_a_second_picture_that_is_called_as_none_is_noted(tmp_path: Path) -> None:
    lay(tmp_path, "both.png", "both.dat", "both.txt", "listed/a.png", "listed/a.dat", "listed/a.txt")
    (tmp_path / "both.npz").write_bytes(b"PK\3\4" + bytes(99))
    (tmp_path / "both.py").write_bytes(b"Python: a text that begins as a kind of picture does")
    (tmp_path / "both").touch()
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "both.pipe")
    (tmp_path / "listed" / "metadata.jsonl").write_text(json.dumps({"file_name": "a.png", "text": "a"}))
    found = read_folder(tmp_path)
    assert said(found) == {"both.png": "says both.txt", "listed/a.png": "a"}
    why = "not read, for another picture has its caption; give it a picture's suffix to use it, too"
    assert (found.noted, found.left_out) == ([("both.dat", why)], [])


@pytest.mark.parametrize("name", ["c.zip", "c.tar.gz", "C.TGZ", "c.tar.bz2", "c.tar.zst", "c.7z"])
def test_what_is_to_be_unpacked_is_noted(name: str, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / name, "w") as packed:
        packed.writestr("a.png", png(1))
        packed.writestr("a.txt", "a")
    (tmp_path / "c.txt").write_text("words beside what is packed make no picture of it")
    why = "not read; unpack it, if it holds pictures of the set"
    with pytest.raises(UserError, match=f"{name}: not read; unpack it"):
        entries_of(tmp_path)
    with pytest.raises(UserError, match="unpack it and give the folder"):
        entries_of(tmp_path / name)
    found = entries_of(lay(tmp_path, "tom.png", "tom.txt"))
    assert (said(found), found.left_out) == ({"tom.png": "says tom.txt"}, [])
    assert (name, why) in found.noted


# --- hidden ------------------------------------------------------------------------------------------------------


def test_a_hidden_folder_is_named_with_the_number_of_its_captioned_pictures(tmp_path: Path) -> None:
    lay(tmp_path, "tom.png", "tom.txt", ".hid/h.png", ".hid/h.txt", ".hid/deep/.er/i.png", ".hid/deep/.er/i.png.txt")
    lay(tmp_path, ".hid/mute.png", ".hid/._h.png", ".hid/._h.txt", ".thumbnails/t.png", "sub/.trash/a.png")
    lay(tmp_path, "sub/.trash/b/b.png", ".git/a.png", ".git/a.txt", ".one/a.webp", ".one/a.txt", ".used/u.png")
    (tmp_path / "sub" / ".trash" / "metadata.jsonl").write_text("{}")
    (tmp_path / "sub" / "metadata.jsonl").write_text('{"file_name": ".trash/b/b.png", "text": "named all the same"}')
    found = read_folder(tmp_path)
    assert said(found) == {"tom.png": "says tom.txt", "sub/.trash/b/b.png": "named all the same"}
    assert found.noted == [
        (".hid", f"{HIDDEN}; it holds 2 captioned pictures"),
        (".one", f"{HIDDEN}; it holds 1 captioned picture"),
        ("sub/.trash", f"{HIDDEN}; it holds 1 captioned picture"),
    ]
    assert found.left_out == []


def test_nothing_but_hidden_pictures_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"\.hid: not read, for its name begins with a dot; it holds 1 captioned"):
        entries_of(lay(tmp_path, ".hid/h.png", ".hid/h.txt"))


def test_a_huge_hidden_folder_is_read_no_further_than_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hidden, "MOST", 30)
    lay(tmp_path, "tom.png", "tom.txt", ".large/a.png", ".large/a.txt")
    for i in range(40):
        lay(tmp_path, f".large/{i % 4}/{i}.txt", f".none/{i}/x")
    listed: list[str] = []
    real = os.scandir
    monkeypatch.setattr(os, "scandir", lambda place: (listed.append(str(place)), real(place))[1])
    assert read_folder(tmp_path).noted == [
        (".large", f"{HIDDEN}; it holds 1 captioned picture among its first 30 files"),
        (".none", f"{HIDDEN}; it holds no captioned picture among its first 30 files"),
    ]
    assert not [place for place in listed if ".none/" in place]  # its 40 folders are 30 names, and more


def test_links_in_hidden_folders_are_not_followed(tmp_path: Path) -> None:
    lay(tmp_path / "away", "a.png", "a.txt")
    data = lay(tmp_path / "data", "tom.png", "tom.txt", ".hid/x")
    (data / ".hid" / "link").symlink_to(tmp_path / "away", target_is_directory=True)
    (data / ".link").symlink_to(tmp_path / "away", target_is_directory=True)
    assert read_folder(data).noted == []
    files, more = some_below(data / ".hid", 9)
    assert (sorted(files), more) == ([data / ".hid" / "link", data / ".hid" / "x"], False)
    assert some_below(data / ".hid", 2)[1] is False
    assert some_below(data / ".hid", 1)[1] is True
