"""Folders as people keep them: what looks like a picture is used, or named with the true reason why not."""

from __future__ import annotations

import codecs
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fromnoise.data.folders import read_folder
from fromnoise.data.pack import pack
from fromnoise.data.pictures import PictureSet, load_folder, told, why_none
from fromnoise.data.record import split_named
from fromnoise.ground.errors import UserError

COLOURS = ("red", "blue", "green", "pink")


def pictures(folder: Path, *names: str, captions: bool = False) -> Path:
    """Small pictures, no two alike; with captions that are their stems."""
    for i, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (i * 5 % 256, 100, i // 50)).save(file, "PNG")
        if captions:
            file.with_suffix(".txt").write_text(file.stem)
    return folder


def metadata(folder: Path, *rows: dict[str, Any], name: str = "metadata.jsonl") -> Path:
    (folder / name).write_text("\n".join(map(json.dumps, rows)))
    return folder


def row(name: str, **facts: Any) -> dict[str, Any]:
    return {"file_name": name, "text": f"a {Path(name).stem}", **facts}


def texts(folder: Path) -> list[str]:
    return [record.text for record in load_folder(folder, 8).records]


def reasons(folder: Path) -> dict[str, str]:
    return dict(load_folder(folder, 8).quarantine)


# --- text --------------------------------------------------------------------------------------------------------

SAVED: dict[str, Callable[[str], bytes]] = {
    "marked": lambda text: codecs.BOM_UTF8 + text.encode(),
    "UTF-16": lambda text: codecs.BOM_UTF16_LE + text.encode("utf-16-le"),
    "UTF-16 BE": lambda text: codecs.BOM_UTF16_BE + text.encode("utf-16-be"),
    "Windows": lambda text: text.replace("\n", "\r\n").encode(),
    "old Mac": lambda text: text.replace("\n", "\r").encode(),
}


@pytest.mark.parametrize("how", SAVED)
def test_captions_and_metadata_however_an_editor_saved_them(how: str, tmp_path: Path) -> None:
    pictures(tmp_path / "txt", "a.png")
    (tmp_path / "txt" / "a.txt").write_bytes(SAVED[how]("a red\näpfel"))
    assert texts(tmp_path / "txt") == ["a red äpfel"]
    pictures(tmp_path / "jsonl", "a.png", "b.png")
    lines = "\n".join(json.dumps(row(name), ensure_ascii=False) for name in ("a.png", "b.png"))
    (tmp_path / "jsonl" / "metadata.jsonl").write_bytes(SAVED[how](lines))
    found = load_folder(tmp_path / "jsonl", 8)
    assert ([r.text for r in found.records], found.quarantine) == (["a a", "a b"], [])


def test_files_joined_from_marked_ones_and_lines_inside_of_captions(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png")
    first, second = json.dumps(row("a.png")), json.dumps({**row("b.png"), "text": "x\u2028y"}, ensure_ascii=False)
    (tmp_path / "metadata.jsonl").write_bytes(f"\ufeff{first}\n\n\ufeff{second}\n".encode())
    assert texts(tmp_path) == ["a a", "x\u2028y"]


def test_one_line_in_another_encoding_costs_that_line_only(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png")
    good = json.dumps(row("a.png")).encode()
    (tmp_path / "metadata.jsonl").write_bytes(good + b'\n{"file_name": "b.png", "text": "caf\xe9"}\n')
    assert texts(tmp_path) == ["a a"]
    assert reasons(tmp_path)["metadata.jsonl line 2"] == "it is not UTF-8"
    (tmp_path / "metadata.jsonl").write_bytes(good + b"\n{1}\n" + b"[" * 100_000)
    assert reasons(tmp_path)["metadata.jsonl line 2"].startswith("not a line of JSON: Expecting property name")
    assert "at its character 2" in reasons(tmp_path)["metadata.jsonl line 2"]
    assert "not a line of JSON: maximum recursion" in reasons(tmp_path)["metadata.jsonl line 3"]


def test_a_caption_in_another_encoding_is_named(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png", captions=True)
    (tmp_path / "b.txt").write_bytes(b"caf\xe9")
    assert texts(tmp_path) == ["a"]
    assert reasons(tmp_path)["b.png"] == "its caption b.txt is no text in UTF-8"


@pytest.mark.parametrize("caption", [b"", b" \n", codecs.BOM_UTF8, codecs.BOM_UTF8 + b" \r\n"])
def test_empty_captions_are_named(caption: bytes, tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", "b.png", captions=True)
    (tmp_path / "b.txt").write_bytes(caption)
    assert texts(tmp_path) == ["a"]
    assert "caption is empty" in reasons(tmp_path)["b.png"]


# --- which files -------------------------------------------------------------------------------------------------


def test_every_kind_of_picture_is_used_or_named(tmp_path: Path) -> None:
    image = Image.new("RGB", (16, 16), "red")
    for i, name in enumerate(("a.avif", "b.jp2", "c.tga", "d.jfif", "e.PNG", "f.ppm", "g.bmp", "h.tiff")):
        image.putpixel((0, 0), (i * 30, 0, 0))
        image.save(tmp_path / name, "JPEG" if name == "d.jfif" else None)
        (tmp_path / name).with_suffix(".txt").write_text(name)
    image.save(tmp_path / "no_suffix", "PNG")
    odd = ("i.heic", "j.svg", "k.mp4")
    for name in odd:
        (tmp_path / name).write_bytes(b"\0\0\0\x18ftypheic" + bytes(60))
    for name in (*odd, "no_suffix"):
        (tmp_path / name).with_suffix(".txt").write_text(name)
    (tmp_path / "uncaptioned.heic").write_bytes(b"x")
    (tmp_path / "paper.pdf").write_bytes(b"%PDF")  # nothing says that it was meant
    found = load_folder(tmp_path, 8)
    used = {"a.avif", "b.jp2", "c.tga", "d.jfif", "e.PNG", "f.ppm", "g.bmp", "h.tiff", "no_suffix"}
    assert {r.file_name for r in found.records} == used
    assert {name for name, _ in found.quarantine} == {*odd, "uncaptioned.heic"}
    assert "save it as PNG or JPEG" in dict(found.quarantine)["i.heic"]
    assert "no caption" in dict(found.quarantine)["uncaptioned.heic"]


def test_what_other_programs_keep_beside_a_captioned_picture_is_no_picture(tmp_path: Path) -> None:
    pictures(tmp_path, "a.png", captions=True)
    for name in ("a.npz", "a.json", "notes.md"):
        (tmp_path / name).write_text("x")
    found = load_folder(tmp_path, 8)
    assert (len(found.records), found.quarantine) == (1, [])


def test_capital_suffixes_of_captions_and_of_the_list(tmp_path: Path) -> None:
    pictures(tmp_path / "txt", "A.PNG")
    (tmp_path / "txt" / "A.TXT").write_text("a capital")
    assert texts(tmp_path / "txt") == ["a capital"]
    metadata(pictures(tmp_path / "list", "a.png"), row("a.png"), name="METADATA.JSONL")
    assert texts(tmp_path / "list") == ["a a"]


def test_a_picture_that_no_line_names_is_named(tmp_path: Path) -> None:
    metadata(pictures(tmp_path, "a.png", "sub/b.png", "contact_sheet.png", ".hidden/c.png"), row("a.png"))
    assert reasons(tmp_path) == {"sub/b.png": "no line of metadata.jsonl names it"}


def test_a_list_speaks_for_its_own_folder(tmp_path: Path) -> None:
    metadata(pictures(tmp_path / "cats", "tom.png", "tim.png"), row("tom.png"))
    pictures(tmp_path, "dogs/rex.png", captions=True)
    found = load_folder(tmp_path, 8)
    assert [(r.file_name, r.text) for r in found.records] == [("cats/tom.png", "a tom"), ("dogs/rex.png", "rex")]
    assert [name for name, _ in found.quarantine] == ["cats/tim.png"]


def test_films_are_used_by_their_first_picture_and_named(tmp_path: Path) -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    red.save(tmp_path / "a.gif", save_all=True, append_images=[blue])
    (tmp_path / "a.txt").write_text("a film")
    found = load_folder(tmp_path, 8)
    assert found.images[0, :, 4, 4].tolist() == [255, 0, 0]
    assert told(found) == ["a.gif holds several pictures; the first is used"]


# --- links and paths ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", [True, False], ids=["metadata.jsonl", ".txt"])
def test_links_to_pictures_elsewhere_are_taken_as_a_hub_snapshot_has_them(listed: bool, tmp_path: Path) -> None:
    blobs = pictures(tmp_path / "blobs", "1", "2", "sub/3")
    data = tmp_path / "snapshot"
    data.mkdir()
    (data / "a.png").symlink_to(blobs / "1")
    (data / "b.png").symlink_to(os.path.relpath(blobs / "2", data))
    (data / "gone.png").symlink_to(blobs / "nothing")
    (data / "more").symlink_to(tmp_path / "linked", target_is_directory=True)
    pictures(tmp_path / "linked", "far.png")
    Image.new("RGB", (8, 8), "white").save(tmp_path / "linked" / "far.png")
    (tmp_path / "linked" / "back").symlink_to(data, target_is_directory=True)  # round and round
    names = ("a.png", "b.png", "gone.png", "more/far.png")
    if listed:
        metadata(data, *(row(name) for name in names))
    else:
        for name in names:
            (data / name).with_suffix(".txt").write_text(name)
    found = load_folder(data, 8)
    assert [r.file_name for r in found.records] == ["a.png", "b.png", "more/far.png"]
    assert [name for name, _ in found.quarantine] == ["gone.png"]


@pytest.mark.parametrize("name", ["../secret.png", "sub/../../secret.png", "/etc/hostname.png", "..\\secret.png"])
def test_names_that_lead_out_are_refused_for_that_reason(name: str, tmp_path: Path) -> None:
    pictures(tmp_path, "secret.png")
    data = metadata(pictures(tmp_path / "data", "a.png"), row("a.png"), row(name))
    assert texts(data) == ["a a"]
    assert "leads out of the folder" in reasons(data)["metadata.jsonl line 2"]


def test_names_as_windows_writes_them_and_roundabout_ones(tmp_path: Path) -> None:
    pictures(tmp_path, "sub/a.png", "sub/b.png", "sub/c.png")
    metadata(tmp_path, row("sub\\a.png"), row("sub/../sub/b.png"), row("./sub/c.png"))
    assert [(len(load_folder(tmp_path, 8).records)), reasons(tmp_path)] == [3, {}]


def test_a_name_too_long_for_the_system_is_one_reason(tmp_path: Path) -> None:
    metadata(pictures(tmp_path, "a.png"), row("a.png"), row("x" * 5000 + ".png"), row("nul\0.png"))
    assert texts(tmp_path) == ["a a"]
    assert len(load_folder(tmp_path, 8).quarantine) == 2


def test_two_lines_about_one_picture(tmp_path: Path) -> None:
    metadata(pictures(tmp_path, "a.png"), row("a.png"), row("a.png"), row("a.png", text="another caption"))
    found = load_folder(tmp_path, 8)
    assert [r.text for r in found.records] == ["a a", "another caption"]
    assert "same picture and caption" in found.quarantine[0][1]


# --- splits ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "ours"),
    [("train", "train"), ("Training", "train"), (" train ", "train"), ("", "train")]
    + [(name, "test_pair") for name in ("validation", "val", "VALID", "dev", "test", "testing", "eval", "test_pair")]
    + [("test_concept", "test_concept")],
)
def test_splits_by_the_names_that_others_give_them(name: str, ours: str) -> None:
    assert split_named(name) == ours


def test_a_foreign_split_is_held_out_and_told(tmp_path: Path) -> None:
    names = [f"{i}.png" for i in range(6)]
    rows = [row(n, split="val" if i > 3 else "train") for i, n in enumerate(names)]
    metadata(pictures(tmp_path, *names), *rows)
    trained, held = (load_folder(tmp_path, 8, split=split) for split in ("train", "test_pair"))
    assert (len(trained.records), len(held.records)) == (4, 2)
    assert told(trained, held) == ["the split 'val' (2 pictures) is held out: not trained on, but tested with"]


def test_a_split_that_nobody_knows_is_named(tmp_path: Path) -> None:
    metadata(pictures(tmp_path, "a.png", "b.png"), row("a.png", split=None), row("b.png", split="fold3"))
    found = load_folder(tmp_path, 8, split="train")
    assert [r.file_name for r in found.records] == ["a.png"]
    assert "split is 'fold3'" in dict(found.quarantine)["b.png"]


def test_why_there_is_nothing_to_train_on(tmp_path: Path) -> None:
    metadata(pictures(tmp_path, "a.png"), row("a.png", split="test", style="noto"))
    assert "split ('test')" in why_none(tmp_path, None, None)
    assert "styles: noto" in why_none(tmp_path, ["cubism"], None)
    metadata(tmp_path, row("a.png"))
    (tmp_path / "a.png").write_bytes(b"junk")
    assert "can be read" in why_none(tmp_path, None, None)


def test_a_packed_file_keeps_splits_and_names_what_it_cannot_use(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    metadata(pictures(tmp_path / "data", "a.png", "b.png"), row("a.png"), row("b.png", split="validation"))
    assert pack(tmp_path / "data", tmp_path / "mine.parquet") == (2, [])
    assert len(load_folder(tmp_path / "mine.parquet", 8, split="test_pair").records) == 1
    data = (tmp_path / "data" / "a.png").read_bytes()
    rows = [{"image": {"bytes": data, "path": f"{i}.png"}, "text": t, "split": s, "licensed": True}
            for i, (t, s) in enumerate((("x", "valid"), ("", "train"), ("y", "fold3")))]  # fmt: skip
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "theirs.parquet")
    found = load_folder(tmp_path / "theirs.parquet", 8)
    assert [(r.file_name, r.split) for r in found.records] == [("0.png", "test_pair")]
    assert [name for name, _ in found.quarantine] == ["1.png", "2.png"]


def test_one_picture_of_a_split_is_one(tmp_path: Path) -> None:
    metadata(pictures(tmp_path, "a.png", "b.png"), row("a.png"), row("b.png", split="dev"))
    assert told(load_folder(tmp_path, 8, split="train"))[0].startswith("the split 'dev' (1 picture) is held out")


def test_a_text_about_something_else_makes_no_picture_of_it(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("# Notes")
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(UserError, match=r"holds no picture with a caption: notes\.md: it is not a picture"):
        load_folder(tmp_path, 8)
    pictures(tmp_path, "a.png", captions=True)
    (tmp_path / "a.png").rename(tmp_path / "a")  # a picture all the same
    assert [entry.record.file_name for entry in read_folder(tmp_path).entries] == ["a"]
    assert reasons(tmp_path) == {"notes.md": "it is not a picture of a known kind"}


# --- what is said ------------------------------------------------------------------------------------------------


def test_all_that_is_left_out_is_told(tmp_path: Path) -> None:
    pictures(tmp_path, "good.png", captions=True)
    for i in range(25):
        (tmp_path / f"b{i:02}.png").write_bytes(b"junk%d" % i)
        (tmp_path / f"b{i:02}.txt").write_text("broken")
    lines = told(load_folder(tmp_path, 8), load_folder(tmp_path, 8))
    assert len(lines) == 11
    assert lines[0] == "left out b00.png: it is not a picture of a known kind"
    assert lines[-1] == "and 15 more are left out (15: it is not a picture of a known kind)"
    assert told(PictureSet(load_folder(tmp_path, 8).images, [], [("x", "y")] * 10)) == ["left out x: y"]


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"caption": "x"}, "it has no text; rename its caption to text"),
        ({"text": 7}, "its text is no text"),
        ({"text": None, "prompt": "x"}, "rename its prompt to text"),
        ({"text": "x", "file_name": None, "image": "0.png"}, "it has no file_name; rename its image to file_name"),
        ({"text": "x", "split": "fold3"}, "its split is 'fold3'"),
        ({"text": "x", "keywords": 7}, "keywords"),
        ({"text": "  "}, "the caption is empty"),
    ],
)
def test_when_every_line_fails_the_reason_is_said(facts: dict[str, Any], reason: str, tmp_path: Path) -> None:
    metadata(pictures(tmp_path, "0.png"), {"file_name": "0.png", **facts})
    with pytest.raises(UserError) as error:
        load_folder(tmp_path, 8)
    assert reason in str(error.value)
    assert "needs a metadata.jsonl" not in str(error.value)


def test_a_folder_with_another_kind_of_list(tmp_path: Path) -> None:
    (tmp_path / "metadata.tsv").write_text("file_name\ttext\na.png\tx\n")
    with pytest.raises(UserError, match=r"metadata\.tsv is not read, make it metadata\.jsonl"):
        load_folder(tmp_path, 8)
    pictures(tmp_path, "a.png")
    with pytest.raises(UserError, match=r"a\.txt is missing.*metadata\.tsv is not read"):
        load_folder(tmp_path, 8)
    (tmp_path / "metadata.jsonl").touch()
    with pytest.raises(UserError, match=r"no line of metadata\.jsonl names it"):
        load_folder(tmp_path, 8)


def test_a_picture_that_is_trained_on_counts_also_where_a_held_out_one_is_the_same(tmp_path: Path) -> None:
    data = pictures(tmp_path, "a.png", "b.png")
    for name in ("same.png", "again.png", "third.png"):
        shutil.copy(data / "a.png", data / name)
    rows = [row("same.png", text="a a", split="test"), row("a.png"), row("again.png", text="a a"), row("b.png"),
            row("third.png", text="a a", split="test")]  # fmt: skip
    metadata(data, *rows)
    everything = load_folder(data, 8)
    assert [(r.file_name, r.split == "train") for r in everything.records] == [
        ("same.png", False), ("a.png", True), ("b.png", True),
    ]  # fmt: skip
    assert everything.quarantine == [
        ("again.png", "same picture and caption as a.png"), ("third.png", "same picture and caption as same.png"),
    ]  # fmt: skip
    for split in ("train", everything.records[0].split):
        own = load_folder(data, 8, split=split)
        assert own.records == [r for r in everything.records if r.split == split]
