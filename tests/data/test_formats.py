"""Data sets as other programs keep them: the same pictures and captions, whatever they are packed in."""

from __future__ import annotations

import csv
import io
import json
import logging
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from fromnoise.data.pack import pack
from fromnoise.data.packed import PackedPicture
from fromnoise.data.pictures import load_folder
from fromnoise.data.places import entries_of
from fromnoise.data.record import MOST_SAID
from fromnoise.data.shards import ShardPicture
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import MARKED

TEXTS = ("a red square", "a blue circle, linocut style", "ein grüner Stern")
SAID = ("a red square", "a blue circle", "ein grüner Stern")  # without the style


def png(colour: int, size: int = 12) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (size, 8), (colour * 40 % 256, 100, colour)).save(out, "PNG")
    return out.getvalue()


def plain(place: Path) -> Path:
    place.mkdir()
    rows = []
    for i, text in enumerate(TEXTS):
        (place / f"{i}.png").write_bytes(png(i))
        rows.append({"file_name": f"{i}.png", "text": text})
    (place / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return place


def as_csv(place: Path) -> Path:
    plain(place)
    (place / "metadata.jsonl").unlink()
    with (place / "metadata.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows([("file_name", "text"), *((f"{i}.png", text) for i, text in enumerate(TEXTS))])
    return place


def add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    tar.addfile(info, io.BytesIO(data))


def as_tars(place: Path) -> Path:
    (place / "shards").mkdir(parents=True)
    for shard, numbers in enumerate(((0, 1), (2,))):
        with tarfile.open(place / "shards" / f"{shard:05d}.tar", "w") as tar:
            for i in numbers:
                add(tar, f"x/{i}.png", png(i))
                if i == 1:
                    add(tar, f"x/{i}.json", json.dumps({"caption": TEXTS[i], "width": 12}).encode())
                else:
                    add(tar, f"x/{i}.txt", TEXTS[i].encode())
    return place


def as_saved(place: Path) -> Path:
    datasets = pytest.importorskip("datasets")
    rows = {"picture": [{"bytes": png(i), "path": None} for i in range(3)], "prompt": list(TEXTS)}
    features = datasets.Features({"picture": datasets.Image(), "prompt": datasets.Value("string")})
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(place)
    return place


def as_parquet(place: Path) -> Path:
    import pyarrow
    from pyarrow import parquet

    (place / "data").mkdir(parents=True)
    rows = [{"image": {"bytes": png(i), "path": f"{i}.png"}, "caption": [text]} for i, text in enumerate(TEXTS)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), place / "data" / "train-00000-of-00001.parquet")
    return place


@pytest.mark.parametrize("make", [as_csv, as_tars, as_saved, as_parquet], ids=lambda make: make.__name__)
def test_every_form_gives_the_same_pictures_and_captions(make: Callable[[Path], Path], tmp_path: Path) -> None:
    ours, theirs = load_folder(plain(tmp_path / "plain"), 16), load_folder(make(tmp_path / "theirs"), 16)
    assert [(r.text, r.style) for r in theirs.records] == [(r.text, r.style) for r in ours.records]
    assert theirs.images.equal(ours.images)
    assert (theirs.quarantine, theirs.notes) == ([], [])
    assert pack(tmp_path / "theirs", tmp_path / "packed.parquet") == (3, [])
    assert load_folder(tmp_path / "packed.parquet", 16).images.equal(ours.images)


def test_a_table_as_hugging_face_datasets_reads_it(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    place = as_csv(tmp_path / "csv")
    read = datasets.load_dataset("imagefolder", data_dir=str(place), split="train", cache_dir=str(tmp_path / "cache"))
    assert sorted(read["text"]) == sorted(TEXTS)


@pytest.mark.parametrize("between", [",", ";", "\t"])
def test_tables_with_lists_damage_and_other_encodings(between: str, tmp_path: Path) -> None:
    for i in range(4):
        (tmp_path / f"{i}.png").write_bytes(png(i))
    rows = [["file_name", "text", "keywords"], ["0.png", f"one{between} two", "cat, pet"], ["1.png", "", ""]]
    out = io.StringIO()
    csv.writer(out, delimiter=between).writerows([*rows, ["2.png", "caf\xe9", ""], ["3.png", "line\nbreak", ""]])
    (tmp_path / "metadata.csv").write_bytes(out.getvalue().encode("latin-1"))
    found = load_folder(tmp_path, 8)
    assert [(r.text, r.keywords) for r in found.records] == [
        (f"one{between} two", ("cat", "pet")),
        ("line\nbreak", ()),
    ]
    reasons = dict(found.quarantine)
    assert reasons["metadata.csv line 3"] == "it has no text"
    assert "UTF-8" in reasons["metadata.csv line 4"]
    assert reasons["2.png"] == "no line of metadata.csv names it"


def test_a_table_of_another_name_is_offered(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("file_name,text\n")
    with pytest.raises(UserError, match=r"labels\.csv is not read, call it metadata\.csv"):
        entries_of(tmp_path)


# --- WebDataset --------------------------------------------------------------------------------------------------


def test_a_shard_uses_or_names_all_that_is_in_it(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "val-0.tar", "w") as tar:
        add(tar, "good.jpg", png(1))  # a PNG by its contents
        add(tar, "good.txt", b"\xef\xbb\xbfgood")
        add(tar, "two.png", png(2))
        add(tar, "two.webp", png(2))
        add(tar, "two.txt", b"two")
        add(tar, "alone.txt", b"alone")
        add(tar, "mute.png", png(3))
        add(tar, "latin.png", png(4))
        add(tar, "latin.txt", b"caf\xe9")
        add(tar, "broken.json", b"{")
        add(tar, "broken.png", png(5))
        add(tar, "good.cls", b"7")
        add(tar, "long.png", png(6))
        add(tar, "long.txt", b"x" * (MOST_SAID + 1))
    found = load_folder(tmp_path / "val-0.tar", 8)
    assert [(r.file_name, r.text, r.split) for r in found.records] == [("val-0.tar/good.jpg", "good", "test_pair")]
    reasons = {name.removeprefix("val-0.tar/"): why for name, why in found.quarantine}
    assert set(reasons) == {"two.png", "alone", "mute.png", "latin.png", "broken.png", "long.png"}
    assert reasons["long.png"] == "its txt file is too long: it has 1,048,577 bytes, and the most is 1,048,576"
    assert reasons["latin.png"] == "its txt file is no text in UTF-8"
    assert "second picture" in reasons["two.png"]
    assert "no picture of that name" in reasons["alone"]
    assert "no caption" in reasons["mute.png"]


def test_a_picture_in_a_shard_is_one_whatever_its_suffix(tmp_path: Path) -> None:
    """As in a folder: used with a caption, left out without one, noted where its name has a picture already."""
    members = {
        "0.bin": png(0), "0.txt": b"first", "1.txt": b"second", "1.cls": b"7", "1.bin": png(1), "2": png(2),
        "2.txt": b"no suffix", "3.dat": png(3), "3.png": png(4), "3.txt": b"has a picture", "4.bin": png(5),
        "5.one": png(6), "5.txt": b"has two", "5.two": png(7), "6.cls": b"7", "README.md": b"P1 is no picture here",
        "7.mp4": bytes(999), "7.txt": b"a film", "8.bin": png(8)[:20], "8.txt": b"a head alone",
    }  # fmt: skip
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, data in members.items():
            add(tar, name, data)
    found = entries_of(tmp_path / "a.tar")
    used = {e.record.file_name.removeprefix("a.tar/"): (e.record.text, e.read()) for e in found.entries}
    texts = {"0.bin": "first", "1.bin": "second", "2": "no suffix", "3.png": "has a picture", "5.one": "has two"}
    assert used == {name: (text, members[name]) for name, text in texts.items()}
    why = "not read, for another picture has its name"
    assert found.noted == [("a.tar/3.dat", why), ("a.tar/5.two", why)]
    assert found.left_out == [
        ("a.tar/4.bin", "no caption: there is no .txt of that name, and no .json with a text or caption"),
        ("a.tar/7", "there is a caption, but no picture of that name"),
        ("a.tar/8", "there is a caption, but no picture of that name"),
    ]


def test_of_a_large_member_that_is_no_picture_only_the_head_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name, data in (("0.mp4", bytes(100_000)), ("0.txt", b"a film"), ("1.png", png(1)), ("1.txt", b"one")):
            add(tar, name, data)
    asked: list[int] = []
    real = ShardPicture.read_bytes

    def read_bytes(self: ShardPicture) -> bytes:
        asked.append(self.size)
        return real(self)

    monkeypatch.setattr(ShardPicture, "read_bytes", read_bytes)
    entries_of(tmp_path / "a.tar")
    assert asked == [MARKED]


def test_hidden_pictures_with_captions_in_a_shard_are_noted(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        add(tar, "./good.png", png(1))
        add(tar, "./good.txt", b"good")
        for i, name in enumerate((".h", ".x/h", "sub/.i", "._good", "sub/._i")):
            add(tar, f"{name}.png", png(i + 2))
            add(tar, f"{name}.txt", b"hidden")
        add(tar, ".mute.png", png(9))
        add(tar, ".alone.txt", b"hidden")
    found = entries_of(tmp_path / "a.tar")
    assert [e.record.text for e in found.entries] == ["good"]
    why = "not read, for its name begins with a dot"
    assert found.noted == [(f"a.tar/{name}.png", why) for name in (".h", ".x/h", "sub/.i")]
    assert found.left_out == []


def test_a_shard_that_is_cut_off_keeps_what_is_whole(tmp_path: Path) -> None:
    place = as_tars(tmp_path / "t")
    shard = place / "shards" / "00000.tar"
    data = shard.read_bytes()
    with tarfile.open(shard) as tar:
        last = tar.getmembers()[-1]
    shard.write_bytes(data[: last.offset_data + 1])
    found = load_folder(place, 8)
    assert [r.text for r in found.records] == [TEXTS[0], TEXTS[2]]
    assert any(name == "shards/00000.tar" and "tar file" in why for name, why in found.quarantine)
    shard.write_bytes(b"no tar file at all" * 100)
    found = load_folder(place, 8)
    assert [name for name, _ in found.quarantine] == ["shards/00000.tar"]


def test_a_pack_beside_pictures_is_no_reason_to_forget_them(tmp_path: Path) -> None:
    place = plain(tmp_path / "plain")
    pack(place, place / "mine.parquet")
    with tarfile.open(place / "s.TAR", "w") as tar:
        add(tar, "x.png", png(7))
        add(tar, "x.txt", b"packed")
    found = entries_of(place)
    assert [entry.source for entry in found.entries] == [place / f"{i}.png" for i in range(3)]
    why = "not read, for the folder has pictures of its own; give it as --data by itself"
    assert found.noted == [("mine.parquet", why), ("s.TAR", why)]
    said = "not read: mine.parquet and 1 more, for the folder has pictures of its own; give it as --data by itself"
    assert load_folder(place, 8).notes == [said]  # a training says it, too


def test_packs_of_both_kinds_are_read_together_at_any_depth(tmp_path: Path) -> None:
    as_parquet(tmp_path / "both")
    as_tars(tmp_path / "both" / "one" / "two" / "val")
    found = entries_of(tmp_path / "both")
    assert [(e.record.text, e.record.split) for e in found.entries] == [
        *((text, "train") for text in SAID),
        *((text, "test_pair") for text in SAID),
    ]
    assert (found.left_out, found.noted) == ([], [])


def test_a_captioned_file_without_a_suffix_beside_a_tar_is_used(tmp_path: Path) -> None:
    place = as_tars(tmp_path / "t")
    (place / "tom").write_bytes(png(5))
    (place / "tom.txt").write_text("a cat")
    (place / "shards" / "00000.txt").write_text("words beside a tar file make no picture of it")
    found = entries_of(place)
    assert [entry.record.text for entry in found.entries] == ["a cat"]
    assert [name for name, _ in found.noted] == ["shards/00000.tar", "shards/00001.tar"]
    assert found.left_out == []


def test_pictures_without_captions_beside_packs_are_named_and_the_packs_read(tmp_path: Path) -> None:
    """As a data set lies in a clone of the hub: data/*.parquet, a preview, a hidden folder with pictures."""
    place = as_parquet(tmp_path / "hub")
    (place / ".thumbnails").mkdir()
    (place / ".thumbnails" / "0.png").write_bytes(png(3))
    assert tuple(e.record.text for e in entries_of(place).entries) == SAID
    (place / "preview.png").write_bytes(png(4))
    found = entries_of(place)
    assert tuple(e.record.text for e in found.entries) == SAID
    assert found.left_out == [("preview.png", "no caption: preview.txt is missing")]


def test_a_hidden_picture_with_a_caption_is_named(tmp_path: Path) -> None:
    place = plain(tmp_path / "plain")
    for name in (".h", "._0", ".alone"):
        (place / f"{name}.txt").write_text("hidden")
    for name in (".h", "._0", ".mute"):
        (place / f"{name}.png").write_bytes(png(6))
    found = entries_of(place)
    assert len(found.entries) == 3
    assert found.noted == [(".h.png", "not read, for its name begins with a dot")]


def test_a_pack_that_cannot_be_read_costs_no_other(tmp_path: Path) -> None:
    """As img2dataset leaves them: tar files with pictures, and a parquet file beside each that has none."""
    import pyarrow
    from pyarrow import parquet

    place = as_tars(tmp_path / "t")
    parquet.write_table(pyarrow.table({"url": ["http://x"], "caption": ["x"]}), place / "shards" / "00000.parquet")
    found = entries_of(place)
    assert len(found.entries) == 3
    [(name, why)] = found.left_out
    assert name == "shards/00000.parquet"
    assert why.startswith("it has no column 'image' with pictures")


# --- parquet -----------------------------------------------------------------------------------------------------


def test_rows_are_read_in_any_order_and_from_any_group(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    rows = [{"image": {"bytes": png(i), "path": ""}, "text": str(i)} for i in range(300)]
    file = tmp_path / "many.parquet"
    parquet.write_table(pyarrow.Table.from_pylist(rows), file, row_group_size=130)
    for row in (0, 5, 4, 299, 129, 130, 260, 0, 64, 63, 64):
        assert PackedPicture(file, "image", row).read_bytes() == png(row)
    entries = entries_of(file).entries
    assert [e.record.text for e in entries] == [str(i) for i in range(300)]
    assert all(e.read() == png(i) for i, e in enumerate(entries))


def test_a_row_without_a_picture_is_named(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    rows: list[dict[str, Any]] = [
        {"image": png(1), "text": "x"},
        {"image": None, "text": "y"},
        {"image": b"z", "text": "z"},
    ]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "x.parquet")
    found = load_folder(tmp_path / "x.parquet", 8)
    assert len(found.records) == 1
    assert dict(found.quarantine) == {
        "x.parquet row 2": "the row has no picture",
        "x.parquet row 3": "it is not a picture of a known kind",
    }


def test_a_table_without_pictures_says_so(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"image": ["a.png"], "text": ["x"]}), tmp_path / "x.parquet")
    with pytest.raises(UserError, match="no column 'image' with pictures"):
        entries_of(tmp_path / "x.parquet")


# --- datasets ----------------------------------------------------------------------------------------------------


def test_splits_and_classes_of_a_saved_set(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "big_dog"])})
    parts = {
        split: datasets.Dataset.from_dict({"image": [{"bytes": png(i), "path": None}], "label": [i]}, features=features)
        for i, split in enumerate(("train", "validation"))
    }
    datasets.DatasetDict(parts).save_to_disk(tmp_path / "saved")
    found = load_folder(tmp_path / "saved", 8)
    assert [(r.text, r.split) for r in found.records] == [("cat", "train"), ("big dog", "test_pair")]


