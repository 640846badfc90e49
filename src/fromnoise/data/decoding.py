"""Picture files become pictures of one size."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fromnoise.data.begun import in_batches
from fromnoise.data.kinds import UNREADABLE
from fromnoise.data.reading import Canvas, square
from fromnoise.data.record import Entry, Record
from fromnoise.ground.pictures import PictureError, open_picture, read_picture, size_of

FEW = 512  # pictures that are not worth other processes
BUFFER = 2**23  # bytes of pictures that a process hands over at once


@dataclass(frozen=True)
class Decoded:
    """What became of one picture file.

    Attributes:
        pixels: uint8 [3,H,W]; None where it cannot be used.
        identity: see :func:`identity`; b"" where the file cannot be read.
        wrong: why it cannot be used.
        many: it holds several pictures, of which this is the first.
    """

    pixels: np.ndarray | None
    identity: bytes = b""
    wrong: str = ""
    many: bool = False


@dataclass
class Taken:
    """Which of some entries are used.

    Attributes:
        used: their numbers, in order.
        left_out: (number, reason) of the others.
        films: numbers of those that hold several pictures.
        seen: names of files by their digests.
    """

    used: list[int] = field(default_factory=list)
    left_out: list[tuple[int, str]] = field(default_factory=list)
    films: list[int] = field(default_factory=list)
    seen: dict[bytes, str] = field(default_factory=dict)


def decoded(entries: Sequence[Entry], canvas: Canvas) -> Generator[Decoded]:
    """What becomes of each of some entries, in their order; of many, in several processes."""
    work = functools.partial(_decoded, canvas=canvas)
    if len(entries) <= FEW:
        return (one for entry in entries for one in work([entry]))
    batch = max(1, min(32, BUFFER // canvas.bytes))
    return in_batches(work, entries, "unpacking pictures", batch=batch)


def sizes(entries: Sequence[Entry]) -> list[tuple[int, int]]:
    """(width, height) of each, turned upright; (1, 1) of what is no picture."""
    if len(entries) <= FEW:
        return _sizes(entries)
    return list(in_batches(_sizes, entries, "measuring pictures", batch=256))


def _sizes(entries: Sequence[Entry]) -> list[tuple[int, int]]:
    found = []
    for entry in entries:
        try:
            found.append(size_of(entry.read()))
        except (OSError, ValueError):
            found.append((1, 1))
    return found


def _decoded(entries: Sequence[Entry], canvas: Canvas) -> list[Decoded]:
    return [_one(entry, canvas) for entry in entries]


def _one(entry: Entry, canvas: Canvas) -> Decoded:
    name, digest = entry.record.file_name, b""
    try:
        data = entry.read()
        digest = identity(data, entry.record)
        opened = read_picture(data)
        return Decoded(fit(opened.image, canvas).transpose(2, 0, 1), digest, many=opened.many)
    except (OSError, ValueError) as error:
        return Decoded(None, digest, reason(error, name))


def accepted(
    entries: Sequence[Entry], found: Iterable[Decoded], images: Tensor, taken: Taken | None = None, first: int = 0
) -> Taken:
    """Write the pictures that can be used one after the other into a tensor, and note what became of all.

    Args:
        entries: all of the set.
        found: what became of them, from number ``first`` on.
        images: uint8 [N,3,H,W] to write to, from its beginning.
        taken: is added to.
        first: how many entries came before.
    """
    taken, row = taken or Taken(), 0
    for number, one in enumerate(found, first):
        try:
            if one.identity:
                refuse_duplicate(one.identity, entries[number].record.file_name, taken.seen)
            if one.pixels is None:
                raise ValueError(one.wrong)
        except ValueError as error:
            taken.left_out.append((number, str(error)))
            continue
        images[row] = torch.from_numpy(np.ascontiguousarray(one.pixels))
        row += 1
        taken.used.append(number)
        taken.films += [number] if one.many else []
    return taken


def decode(data: bytes, pixels: int) -> np.ndarray:
    """Decode a picture file to uint8 [3,pixels,pixels] on white, EXIF rotation applied, first frame of many.

    Raises:
        PictureError: not a picture, truncated, or too large.
    """
    return fit(open_picture(data), square(pixels)).transpose(2, 0, 1)


def fit(picture: Image.Image, canvas: Canvas) -> np.ndarray:
    """Scale an RGB or RGBA picture to a canvas, centre it, compose it on white: uint8 [height,width,3].

    Scaling happens with premultiplied alpha; otherwise the colour of invisible pixels bleeds into the edges.
    """
    if not canvas.pad:
        picture = picture.crop(_middle(picture.size, canvas))
    wide, high = picture.size
    wider = wide * canvas.height >= high * canvas.width
    size = (canvas.width, canvas.height)
    if canvas.pad and wider:
        size = (canvas.width, max(1, round(high * canvas.width / wide)))
    elif canvas.pad:
        size = (max(1, round(wide * canvas.height / high)), canvas.height)
    small = _on_white(picture if picture.mode == "RGB" else picture.convert("RGBA"), size)
    whole = np.full((canvas.height, canvas.width, 3), 255, np.uint8)
    top, left = (canvas.height - size[1]) // 2, (canvas.width - size[0]) // 2
    whole[top : top + size[1], left : left + size[0]] = np.round(small).astype(np.uint8)
    return whole


def _on_white(picture: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """An RGB or RGBA picture in another size on white, float32 [height,width,3] in 0…255.

    One channel after the other: of the largest picture each is a quarter of a gigabyte in float32.
    """
    opaque = picture.mode == "RGB"
    alpha = None if opaque else np.asarray(picture.getchannel("A"), np.float32)
    white = 0 if alpha is None else 255 - _resized(alpha, size)
    bands = []
    for name in "RGB":
        band = np.asarray(picture.getchannel(name), np.float32)
        bands.append(_resized(band if alpha is None else band * alpha / 255, size) + white)
    return np.clip(np.stack(bands, axis=-1), 0, 255)


def _resized(band: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A channel float32 [h,w] in another size."""
    if band.shape == (size[1], size[0]):
        return band
    return np.asarray(Image.fromarray(band).resize(size, Image.Resampling.LANCZOS))


