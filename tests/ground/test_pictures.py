"""Pictures on their way in: every kind of pixel keeps its brightness, and nothing odd gets further than one error."""

from __future__ import annotations

import contextlib
import io
import random
import re
import struct
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, features

import fromnoise
from fromnoise.ground.pictures import (
    MOST_PIXELS,
    MOST_SCANS,
    PictureError,
    TooLargeError,
    count_scans,
    from_bytes,
    glimpse,
    is_picture,
    on_white,
    open_picture,
    read_picture,
    size_of,
    to_bytes,
)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def grey(value: float, kind: type) -> Image.Image:
    return Image.fromarray(np.full((8, 8), value, kind))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(colour_type: int, values: tuple[int, ...], transparent: tuple[int, ...] = (), side: int = 4) -> bytes:
    """A PNG of 16 bits a channel, which Pillow cannot write: all pixels have these values."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 16, colour_type, 0, 0, 0))
    row = b"\0" + struct.pack(f">{len(values)}H", *values) * side
    key = chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent)) if transparent else b""
    return b"\x89PNG\r\n\x1a\n" + header + key + chunk(b"IDAT", zlib.compress(row * side)) + chunk(b"IEND", b"")


def big_endian(value: int) -> Image.Image:
    return Image.frombytes("I;16B", (8, 8), struct.pack(">H", value) * 64)


def with_clear_ground(image: Image.Image, index: int) -> bytes:
    return encoded(image, transparency=index)


PALETTE = Image.new("P", (8, 8), 1)
PALETTE.putpalette([0, 0, 0, 200, 30, 40, 9, 9, 9])


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(encoded(grey(40000, np.uint16)), (155, 155, 155), id="16-bit grey"),
        pytest.param(encoded(grey(65535, np.uint16)), (255, 255, 255), id="16-bit white"),
        pytest.param(encoded(grey(200, np.uint16)), (0, 0, 0), id="16-bit, nearly black"),
        pytest.param(encoded(grey(40000, np.uint16), "TIFF"), (155, 155, 155), id="16-bit TIFF"),
        pytest.param(encoded(big_endian(40000), "TIFF"), (155, 155, 155), id="16-bit TIFF, big-endian"),
        pytest.param(encoded(grey(40000, np.uint16), "JPEG2000"), (155, 155, 155), id="16-bit JPEG 2000"),
        pytest.param(encoded(grey(40000, np.uint16), "PPM"), (155, 155, 155), id="16-bit PGM"),
        pytest.param(encoded(grey(40000, np.int32), "TIFF"), (155, 155, 155), id="32-bit, 16 used"),
        pytest.param(encoded(grey(200, np.int32), "TIFF"), (200, 200, 200), id="32-bit, 8 used"),
        pytest.param(encoded(grey(0.2, np.float32), "TIFF"), (51, 51, 51), id="real numbers to 1"),
        pytest.param(encoded(grey(200.0, np.float32), "TIFF"), (200, 200, 200), id="real numbers to 255"),
        pytest.param(encoded(grey(257.0 * 77, np.float32), "TIFF"), (77, 77, 77), id="real numbers to 65535"),
        pytest.param(png(2, (40000, 300, 65535)), (156, 1, 255), id="16-bit RGB"),
        pytest.param(png(4, (257 * 90, 65535)), (90, 90, 90), id="16-bit grey with alpha"),
        pytest.param(png(6, (257 * 10, 257 * 20, 257 * 30, 0)), (10, 20, 30, 0), id="16-bit RGBA"),
        pytest.param(png(0, (40000,), (40000,)), (155, 155, 155, 0), id="16-bit grey, declared clear"),
        pytest.param(png(2, (40000, 300, 65535), (40000, 300, 65535)), (156, 1, 255, 0), id="16-bit RGB, clear"),
        pytest.param(png(0, (40000,), (3,)), (155, 155, 155), id="16-bit grey, another value clear"),
        pytest.param(encoded(Image.new("LA", (8, 8), (70, 128))), (70, 70, 70, 128), id="grey with alpha"),
        pytest.param(encoded(Image.new("LA", (8, 8), (70, 255))), (70, 70, 70), id="grey with opaque alpha"),
        pytest.param(encoded(PALETTE), (200, 30, 40), id="palette"),
        pytest.param(with_clear_ground(PALETTE, 1), (200, 30, 40, 0), id="palette, declared clear"),
        pytest.param(with_clear_ground(PALETTE, 2), (200, 30, 40), id="palette, unused one clear"),
        pytest.param(with_clear_ground(Image.new("L", (8, 8), 7), 7), (7, 7, 7, 0), id="grey, declared clear"),
        pytest.param(encoded(Image.new("1", (8, 8), 1)), (255, 255, 255), id="one bit"),
        pytest.param(encoded(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF"), (255, 0, 0), id="CMYK"),
        pytest.param(encoded(Image.new("YCbCr", (8, 8), (76, 85, 255)), "TIFF"), (254, 0, 0), id="YCbCr"),
    ],
)
def test_every_kind_of_pixel_becomes_eight_bits(data: bytes, expected: tuple[int, ...]) -> None:
    picture = open_picture(data)
    assert picture.mode == ("RGB" if len(expected) == 3 else "RGBA")
    assert picture.getpixel((2, 2)) == expected


def greys(kind: type, values: list[float]) -> Image.Image:
    return Image.fromarray(np.array(values, kind).reshape(2, 2))


@pytest.mark.parametrize(
    ("image", "kind", "told"),
    [
        (greys(np.uint16, [0, 300, 9, 65535]), "PNG", "its 16 bits are reduced to 8"),
        (greys(np.uint16, [0, 300, 9, 65535]), "TIFF", "its 16 bits are reduced to 8"),
        (greys(np.int32, [0, 300, 9, 65535]), "PPM", "its 16 bits are reduced to 8"),
        (greys(np.int32, [0, 300, 9, 65535]), "TIFF", "its 32-bit whole numbers are reduced to 8 bits"),
        (greys(np.float32, [0, 0.3, 0.9, 1]), "TIFF", "its floating-point numbers are reduced to 8 bits"),
        (greys(np.float32, [0, 0.3, 0.9, 1]), "PPM", "its floating-point numbers are reduced to 8 bits"),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
)
def test_what_is_done_to_deep_pixels_is_said_as_it_is(image: Image.Image, kind: str, told: str) -> None:
    assert read_picture(encoded(image, kind)).changed == (told,)


def test_lab_has_the_colours_that_it_means() -> None:
    # CIE: white is L 100; a grey has a = b = 0; sRGB red is L 53.2, a 80.1, b 67.2 (stored as L·2.55, a+128, b+128).
    for stored, meant in (((255, 128, 128), (255, 255, 255)), ((136, 208, 195), (255, 0, 0))):
        found = open_picture(encoded(Image.new("LAB", (8, 8), stored), "TIFF")).getpixel((2, 2))
        assert np.abs(np.subtract(found, meant)).max() <= 12, (found, meant)  # type: ignore[arg-type]


def test_sixteen_bits_of_every_value_are_their_high_byte_rounded_down() -> None:
    values = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    found = np.asarray(open_picture(encoded(Image.fromarray(values))))[..., 0].astype(int)
    assert (np.diff(found.ravel()) >= 0).all()
    assert np.array_equal(found.ravel()[::257], np.arange(256))  # k · 257 is k
    assert np.abs(found - values / 257.0).max() < 1


@pytest.mark.parametrize(
    "image",
    [
        grey(-5, np.int32),
        grey(70000, np.int32),
        grey(np.nan, np.float32),
        grey(-1.0, np.float32),
        grey(1e6, np.float32),
    ],
    ids=["negative", "17 bits", "nan", "negative real", "huge real"],
)
def test_numbers_that_say_no_brightness_are_refused(image: Image.Image) -> None:
    with pytest.raises(PictureError, match="8 or 16 bits"):
        open_picture(encoded(image, "TIFF"))


def test_the_limit_is_the_callers_and_is_checked_before_anything_is_unpacked(tmp_path: Path) -> None:
    data = encoded(Image.new("L", (100, 50)))
    assert open_picture(data, 5000).size == (100, 50)
    with pytest.raises(TooLargeError, match="100×50 pixels; the most is 4,999"):
        open_picture(data, 4999)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 8193, 8192, 8, 2, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    for source in (bomb, tmp_path / "bomb.png"):
        with pytest.raises(TooLargeError, match=f"{MOST_PIXELS:,}"):
            open_picture(source)
    vast = bomb.replace(header, chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)))
    with pytest.raises(TooLargeError):  # Pillow itself gives up first
        open_picture(vast)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "TIFF", "BMP", "TGA", "JPEG2000", "PPM", "PCX", "ICO"])
def test_a_file_cut_anywhere_is_one_error_or_a_picture(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for length in range(0, len(data), max(1, len(data) // 60)):
        try:
            picture = open_picture(data[:length])
        except PictureError as error:
            assert str(error).count("\n") == 0  # noqa: PT017
            assert "0x" not in str(error)  # noqa: PT017
        else:
            assert picture.mode in ("RGB", "RGBA")


def test_what_runs_another_program_is_never_opened() -> None:
    postscript = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n"
    with pytest.raises(PictureError, match="known kind"):
        open_picture(postscript)


def test_only_the_kinds_that_a_caller_allows() -> None:
    data = encoded(Image.new("RGB", (8, 8)), "BMP")
    assert open_picture(data).size == (8, 8)
    with pytest.raises(PictureError, match="known kind"):
        open_picture(data, formats=("PNG", "JPEG"))


def test_a_file_that_is_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_picture(tmp_path / "no.png")
    (tmp_path / "empty.png").touch()
    for source in (b"", tmp_path / "empty.png"):
        with pytest.raises(PictureError, match="empty"):
            open_picture(source)
    with pytest.raises(PictureError):
        open_picture(tmp_path)


def test_sixteen_bits_are_turned_upright_too() -> None:
    values = np.zeros((8, 4), np.uint16)
    values[0] = 65535  # the first row, which a camera held sideways calls the last column
    exif = Image.Exif()
    exif[274] = 6
    upright = np.asarray(open_picture(encoded(Image.fromarray(values), exif=exif)))[..., 0]
    assert upright.shape == (4, 8)
    assert upright[:, -1].tolist() == [255] * 4
    assert upright[:, :-1].max() == 0


def test_films_give_their_first_picture_and_say_that_there_are_more() -> None:
    red, blue = Image.new("RGB", (8, 8), (255, 0, 0)), Image.new("RGB", (8, 8), (0, 0, 255))
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        many = read_picture(encoded(red, kind, save_all=True, append_images=[blue], **lossless(kind)))
        assert many.many
        assert many.image.getpixel((4, 4)) == (255, 0, 0)
        assert not read_picture(encoded(red, kind)).many


def lossless(kind: str) -> dict[str, bool]:
    return {"lossless": True} if kind == "WEBP" else {}


def test_clear_parts_are_white_and_half_clear_ones_half() -> None:
    picture = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    picture.putpixel((1, 0), (0, 0, 0, 128))
    white = on_white(picture)
    assert white.mode == "RGB"
    assert [white.getpixel((x, 0)) for x in (0, 1)] == [(255, 255, 255), (127, 127, 127)]


@pytest.mark.formats
def test_bytes_and_numbers_go_both_ways() -> None:
    levels = torch.arange(256, dtype=torch.uint8)
    numbers = from_bytes(levels)
    assert numbers[[0, 255]].tolist() == [-1.0, 1.0]
    assert numbers.dtype == torch.float32
    assert to_bytes(numbers).equal(levels)
    assert to_bytes(torch.tensor([-7.0, 7.0, 0.0, 0.0039])).tolist() == [0, 255, 128, 128]
    assert to_bytes(torch.tensor([0.5], dtype=torch.bfloat16, requires_grad=True)).tolist() == [191]


def test_a_glimpse_gives_the_size_and_not_much_more_of_a_jpeg() -> None:
    out = io.BytesIO()
    Image.new("RGB", (1600, 800), (200, 30, 30)).save(out, "JPEG")
    size, seen = glimpse(out.getvalue(), 64)
    assert size == (1600, 800)
    assert seen.size == (200, 100)  # an eighth, the smallest that JPEG gives
    assert seen.getpixel((100, 50))[0] == pytest.approx(200, abs=3)  # type: ignore[index]
    eps = io.BytesIO()
    Image.new("RGB", (30, 30)).save(eps, "EPS")
    for data in (b"", b"no picture", eps.getvalue(), out.getvalue()[:400]):
        with pytest.raises(PictureError):
            glimpse(data, 64)


def in_scans(count: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A progressive JPEG whose last scan stands there again and again, until it has so many."""
    buffer = io.BytesIO()
    Image.effect_noise(size, 60).convert("RGB").save(buffer, "JPEG", progressive=True, quality=70)
    data = buffer.getvalue()
    last = data.rindex(b"\xff\xda")
    has = count_scans(data, 1000)
    return data[:last] + data[last:-2] * (count - has + 1) + data[-2:]


