"""``fromnoise data check``: every file is used or named with the true reason, and nearly equal pictures are found."""

from __future__ import annotations

import csv
import io
import re
import struct
import zlib
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fromnoise.cli.entry import app
from fromnoise.data.check.alike import BITS, SHADE, alike
from fromnoise.data.check.checked import Checked, checked
from fromnoise.data.check.look import outline_of, shades_of
from fromnoise.data.check.page import page
from fromnoise.data.check.verdict import verdict
from fromnoise.data.check.words import Hearer, words
from fromnoise.data.pictures import load_folder
from fromnoise.data.record import Record
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.system.known_words import KnownWords

EVIL = "<script>alert(1)</script> {{ 7 * 7 }} & <img>"


def photo(seed: int, side: int = 120) -> Image.Image:
    """A smooth picture like no other."""
    pixels = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), np.uint8)
    return Image.fromarray(pixels).resize((side, side), Image.Resampling.BICUBIC)


def bomb() -> bytes:
    """A small PNG that would unpack to 10 GB."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One file of every kind that goes wrong or nearly so."""
    place = tmp_path / "mine"
    place.mkdir()
    turned = Image.Exif()
    turned[274] = 6
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 65535, (50, 50), np.uint16))
    for name, image, options in (
        ("plain.png", photo(1), {}),
        ("again.png", photo(1), {}),
        ("smaller.jpg", photo(1, 80), {"quality": 80}),
        ("jpeg.png", photo(2), {"format": "JPEG"}),
        ("film.gif", photo(3), {"save_all": True, "append_images": [photo(4)]}),
        ("cmyk.jpg", photo(5).convert("CMYK"), {}),
        ("deep.png", grey, {}),
        ("palette.png", photo(6).quantize(8), {"transparency": 0}),
        ("turned.jpg", photo(7), {"exif": turned}),
        ("nosuffix", photo(8), {"format": "PNG"}),
        ("evil.png", photo(9), {}),
        ("long.png", photo(10), {}),
        ("mark.png", photo(11), {}),
        ("latin.png", photo(12), {}),
        ("mute.png", photo(13), {}),
        ("blank.png", photo(14), {}),
        ("twin.png", photo(15), {}),
        ("twin2.png", photo(15), {}),
    ):
        image.save(place / name, **options)  # type: ignore[arg-type]
        (place / name).with_suffix(".txt").write_text(f"thing {name.partition('.')[0]}")
    (place / "cut.jpg").write_bytes((place / "turned.jpg").read_bytes()[:900])
    (place / "empty.png").touch()
    (place / "bomb.png").write_bytes(bomb())
    for name in ("cut", "empty", "bomb"):
        (place / f"{name}.txt").write_text(name)
    (place / "evil.txt").write_text(EVIL)
    (place / "long.txt").write_text("word " * 200)
    (place / "mark.txt").write_bytes(b"\xef\xbb\xbfthing mark")
    (place / "latin.txt").write_bytes(b"caf\xe9")
    (place / "mute.txt").unlink()
    (place / "blank.txt").write_text(" \n")
    (place / "twin2.txt").write_text("thing twin")
    (place / "lost.txt").write_text("thing lost")
    return place


def hearer(*captions: str) -> Hearer:
    return Hearer("mine", Tokenizer.train(["thing word a b"], 300, context=64), KnownWords.of(captions))


LEFT_OUT = {
    "cut.jpg": "truncated",
    "empty.png": "the file is empty",
    "bomb.png": "pixels",
    "latin.png": "no text in UTF-8",
    "mute.png": "no caption: mute.txt is missing",
    "blank.png": "the caption is empty",
    "twin2.png": "same picture and caption as twin.png",
}
NOTED = {
    ("jpeg.png", "it is a JPEG by its contents, whatever its name says"),
    ("film.gif", "it holds several pictures; the first is used"),
    ("cmyk.jpg", "its CMYK colours are converted to RGB"),
    ("deep.png", "its 16 bits are reduced to 8"),
    ("palette.png", "its transparent parts are put on white"),
    ("turned.jpg", "it is turned upright, as its EXIF data says"),
    ("mark.png", "its caption is read, though it has a byte-order mark"),
    ("long.png", "its caption is too long for mine, which does not hear its end"),
    ("lost.txt", "not read, for no picture stands beside it"),
}


