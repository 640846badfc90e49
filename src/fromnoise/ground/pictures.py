"""Pictures on their way in: any file that Pillow reads becomes 8-bit RGB or RGBA, upright, and then numbers.

The one place that unpacks pictures of others, converts between kinds of pixels, composes on white, and goes between
bytes (0…255) and the model's numbers (−1…1). Callers say in their own words which file it was.
"""

from __future__ import annotations

import contextlib
import functools
import io
import mmap
import re
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageFile, ImageOps, UnidentifiedImageError
from torch import Tensor

MOST_SIDE = 8192  # pixels, of what is drawn
MOST_PIXELS = MOST_SIDE**2  # of what is opened: whatever was drawn can be read back, and a bomb cannot
MARKED = 16  # bytes by which Pillow knows the kind of a file
MOST_SCANS, MOST_SCANNED = 100, 30 * MOST_PIXELS  # of a JPEG, and pixels of all of them
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])", re.DOTALL)  # not a byte of numbers, nor where they begin anew
THRESHOLD = 128  # a mask is white, and a picture opaque, from this value of 255 on
# Pillow hands these to another program (Ghostscript, Windows), or knows no more of them than their names.
_NOT_READ = frozenset({"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"})
# What Pillow raises for a file that it cannot read (EOFError of a moving picture that lacks one). Its decoders raise
# others as well, so what reads pictures of anybody catches all.
UNREADABLE: tuple[type[Exception], ...] = (OSError, ValueError, SyntaxError, EOFError, Image.DecompressionBombError)
_SIXTEEN_BITS = ("PNG", "PPM")  # what their whole numbers have, however Pillow keeps them
_NOT_FILMS = frozenset({"MPO", "PSD"})  # what else they hold are thumbnails, views and layers


class PictureError(ValueError):
    """Why a file cannot be used as a picture; the message is written to stand behind the file's name."""


class TooLargeError(PictureError):
    """The file's header speaks of more pixels than the caller allows."""


@dataclass(frozen=True)
class Opened:
    """What a file holds.

    Attributes:
        image: upright, RGB; RGBA where any of it lets the ground through.
        many: it is an animation or has pages; ``image`` is the first of them.
        kind: of file, by its contents, in Pillow's words: "PNG", "JPEG" …
        changed: what was done to make it 8-bit RGB or RGBA, a sentence each.
    """

    image: Image.Image
    many: bool
    kind: str = ""
    changed: tuple[str, ...] = ()


def open_picture(
    source: Path | bytes, most_pixels: int = MOST_PIXELS, formats: tuple[str, ...] | None = None
) -> Image.Image:
    """The picture of :func:`read_picture`: upright, RGB, or RGBA where any of it lets the ground through."""
    return read_picture(source, most_pixels, formats).image


def read_picture(
    source: Path | bytes, most_pixels: int = MOST_PIXELS, formats: tuple[str, ...] | None = None
) -> Opened:
    """Open a picture file: its size is checked before it is unpacked, its EXIF rotation applied.

    Args:
        source: the file, or its bytes.
        most_pixels: width × height at most.
        formats: Pillow's names of the kinds that may be read; None: all that are safe.

    Raises:
        FileNotFoundError: there is no such file.
        TooLargeError: more pixels than allowed.
        PictureError: empty, damaged, not a picture, or numbers that say no brightness.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # ours is the stricter limit
            return _read(source, most_pixels, formats)
    except (PictureError, FileNotFoundError):
        raise
    except Image.DecompressionBombError:
        raise TooLargeError(f"it has far more than {most_pixels:,} pixels") from None
    except UnidentifiedImageError:
        empty = not (source if isinstance(source, bytes) else source.stat().st_size)
        raise PictureError("the file is empty" if empty else "it is not a picture of a known kind") from None
    except OSError as error:
        raise PictureError(f"it cannot be read: {error.strerror or error}") from None
    except Exception as error:  # decoders fail in many ways, and a damaged file must be one line whichever it is
        raise PictureError(f"it is damaged: {str(error).splitlines()[0] if str(error) else error!r}") from None


def glimpse(data: bytes, side: int) -> tuple[tuple[int, int], Image.Image]:
    """(width, height) of a picture file as it is stored, and it in RGB or RGBA, where its kind allows at a size near
    ``side``, which is quick; for a look ahead at many.

    Raises:
        PictureError: not a picture that :func:`read_picture` reads.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with opened_file(data) as picture:
                size = picture.size
                _check_size(size, MOST_PIXELS)
                picture.draft("RGB", (side, side))  # a JPEG is unpacked at a size near to that
                picture.load()
                return size, eight_bits(picture, picture.format or "")
    except PictureError:
        raise
    except Exception as error:  # decoders fail in many ways
        raise PictureError(f"it is damaged: {error!r}") from None