def test_scans_are_counted_by_their_markers_and_nothing_else_is_taken_for_one() -> None:
    plain, buffer = encoded(Image.new("RGB", (9, 7), "red"), "JPEG"), io.BytesIO()
    assert count_scans(plain, 100) == 1
    Image.new("RGB", (9, 7), "red").save(buffer, "JPEG", exif=b"Exif\0\0" + b"\xff\xda" * 500)
    assert count_scans(buffer.getvalue() + b"\xff\xda\x00\x02" * 500, 100) == 1  # in notes, and behind the end
    assert count_scans(in_scans(40), 100) == 40
    assert count_scans(in_scans(40), 7) == 8  # no more are counted than matter


@pytest.mark.parametrize("as_file", [False, True])
def test_a_jpeg_of_thousands_of_scans_is_refused_before_it_is_unpacked(tmp_path: Path, as_file: bool) -> None:
    bomb: bytes | Path = in_scans(2000, (400, 300))
    if as_file:
        (tmp_path / "a.jpg").write_bytes(in_scans(2000, (400, 300)))
        bomb = tmp_path / "a.jpg"
    begin = time.process_time()
    with pytest.raises(PictureError, match="a JPEG of more than 100 scans, which take too long"):
        read_picture(bomb)
    assert time.process_time() - begin < 1
    assert open_picture(in_scans(MOST_SCANS)).size == (64, 48)