def test_every_file_is_used_or_named_with_its_reason(folder: Path) -> None:
    found = checked(folder, 64, hearer("thing word"), workers=2)
    used, left_out = {e.record.file_name for e in found.usable}, dict(found.left_out)
    pictures = {f.name for f in folder.iterdir() if f.suffix != ".txt"}
    assert used | set(left_out) == pictures
    assert not used & set(left_out)
    assert set(left_out) == set(LEFT_OUT)
    assert all(part in left_out[name] for name, part in LEFT_OUT.items())
    assert set(found.noted) == NOTED
    assert found.verdict.startswith("14 of 21 pictures can be learnt from. 1 has ")
    assert [[e.record.file_name for e in group] for group in found.twice] == [["again.png", "plain.png"]]
    assert [[e.record.file_name for e in group] for group in found.same] == [["twin.png", "twin2.png"]]
    assert [[e.record.file_name for e in group] for group in found.alike] == [["again.png", "smaller.jpg"]]
    assert found.sizes is not None
    assert (found.sizes.smallest, found.sizes.largest, found.sizes.smaller) == ((50, 50), (120, 120), 1)


def test_training_uses_and_leaves_out_the_same(folder: Path) -> None:
    found, trained = checked(folder, workers=1), load_folder(folder, 16)
    assert [e.record for e in found.usable] == trained.records
    assert sorted(found.left_out) == sorted(trained.quarantine)


# --- words -------------------------------------------------------------------------------------------------------


def test_words_are_counted_by_captions() -> None:
    texts = ["a red red apple", "a red pear", "a red pear", "the axolotl"]
    found = words([Record("", text) for text in texts], hearer("red apples and a pear"))
    assert (found.captions, found.distinct, found.once) == (4, 3, 2)
    assert found.frequent == [("red", 3), ("pear", 2), ("apple", 1), ("axolotl", 1)]
    assert found.unknown == [("axolotl", 1)] or found.unknown == [("apple", 1), ("axolotl", 1)]
    assert dict(found.lengths)["3 to 5"] == 3
    assert found.most_said == [("a red pear", 2)]


# --- nearly the same ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_a_picture_saved_anew_is_nearly_the_same_and_another_is_not(seed: int) -> None:
    def told(image: Image.Image) -> tuple[np.ndarray, np.ndarray]:
        return np.frombuffer(outline_of(image), np.uint8), np.frombuffer(shades_of(image), np.uint8)

    out = io.BytesIO()
    photo(seed, 200).resize((150, 150), Image.Resampling.LANCZOS).save(out, "JPEG", quality=60)
    red, other = photo(seed).convert("L").convert("RGB"), photo(seed + 100)
    found = [told(image) for image in (photo(seed, 200), other, Image.open(out), red)]
    assert alike(np.stack([a for a, _ in found]), np.stack([b for _, b in found])) == [[0, 2]]


def test_groups_are_those_that_comparing_all_with_all_would_find() -> None:
    rng = np.random.default_rng(0)
    outlines = rng.integers(0, 256, (600, 16), np.uint8)
    shades = rng.integers(0, 256, (600, 192), np.uint8)
    for i in range(300, 600):  # nearly as another, or just not
        bits = np.unpackbits(outlines[i - 300])
        bits[rng.choice(128, rng.integers(BITS - 2, BITS + 3), replace=False)] ^= 1
        outlines[i] = np.packbits(bits)
        shift = rng.integers(0, 2 * SHADE)
        shades[i] = np.clip(shades[i - 300].astype(int) + shift, 0, 255)
    near = np.unpackbits(outlines[:, None] ^ outlines[None], axis=2).sum(2) <= BITS
    near &= np.abs(shades[:, None].astype(np.int16) - shades[None]).max(2) <= SHADE
    expected = [[i, i + 300] for i in range(300) if near[i, i + 300]]
    assert near.sum() == 600 + 2 * len(expected)
    assert 50 < len(expected) < 250
    assert alike(outlines, shades) == expected


def test_many_blank_pictures_are_one_group_in_little_time() -> None:
    outlines, shades = np.zeros((20_000, 16), np.uint8), np.full((20_000, 192), 255, np.uint8)
    shades[10_000:] = 0
    assert [len(group) for group in alike(outlines, shades)] == [10_000, 10_000]
    assert alike(outlines[:0], shades[:0]) == []


