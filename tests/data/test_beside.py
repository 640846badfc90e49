"""Nothing captioned is ever neither used nor listed: names of captions, second pictures, archives, hidden folders."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fromnoise.data import hidden
from fromnoise.data.below import some_below
from fromnoise.data.check.verdict import verdict
from fromnoise.data.folders import read_folder
from fromnoise.data.places import entries_of
from fromnoise.data.record import MOST_SAID, Found, record_of
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


# --- too long ----------------------------------------------------------------------------------------------------


def test_a_caption_may_be_as_long_as_the_limit_and_no_more_of_a_longer_one_is_read(tmp_path: Path) -> None:
    lay(tmp_path, "most.png", "more.png", "huge.png")
    for name, length in (("most", MOST_SAID), ("more", MOST_SAID + 1), ("huge", 30 * MOST_SAID)):
        (tmp_path / f"{name}.txt").write_bytes(b"x" * length)
    tracemalloc.start()
    found = read_folder(tmp_path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(e.record.file_name, len(e.record.text)) for e in found.entries] == [("most.png", MOST_SAID)]
    assert found.left_out == [
        ("huge.png", "its caption huge.txt is too long: it has 31,457,280 bytes, and the most is 1,048,576"),
        ("more.png", "its caption more.txt is too long: it has 1,048,577 bytes, and the most is 1,048,576"),
    ]
    assert peak < 12 * MOST_SAID
    assert verdict(1, found.left_out) == "1 of 3 pictures can be learnt from. 2 have a caption that is too long."


@pytest.mark.parametrize("name", ["metadata.jsonl", "metadata.csv"])
def test_a_row_that_is_too_long_costs_that_row_only(name: str, tmp_path: Path) -> None:
    lay(tmp_path, "a.png", "b.png", "c.png", "d.png")
    long = {"a.png": "a", "b.png": "b" * (MOST_SAID + 1), "c.png": "c" * 200_000, "d.png": "d"}
    with (tmp_path / name).open("w", newline="") as file:
        if name.endswith(".csv"):
            csv.writer(file).writerows([("file_name", "text"), *long.items()])
        else:
            file.write("".join(json.dumps({"file_name": file, "text": text}) + "\n" for file, text in long.items()))
    found = read_folder(tmp_path)
    assert said(found) == {file: text for file, text in long.items() if file != "b.png"}
    (row, why), unlisted = found.left_out
    assert row == f"{name} line {3 if name.endswith('.csv') else 2}"
    assert why.startswith(("the row is too long: ", "the line is too long: it has 1,048,"))
    assert unlisted == ("b.png", f"no line of {name} names it")


def test_a_row_of_many_cells_is_as_long_as_all_of_them(tmp_path: Path) -> None:
    lay(tmp_path, "a.png", "b.png")
    with (tmp_path / "metadata.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("file_name", "text", "alt"), ("a.png", "x" * 600_000, "y" * 600_000), ("b.png", "b", "")]
        )
    found = read_folder(tmp_path)
    assert said(found) == {"b.png": "b"}
    why = "the row is too long: it has 1,200,005 bytes, and the most is 1,048,576"
    assert found.left_out[0] == ("metadata.csv line 2", why)


@pytest.mark.parametrize("field", ["text", "keywords"])
def test_every_form_has_the_same_limit(field: str) -> None:
    facts: dict[str, Any] = {"file_name": "a.png", "text": "a", "keywords": []}
    words = "x" * (MOST_SAID // 2)
    most, more = ([words, words], [words, words, "x"]) if field == "keywords" else (2 * words, 2 * words + "x")
    record_of({**facts, field: most})
    with pytest.raises(ValueError, match=f"its {field} is too long: it has 1,048,577 bytes"):
        record_of({**facts, field: more})


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

    def scandir(place: Any) -> Any:
        listed.append(str(place))
        return real(place)

    monkeypatch.setattr(os, "scandir", scandir)
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