def test_large_jpegs_may_have_fewer_scans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fromnoise.ground.pictures.MOST_SCANNED", 64 * 48 * 15)
    assert open_picture(in_scans(15)).size == (64, 48)
    for opens in (read_picture, size_of, lambda data: glimpse(data, 8)):
        with pytest.raises(PictureError, match="more than 15 scans"):
            opens(in_scans(16))


def test_a_picture_is_known_by_its_first_bytes_whatever_its_name_says(tmp_path: Path) -> None:
    red = Image.new("RGB", (8, 8), "red")
    for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP", "PPM", "ICO"):
        (tmp_path / "a.dat").write_bytes(encoded(red, kind))
        assert is_picture(tmp_path / "a.dat"), kind
        assert is_picture(encoded(red, kind)), kind
    for data in (b"", b"P", b"Python", b"BM of the town", b"\x89PNG\r\n\x1a\n", b"PK\3\4" + bytes(99), bytes(99)):
        (tmp_path / "a.dat").write_bytes(data)
        assert not is_picture(tmp_path / "a.dat"), data
        assert not is_picture(data), data
    assert not is_picture(tmp_path)
    assert not is_picture(tmp_path / "gone")


def test_there_is_one_place_that_opens_pictures() -> None:
    source = Path(fromnoise.__file__).parent
    found = [f.name for f in source.rglob("*.py") if re.search(r"(?<!PIL\.)Image\.open\(", f.read_text("utf-8"))]
    assert found == ["pictures.py"]


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_damaged_avif_is_one_error() -> None:
    data = encoded(Image.effect_noise((64, 64), 50).convert("RGB"), "AVIF")
    rng = random.Random(0)
    for _ in range(60):
        damaged = bytearray(data)
        for _ in range(rng.choice((1, 4, 30))):
            damaged[rng.randrange(len(data))] = rng.randrange(256)
        for opens in (read_picture, size_of, lambda data: glimpse(data, 16)):
            with contextlib.suppress(PictureError):
                opens(bytes(damaged[: rng.choice((len(data), len(data) // 2))]))