# --- what is said ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usable", "reasons", "said"),
    [
        (3, [], "All 3 pictures can be learnt from."),
        (1, [], "The picture can be learnt from."),
        (0, [], "There is no picture here."),
        (0, ["the file is empty"], "0 of 1 picture can be learnt from. 1 is empty."),
        (
            1204,
            ["no caption: x.txt is missing"] * 31 + ["it is damaged: x"] * 5,
            "1,204 of 1,240 pictures can be learnt from. 31 have no caption, 5 are damaged.",
        ),
        (
            0,
            [
                "it is damaged: x",
                "image file is truncated",
                "it cannot be read: Truncated File Read",
                "it cannot be read: -2",
                "it is damaged: Decompressed data too large for MAX_TEXT_CHUNK",
            ],
            "0 of 5 pictures can be learnt from. 5 are damaged.",
        ),
        (
            0,
            ["it is not UTF-8", "its caption a.txt is no text in UTF-8", "its txt file is no text in UTF-8"],
            "0 of 3 pictures can be learnt from. 3 have a caption that is no text in UTF-8.",
        ),
        (
            0,
            ["No such file or directory", "no line of METADATA.JSONL names it"],
            "0 of 2 pictures can be learnt from. 1 is missing, 1 is not named by the list of its folder.",
        ),
        (
            1,
            ["there is a caption, but no picture of that name", "the row has no picture"],
            "1 of 3 pictures can be learnt from. 2 have a caption, but no picture.",
        ),
        (1, ["something new"], "1 of 2 pictures can be learnt from. 1 cannot be used."),
    ],
)
def test_the_verdict_in_words(usable: int, reasons: list[str], said: str) -> None:
    assert verdict(usable, [("x", reason) for reason in reasons]) == said


class Reader(HTMLParser):
    """All tags of a page, with what they point to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.sources: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.sources += [value or "" for name, value in attrs if name in ("src", "href")]
        self.anchors |= {value or "" for name, value in attrs if name == "id"}


def test_the_page_shows_twins_and_which_of_them_is_used(tmp_path: Path) -> None:
    for name in ("b", "a", "c", "other"):
        photo(name == "other").save(tmp_path / f"{name}.png")
        (tmp_path / f"{name}.txt").write_text("thing")
    for name in ("x", "y"):  # twins of which none can be used
        (tmp_path / f"{name}.png").write_bytes((tmp_path / "a.png").read_bytes()[:500])
        (tmp_path / f"{name}.txt").write_text("thing")
    found = checked(tmp_path, workers=1)
    assert [[e.record.file_name for e in group] for group in found.same] == [["a.png", "b.png", "c.png"]]
    assert (found.twice, found.alike) == ([], [])
    section = page(found).split('<h3 id="same">')[1].split("<h")[0]
    assert "3 times" in section
    assert re.findall(r'class="file">(.*?)<', section) == ["a.png", "b.png", "c.png"]
    assert section.count('<img src="data:image/webp') == 3


def test_the_page_is_whole_and_text_stays_text(folder: Path) -> None:
    text = page(checked(folder, 64, hearer("thing"), workers=1))
    read = Reader(text)
    assert "script" not in read.tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt; {{ 7 * 7 }} &amp; &lt;img" in text
    assert "default-src 'none'" in text
    assert all(s.startswith(("data:", "#")) for s in read.sources)
    assert {s[1:] for s in read.sources if s.startswith("#")} <= read.anchors
    assert {"twice", "same", "alike", "unknown"} <= read.anchors
    assert all(name in text for name in LEFT_OUT)


def test_the_command_writes_page_and_lists_and_says_the_verdict(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["data", "check", str(folder), "--out", str(tmp_path / "r"), "--workers", "1"])
    assert done.exit_code == 0, done.output
    assert "14 of 21 pictures can be learnt from." in done.output
    with (tmp_path / "r" / "left_out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["file", "reason"]
    assert {name for name, _ in rows[1:]} == set(LEFT_OUT)
    assert (tmp_path / "r" / "noted.csv").is_file()
    assert (tmp_path / "r" / "index.html").is_file()


def test_a_set_of_which_nothing_can_be_used_has_a_report_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    for i in range(3):
        photo(i).save(tmp_path / "mine" / f"{i}.png")
    arguments = ["data", "check", str(tmp_path / "mine"), "--out", str(tmp_path / "r")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "0 of 3 pictures can be learnt from. 3 have no caption." in done.output
    assert len((tmp_path / "r" / "left_out.csv").read_text().splitlines()) == 4
    assert CliRunner().invoke(app, arguments).exit_code == 1  # a report is replaced
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").touch()
    refused = CliRunner().invoke(app, [*arguments[:-1], str(tmp_path / "other")])
    assert "name another --out" in str(refused.exception)


def test_the_starter_set_is_without_fault() -> None:
    found: Checked = checked("starter", 64, workers=1)
    assert (len(found.usable), found.left_out) == (480, [])
    assert found.verdict == "All 480 pictures can be learnt from."