def size_of(data: bytes) -> tuple[int, int]:
    """(width, height) of a picture file, turned upright; nothing of it is unpacked.

    Raises:
        PictureError: not a picture.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with opened_file(data) as picture:
                turned = picture.getexif().get(ExifTags.Base.Orientation, 1) in range(5, 9)
                return (picture.height, picture.width) if turned else picture.size
    except Exception as error:  # decoders fail in many ways
        raise PictureError(f"it is damaged: {error!r}") from None


def opened_file(source: Path | bytes, formats: tuple[str, ...] | None = None) -> ImageFile.ImageFile:
    """What Pillow knows of a picture file from its head, before anything is unpacked: the one place that calls Pillow.

    A JPEG in many scans costs time for each of them, whatever its size: one of 2,000 took half a minute. Here it has at
    most :data:`MOST_SCANS`, and over all of them at most :data:`MOST_SCANNED` pixels.

    Args:
        source, formats: as in :func:`read_picture`. The file is closed by ``with``.

    Raises:
        PictureError: a JPEG with more scans, or no file with an end.
        UNREADABLE: as Pillow does; decoders raise others too.
    """
    kinds = _readable() if formats is None else formats
    if isinstance(source, Path) and source.exists() and not (source.is_file() or source.is_dir()):
        raise PictureError("it is a device or a pipe, not a file with an end; save it into a file first")
    picture = Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=kinds)
    if picture.format in ("JPEG", "MPO"):
        most = min(MOST_SCANS, MOST_SCANNED // max(1, picture.width * picture.height))
        if count_scans(source, most) > most:
            picture.close()
            raise PictureError(f"it is a JPEG of more than {most} scans, which take too long; save it anew")
    return picture


def count_scans(source: Path | bytes, most: int) -> int:
    """In how many scans a JPEG says its pixels (ITU T.81, B.1): 1, or some 10 if it is progressive.

    Args:
        source: the file, or its bytes; what is no JPEG has none.
        most: where to stop counting, one above it.
    """
    if isinstance(source, Path):
        with source.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return _scans(data, most)
    return _scans(source, most)


def _scans(data: bytes | mmap.mmap, most: int) -> int:
    scans, at = 0, 2
    while scans <= most and (found := _MARKER.search(data, at)) and found[1] != b"\xd9":
        scans += found[1] == b"\xda"
        # All but the numbers of a scan, in which no marker stands, say how long they are.
        at = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    return scans


def is_picture(source: Path | bytes) -> bool:
    """Whether a file is a picture by its first bytes, whatever its name says, which is quick where it is none. Kinds
    without a mark of their own, such as TGA, are not found."""
    try:
        if isinstance(source, Path) and not source.is_file():
            return False
        if not begins_as_picture(source[:MARKED] if isinstance(source, bytes) else _head_of(source)):
            return False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with opened_file(source):
                return True
    except Exception:  # decoders fail in many ways
        return False


def _head_of(file: Path) -> bytes:
    with file.open("rb") as stream:
        return stream.read(MARKED)


def begins_as_picture(head: bytes) -> bool:
    """Whether a file with these first bytes, :data:`MARKED` of them, has the mark of a kind that is read. Some marks
    are short, so it may be none all the same."""
    head = head.ljust(MARKED, b"\0")
    return any((begins := Image.OPEN[kind][1]) is not None and begins(head) for kind in _readable())


@functools.cache
def readable_suffixes() -> frozenset[str]:
    """Suffixes of the kinds that are read, in lower case: ".png", ".jpg", ".avif" …"""
    kinds = _readable()
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in kinds)


@functools.cache
def _readable() -> tuple[str, ...]:
    Image.init()
    return tuple(kind for kind in Image.ID if kind not in _NOT_READ)


def _read(source: bytes | Path, most_pixels: int, formats: tuple[str, ...] | None) -> Opened:
    with opened_file(source, formats) as picture:
        _check_size(picture.size, most_pixels)
        kind = picture.format or ""
        picture.seek(0)
        stored = f"{picture.mode} {[tile[-1] for tile in picture.tile]}"  # 16-bit RGB is RGB once it is loaded
        picture.load()
        turned = picture.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9)
        # A copy of the largest picture is a quarter of a gigabyte.
        image = eight_bits(ImageOps.exif_transpose(picture) if turned else picture, kind)
        return Opened(image, _is_film(picture, kind), kind, _changed(stored, kind, image, turned))


def _check_size(size: tuple[int, int], most_pixels: int) -> None:
    width, height = size
    if width * height > most_pixels:
        raise TooLargeError(f"it has {width}×{height} pixels; the most is {most_pixels:,}")


def _changed(stored: str, kind: str, image: Image.Image, turned: bool) -> tuple[str, ...]:
    """What had to be done to pixels of this mode and raw mode, from a file of this kind, and to what came out, and
    whether it was turned."""
    mode = stored.split()[0]
    sixteen = ";16" in stored or (mode == "I" and kind in _SIXTEEN_BITS)
    told = {
        f"its {mode} colours are converted to RGB": mode in ("CMYK", "YCCK", "LAB", "HSV"),
        "its 16 bits are reduced to 8": sixteen,
        "its 32-bit whole numbers are reduced to 8 bits": mode == "I" and not sixteen,
        "its floating-point numbers are reduced to 8 bits": mode == "F" and not sixteen,
        "its transparent parts are put on white": image.mode == "RGBA",
        "it is turned upright, as its EXIF data says": turned,
    }
    return tuple(sentence for sentence, so in told.items() if so)


def _is_film(picture: Image.Image, kind: str) -> bool:
    with contextlib.suppress(Exception):  # a damaged second frame does not matter
        return kind not in _NOT_FILMS and bool(getattr(picture, "is_animated", False))
    return False


def eight_bits(picture: Image.Image, kind: str = "") -> Image.Image:
    """A picture of any mode as RGB, or RGBA where any of it lets the ground through.

    Args:
        picture: of any of Pillow's modes.
        kind: of the file it came from, which says what 32-bit whole numbers mean.

    Raises:
        PictureError: numbers that say no brightness.
    """
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        picture = _grey(picture, kind)
    elif picture.mode == "La":
        picture = picture.convert("LA")
    see_through = picture.info.get("transparency")
    if isinstance(see_through, tuple) and max(see_through) > 255:  # 16-bit RGB, which Pillow cuts to its high bytes
        picture.info["transparency"] = tuple(value >> 8 for value in see_through)
    if "transparency" not in picture.info and picture.mode in ("RGB", "L"):
        return picture.copy() if picture.mode == "RGB" else picture.convert("RGB")
    rgba = picture.convert("RGBA")
    lowest, _ = rgba.getchannel("A").getextrema()
    return rgba if isinstance(lowest, int) and lowest < 255 else rgba.convert("RGB")


def _grey(picture: Image.Image, kind: str) -> Image.Image:
    """Grey of 16 or 32 bits, or of real numbers, as L; as LA where one value of it is declared transparent."""
    values = np.asarray(picture)
    if picture.mode == "F":
        grey = _of_real_numbers(values)
    elif picture.mode.startswith("I;16") or kind in _SIXTEEN_BITS:
        grey = (values.astype(np.int64) // 257).clip(0, 255).astype(np.uint8)
    else:
        grey = _of_whole_numbers(values.astype(np.int64))
    see_through = picture.info.get("transparency")
    if not isinstance(see_through, int):
        return Image.fromarray(grey)
    alpha = np.where(values == see_through, 0, 255).astype(np.uint8)
    return Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha)))


def _of_whole_numbers(values: np.ndarray) -> np.ndarray:
    """32-bit whole numbers, which are 8 or 16 bits in all files that are pictures."""
    if values.min() < 0 or values.max() > 65535:
        raise PictureError("its numbers go beyond 0…65,535; save it with 8 or 16 bits")
    return (values // 257 if values.max() > 255 else values).astype(np.uint8)


def _of_real_numbers(values: np.ndarray) -> np.ndarray:
    """Real numbers from 0 to 1, 255 or 65,535, whichever the largest is near; filters overshoot a little."""
    if not np.isfinite(values).all():
        raise PictureError("it holds numbers that are not finite; save it with 8 or 16 bits")
    top = next((top for top in (1.0, 255.0, 65535.0) if values.max() <= max(top + 1, 1.01 * top)), None)
    if top is None or values.min() < -0.01 * top:
        raise PictureError("its numbers go beyond 0…1 (or 255, or 65,535); save it with 8 or 16 bits")
    return np.rint(np.clip(values.astype(np.float64) * (255 / top), 0, 255)).astype(np.uint8)


def on_white(picture: Image.Image) -> Image.Image:
    """RGB, with white where an RGB or RGBA picture is transparent."""
    if picture.mode == "RGB":
        return picture
    rgba = picture.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def from_bytes(pictures: Tensor) -> Tensor:
    """uint8 pictures as float32 in −1…1, of the same shape and on the same device."""
    return pictures.float() / 127.5 - 1


def to_bytes(pictures: Tensor) -> Tensor:
    """Pictures in −1…1, with what lies beyond cut off, as uint8 0…255, rounded, on the same device."""
    return ((pictures.detach().float().clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8)