def _middle(size: tuple[int, int], canvas: Canvas) -> tuple[int, int, int, int]:
    """The largest box of a canvas's shape in the middle of (width, height)."""
    wide, high = size
    if wide * canvas.height >= high * canvas.width:
        wide = max(1, round(high * canvas.width / canvas.height))
    else:
        high = max(1, round(wide * canvas.height / canvas.width))
    left, top = (size[0] - wide) // 2, (size[1] - high) // 2
    return left, top, left + wide, top + high


def identity(data: bytes, record: Record) -> bytes:
    """Names a picture file and its words: two that have the same are one. In another split it is another matter: a
    picture that is trained on counts as one also where a held-out one is the same.
    """
    parts = (data, record.text.encode(), record.style.encode(), record.split.encode())
    return hashlib.sha256(b"\0".join(parts)).digest()


def refuse_duplicate(digest: bytes, name: str, seen: dict[bytes, str]) -> None:
    """Refuse a picture that is among those that were seen, and count it among them otherwise.

    Args:
        digest: its :func:`identity`.
        name: the file's.
        seen: names of files by their digests.

    Raises:
        ValueError: it was seen.
    """
    if digest in seen:
        raise ValueError(f"same picture and caption as {seen[digest]}")
    seen[digest] = name


def reason(error: Exception, name: str = "") -> str:
    """Why a picture cannot be used, on one line; ``name`` tells the kind of file."""
    suffix = Path(name).suffix.lower()
    if isinstance(error, PictureError) and suffix in UNREADABLE:
        return f"{error}; {suffix} files are not read, save it as PNG or JPEG"
    return (getattr(error, "strerror", None) or str(error)).split("\n")[0][:200] or type(error).__name__
