"""Folders of pictures: everything odd is put aside and named, and what is kept is exact."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fromnoise.data.aside import kept_aside
from fromnoise.data.decoding import decode
from fromnoise.data.kept_pictures import fingerprint
from fromnoise.data.pack import pack
from fromnoise.data.pictures import load_folder
from fromnoise.data.places import entries_of
from fromnoise.data.reading import FITS, Reading, square
from fromnoise.ground.errors import UserError


def picture(mode: str = "RGB", size: tuple[int, int] = (16, 16), colour: object = (200, 30, 40)) -> Image.Image:
    return Image.new(mode, size, colour)  # type: ignore[arg-type]


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def folder_of(root: Path, files: dict[str, bytes], captions: dict[str, str] | None = None) -> Path:
    for name, data in files.items():
        (root / name).write_bytes(data)
    lines = [{"file_name": n, "text": (captions or {}).get(n, f"picture {n}")} for n in files]
    (root / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return root


def test_odd_files_are_put_aside_with_a_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    good = encoded(picture())
    files = {
        "good.png": good,
        "empty.png": b"",
        "text.png": b"not a picture at all",
        "truncated.jpg": encoded(picture(size=(64, 64)), "JPEG")[:300],
        "cut.png": encoded(picture(size=(64, 64)))[:60],
        "blank caption.png": encoded(picture(colour=(1, 2, 3))),
        "wrong suffix.jpg": encoded(picture(colour=(9, 9, 9))),
        "no caption.png": encoded(picture(colour=(4, 5, 6))),
    }
    folder = folder_of(tmp_path, files, {"blank caption.png": "  "})
    rows = (folder / "metadata.jsonl").read_text().splitlines()
    rows = [r for r in rows if "no caption" not in r] + [
        '{"file_name": "gone.png", "text": "x"}',
        "{broken",
        '{"text": "y"}',
    ]
    rows += ['{"file_name": "../outside.png", "text": "z"}']
    (folder / "metadata.jsonl").write_text("\n".join(rows))
    found = load_folder(folder, 16)
    assert [r.file_name for r in found.records] == ["good.png", "wrong suffix.jpg"]
    reasons = dict(found.quarantine)
    lines = {f"metadata.jsonl line {n}" for n in (9, 10, 11)}  # broken, no file name, leads out of the folder
    files = {"empty.png", "text.png", "truncated.jpg", "cut.png", "blank caption.png", "gone.png"}
    assert set(reasons) == files | lines | {"no caption.png"}
    assert "empty" in reasons["empty.png"]
    assert "missing" in reasons["gone.png"]
    assert "leads out" in reasons["metadata.jsonl line 11"]
    assert "no line of metadata.jsonl names it" in reasons["no caption.png"]


def test_a_decompression_bomb_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    bomb = encoded(Image.new("1", (20_000, 20_000)))
    assert len(bomb) < 100_000
    with pytest.raises((ValueError, Image.DecompressionBombError), match="pixels"):
        decode(bomb, 64)


def test_the_same_picture_with_the_same_caption_is_kept_once(tmp_path: Path) -> None:
    data = encoded(picture())
    folder = folder_of(
        tmp_path, {"a.png": data, "b.png": data, "c.png": data}, {"a.png": "x", "b.png": "x", "c.png": "y"}
    )
    found = load_folder(folder, 8)
    assert [r.file_name for r in found.records] == ["a.png", "c.png"]
    assert "same picture" in found.quarantine[0][1]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = np.zeros((8, 8, 3), np.uint8)
    upright[:4, :4], upright[:4, 4:], upright[4:, :4], upright[4:, 4:] = 40, 90, 160, 230
    undo = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    stored = Image.fromarray(upright) if undo is None else Image.fromarray(upright).transpose(undo)
    exif = Image.Exif()
    exif[274] = orientation
    assert np.array_equal(decode(encoded(stored, exif=exif), 8).transpose(1, 2, 0), upright)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (picture("CMYK", colour=(0, 255, 255, 0)), (255, 0, 0)),
        (picture("L", colour=77), (77, 77, 77)),
        (picture("RGBA", colour=(10, 20, 30, 0)), (255, 255, 255)),
        (picture("LA", colour=(0, 255)), (0, 0, 0)),
        (picture("P", colour=0), (0, 0, 0)),
        (picture("1", colour=1), (255, 255, 255)),
    ],
    ids=lambda value: getattr(value, "mode", ""),
)
def test_every_mode_comes_out_as_rgb_on_white(image: Image.Image, expected: tuple[int, int, int]) -> None:
    kind = "TIFF" if image.mode == "CMYK" else "PNG"
    assert tuple(decode(encoded(image, kind), 8)[:, 4, 4].tolist()) == expected


def test_sixteen_bits_keep_their_high_ones() -> None:
    values = np.full((8, 8), 0x8000, np.uint16)
    assert decode(encoded(Image.fromarray(values)), 8)[0, 0, 0] == 127


def test_half_transparent_red_over_white_is_pink() -> None:
    assert decode(encoded(picture("RGBA", colour=(255, 0, 0, 128))), 16)[:, 8, 8].tolist() == [255, 127, 127]


def test_invisible_pixels_do_not_bleed_into_edges() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)  # invisible black beside opaque white
    pixels[:, 32:] = 255
    assert decode(encoded(Image.fromarray(pixels)), 16).min() == 255


def test_a_wide_picture_is_padded_with_white_and_nothing_is_cropped() -> None:
    out = decode(encoded(picture(size=(32, 16), colour=(0, 0, 0))), 16)
    assert (out[:, :4] == 255).all()
    assert (out[:, 4:12] == 0).all()
    assert (out[:, 12:] == 255).all()


@pytest.mark.parametrize("upright", [False, True])
def test_cropped_a_picture_gives_its_middle_square_and_nothing_is_added(upright: bool, tmp_path: Path) -> None:
    """Four columns of two colours each outside the middle; with "pad" they are there, with white around them."""
    pixels = np.zeros((8, 16, 3), np.uint8)
    pixels[:, :4], pixels[:, 4:8], pixels[:, 8:12], pixels[:, 12:] = (255, 0, 0), (0, 255, 0), (0, 0, 255), (9, 9, 9)
    image = Image.fromarray(pixels.transpose(1, 0, 2) if upright else pixels)
    folder_of(tmp_path, {"wide.png": encoded(image)})
    (cropped,) = load_folder(tmp_path, 8, reading=Reading(fit="crop")).images.numpy()
    wanted = pixels[:, 4:12].transpose(2, 0, 1)
    assert np.array_equal(cropped, wanted.transpose(0, 2, 1) if upright else wanted)
    (padded,) = load_folder(tmp_path, 8).images.numpy()
    edges = padded[:, :, (0, -1)] if upright else padded[:, (0, -1)]
    assert (edges == 255).all()


def test_a_set_that_is_cropped_is_another_set(tmp_path: Path) -> None:
    folder_of(tmp_path, {"wide.png": encoded(picture(size=(16, 8)))})
    names = {fingerprint(entries_of(tmp_path).entries, square(8, how)) for how in FITS}
    assert len(names) == 2


def test_an_animation_gives_its_first_frame() -> None:
    red, blue = picture(colour=(255, 0, 0)), picture(colour=(0, 0, 255))
    data = encoded(red, "GIF", save_all=True, append_images=[blue])
    assert decode(data, 8)[:, 4, 4].tolist() == [255, 0, 0]


def test_captions_in_text_files_beside_the_pictures(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / f"{name}.png").write_bytes(encoded(picture(colour=(ord(name), 0, 0))))
    (tmp_path / "a.txt").write_text("a red\n door")
    (tmp_path / "b.txt").write_bytes(b"not utf-8 \xc0")
    found = load_folder(tmp_path, 8)
    assert [r.text for r in found.records] == ["a red door"]
    assert [name for name, _ in found.quarantine] == ["b.png", "c.png"]


@pytest.mark.parametrize("make", [lambda p: p / "nowhere", lambda p: p])
def test_nothing_to_train_on_says_what_to_do(tmp_path: Path, make: object) -> None:
    with pytest.raises(UserError, match=r"fromnoise data stickers|metadata.jsonl"):
        load_folder(make(tmp_path), 8)  # type: ignore[operator]


def test_a_packed_file_holds_the_same_pictures_and_facts(tmp_path: Path) -> None:
    whole = load_folder("starter", 64)
    from fromnoise.data.starter import starter_path

    assert pack(starter_path(), tmp_path / "starter.parquet") == (len(whole.records), [])
    packed = load_folder(tmp_path / "starter.parquet", 64)
    assert packed.records == whole.records
    assert packed.images.equal(whole.images)
    assert whole.quarantine == []


def test_filters_by_split_style_and_group() -> None:
    everything = load_folder("starter", 16)
    noto = load_folder("starter", 16, split="train", styles=["noto"], groups=["food-drink"])
    expected = [r for r in everything.records if (r.split, r.style, r.group) == ("train", "noto", "food-drink")]
    assert noto.records == expected
    assert 0 < len(expected) < len(everything.records)


def test_hugging_face_datasets_opens_the_folder() -> None:
    datasets = pytest.importorskip("datasets")
    from fromnoise.data.starter import starter_path

    found = datasets.load_dataset("imagefolder", data_dir=str(starter_path()), split="train", cache_dir=None)
    ours = load_folder("starter", 64)
    assert len(found) == len(ours.records)
    assert sorted(found["text"]) == sorted(r.text for r in ours.records)


def test_a_pack_leaves_out_what_cannot_be_used_and_says_so(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / ".hidden").mkdir(parents=True)
    for name in ("good", ".hidden/thumbnail", "lost"):
        Image.new("RGB", (8, 8), "red").save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text("a red square")
    (folder / "lost.txt").unlink()
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "broken.txt").write_text("a broken square")
    count, left_out = pack(folder, tmp_path / "mine.parquet")
    assert count == 1
    assert sorted(name for name, _ in left_out) == ["broken.png", "lost.png"]
    assert "0x" not in str(left_out)  # no addresses in memory
    whole = load_folder(tmp_path / "mine.parquet", 8)
    assert (len(whole.records), whole.quarantine) == (1, [])


@pytest.mark.parametrize(
    ("line", "reason"), [("[]", "not a JSON object"), ("{", "not a line of JSON"), ('{"text": "x"}', "no file_name")]
)
def test_broken_lines_of_metadata_are_named_in_plain_words(tmp_path: Path, line: str, reason: str) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    good = json.dumps({"file_name": "a.png", "text": "black"})
    (tmp_path / "metadata.jsonl").write_text(f"{line}\n{good}\n")
    found = load_folder(tmp_path, 8)
    assert len(found.records) == 1
    assert found.quarantine[0][0] == "metadata.jsonl line 1"
    assert reason in found.quarantine[0][1]


def test_a_pack_can_hold_some_styles_and_groups_only(tmp_path: Path) -> None:
    count, _ = pack("starter", tmp_path / "some.parquet", ["noto", "noto-v1"], ["food-drink"])
    found = load_folder(tmp_path / "some.parquet", 8).records
    everything = load_folder("starter", 8).records
    expected = [r for r in everything if r.style in ("noto", "noto-v1") and r.group == "food-drink"]
    assert count == len(found) == len(expected) > 0
    assert {r.file_name for r in found} == {r.file_name for r in expected}
    with pytest.raises(UserError, match="no pictures of these styles"):
        pack("starter", tmp_path / "none.parquet", ["cubism"])
    assert not (tmp_path / "none.parquet").exists()


def test_a_pack_of_nothing_leaves_the_old_file_alone(tmp_path: Path) -> None:
    folder, file = tmp_path / "mine", tmp_path / "mine.parquet"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.png").write_bytes(b"no picture")
        (folder / f"{name}.txt").write_text("a broken square")
    file.write_bytes(b"an old file")
    with pytest.raises(UserError, match=r"no picture that can be packed: a\.png: it is not a picture"):
        pack(folder, file)
    assert file.read_bytes() == b"an old file"


@pytest.mark.parametrize("field", ["text", "keywords", "style", "author", "key"])
def test_half_a_sign_is_left_out_by_name_and_the_rest_is_packed(field: str, tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    Image.new("RGB", (8, 8), "red").save(tmp_path / "b.png")
    half = ["\ud83d"] if field == "keywords" else "half \ud83d"
    rows = [{"file_name": "a.png", "text": "black", field: half}, {"file_name": "b.png", "text": "whole \U0001f600"}]
    (tmp_path / "metadata.jsonl").write_text("\n".join(json.dumps(row) for row in rows))  # "\ud83d" with a backslash
    count, left_out = pack(tmp_path, tmp_path / "mine.parquet")
    assert (count, [name for name, _ in left_out]) == (1, ["a.png"])
    assert f"its {field} is not valid Unicode" in left_out[0][1]
    assert load_folder(tmp_path / "mine.parquet", 8).records[0].text == "whole \U0001f600"


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text elsewhere")
def test_a_name_of_other_bytes_is_trained_on_and_packed(tmp_path: Path) -> None:
    for name in (b"caf\xe9", b"good"):
        Image.new("RGB", (8, 8), "red" if name == b"good" else "blue").save(tmp_path / "a.png")
        os.rename(tmp_path / "a.png", os.fsencode(tmp_path) + b"/" + name + b".png")
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name + b".txt")).write_text("a square")
    found = load_folder(tmp_path, 8)
    assert {record.file_name for record in found.records} == {"good.png", "caf\\udce9.png"}
    assert 0 <= kept_aside(found.records) <= 1  # which hashes their names
    count, left_out = pack(tmp_path, tmp_path / "mine.parquet")
    assert (count, left_out) == (2, [])
    again = load_folder(tmp_path / "mine.parquet", 8)
    assert {record.file_name for record in again.records} == {record.file_name for record in found.records}