def test_a_set_on_the_hub_is_read_by_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    asked: list[tuple[str, ...]] = []
    saved = datasets.load_from_disk(as_saved(tmp_path / "saved"))

    def load(*names: str) -> Any:
        asked.append(names)
        return datasets.DatasetDict({"train": saved})

    monkeypatch.setattr(datasets, "load_dataset", load)
    assert [r.text for r in load_folder("hf:some/one", 8).records] == ["a red square", "a blue circle", TEXTS[2]]
    entries_of("hf:some/one/large")
    assert asked == [("some/one",), ("some/one", "large")]


def test_a_hub_that_cannot_be_reached_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match=r"some/offline.*connection, or give a folder") as caught:
        entries_of("hf:some/offline")
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="write hf:owner/name"):
        entries_of("hf:only")
    with pytest.raises(UserError, match="for one on the hub give hf:some/offline"):
        entries_of("some/offline")


def test_what_the_hubs_library_says_of_each_try_is_not_passed_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    datasets = pytest.importorskip("datasets")
    log = logging.getLogger("huggingface_hub.utils._http")
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "propagate", True)
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "level", logging.WARNING)
    log.manager._clear_cache()  # type: ignore[attr-defined]  # of what each level lets through

    def load(*names: str, **options: Any) -> Any:
        log.warning("Retrying in 1s [Retry 1/5].")
        log.error("what matters")
        raise ConnectionError("no way to the hub")

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(UserError, match=r"some/silent.*no way to the hub"):
        entries_of("hf:some/silent")
    assert caplog.messages == ["what matters"]


def test_a_pack_lies_in_groups_that_can_be_read_one_by_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyarrow import parquet

    monkeypatch.setattr("fromnoise.data.pack.ROWS", 2)
    pack(plain(tmp_path / "plain"), tmp_path / "mine.parquet")
    facts = parquet.ParquetFile(tmp_path / "mine.parquet").metadata
    assert [facts.row_group(i).num_rows for i in range(facts.num_row_groups)] == [2, 1]
    assert [r.text for r in load_folder(tmp_path / "mine.parquet", 8).records] == [
        "a red square",
        "a blue circle",
        TEXTS[2],
    ]
