"""Folders of captioned pictures: opened, checked, and brought to one size.

A folder has ``metadata.jsonl`` (``file_name``, ``text``, more if known), as Hugging Face ``datasets`` reads it, or a
``.txt`` caption beside each picture. A packed parquet file (:mod:`fromnoise.data.pack`) holds the same in one file.
A picture that cannot be used is put in quarantine and named; it never ends a run.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from fromnoise.data.record import Record
from fromnoise.data.starter import starter_path
from fromnoise.ground.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff")
FAILURES = (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError)
MOST_PIXELS = 64 * 2**20  # beyond this a file is a decompression bomb, not a training picture


@dataclass(frozen=True)
class PictureSet:
    """Pictures in memory.

    Attributes:
        images: uint8 [N,3,P,P], on white.
        records: what is known about each.
        quarantine: (file, reason) of everything that was left out.
    """

    images: Tensor
    records: list[Record]
    quarantine: list[tuple[str, str]]


@dataclass(frozen=True)
class Entry:
    """One picture that has not been decoded yet: its facts and where its bytes are."""

    record: Record
    source: Path | bytes

    def read(self) -> bytes:
        """The file's bytes."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


def load_folder(
    path: Path | str,
    pixels: int,
    split: str | None = None,
    styles: Iterable[str] | None = None,
    groups: Iterable[str] | None = None,
    said_styles: bool = True,
) -> PictureSet:
    """Read a folder, a packed file or the built-in "starter" set.

    Args:
        path: where the pictures are.
        pixels: side of the square they are brought to: fitted inside, the rest padded with white, so nothing of a
            sticker is cropped away.
        split: keep only this split ("train", "test_pair", "test_concept"); None keeps all.
        styles: keep only these styles.
        groups: keep only these groups.
        said_styles: take the end of "a cat, linocut style" for the picture's style.

    Raises:
        UserError: nothing there, or nothing with a caption.
    """
    entries, quarantine = entries_of(path, said_styles)
    chosen = [e for e in entries if wanted(e.record, split, styles, groups)]
    images, records = [], []
    seen: dict[str, str] = {}
    for entry in chosen:
        try:
            data = entry.read()
            _refuse_duplicate(data, entry.record, seen)
            images.append(decode(data, pixels))
            records.append(entry.record)
        except FAILURES as error:
            quarantine.append((entry.record.file_name, reason(error)))
    stacked = torch.from_numpy(np.stack(images)) if images else torch.zeros(0, 3, pixels, pixels, dtype=torch.uint8)
    return PictureSet(stacked, records, quarantine)


def thinned(pictures: PictureSet, most: int) -> PictureSet:
    """At most ``most`` of the pictures, spread over all of them; a recipe's ``data.limit``, where 0 takes all."""
    if not most or len(pictures.records) <= most:
        return pictures
    return some(pictures, [i * len(pictures.records) // most for i in range(most)])


def some(pictures: PictureSet, chosen: list[int]) -> PictureSet:
    """Some of the pictures, by number."""
    return PictureSet(pictures.images[chosen], [pictures.records[i] for i in chosen], pictures.quarantine)


def decode(data: bytes, pixels: int) -> np.ndarray:
    """Decode a picture file to uint8 [3,pixels,pixels] on white, EXIF rotation applied, first frame of many.

    Raises:
        ValueError, OSError: not a picture, truncated, or too large.
    """
    if not data:
        raise ValueError("the file is empty")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        picture = Image.open(io.BytesIO(data))
    if picture.width * picture.height > MOST_PIXELS:
        raise ValueError(f"{picture.width}×{picture.height} pixels are more than {MOST_PIXELS:,}")
    picture.seek(0)
    picture.load()
    return fit(_to_rgba(ImageOps.exif_transpose(picture)), pixels).transpose(2, 0, 1)


def fit(picture: Image.Image, pixels: int) -> np.ndarray:
    """Scale an RGBA picture to fit a square, centre it, compose it on white: uint8 [pixels,pixels,3].

    Scaling happens with premultiplied alpha; otherwise the colour of invisible pixels bleeds into the edges.
    """
    width, height = (max(1, round(side * pixels / max(picture.size))) for side in picture.size)
    size = (width, height)
    rgba = np.asarray(picture, np.float32)
    rgba = np.concatenate([rgba[..., :3] * rgba[..., 3:] / 255, rgba[..., 3:]], axis=-1)
    if size != picture.size:
        bands = [Image.fromarray(rgba[..., i]).resize(size, Image.Resampling.LANCZOS) for i in range(4)]
        rgba = np.stack([np.asarray(band) for band in bands], axis=-1)
    small = np.clip(rgba[..., :3] + 255 - rgba[..., 3:], 0, 255)
    square = np.full((pixels, pixels, 3), 255, np.uint8)
    top, left = (pixels - size[1]) // 2, (pixels - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = np.round(small).astype(np.uint8)
    return square


def _to_rgba(picture: Image.Image) -> Image.Image:
    if picture.mode in ("I", "I;16", "I;16B", "I;16L", "F"):  # 16 bits: keep the high ones instead of clipping
        values = np.asarray(picture, np.float64)
        scale = 255 / 65535 if values.max() > 255 else 1.0
        picture = Image.fromarray(np.clip(values * scale, 0, 255).astype(np.uint8))
    return picture.convert("RGBA")


def entries_of(place: Path | str, said_styles: bool = True) -> tuple[list[Entry], list[tuple[str, str]]]:
    """All captioned pictures of a folder, a packed file or "starter", not decoded, and (file, reason) of the others.

    The end of a caption "a cat, linocut style" is taken for the picture's style unless ``said_styles`` is off.

    Raises:
        UserError: nothing there, or nothing with a caption.
    """
    entries, quarantine = _entries_of(place)
    if said_styles:
        entries = [dataclasses.replace(e, record=e.record.with_said_style()) for e in entries]
    return entries, quarantine


def _entries_of(place: Path | str) -> tuple[list[Entry], list[tuple[str, str]]]:
    path = starter_path() if str(place) == "starter" else Path(place)
    if path.is_file() and path.suffix == ".parquet":
        from fromnoise.data.pack import unpack

        return [Entry(record, data) for record, data in unpack(path)], []
    if path.is_file():
        raise UserError(f"{path} is a file; data is a folder of pictures, a .parquet file, or 'starter'")
    if not path.is_dir():
        raise UserError(f"there is no data folder {path}; build one with: fromnoise data stickers --out {path}")
    quarantine: list[tuple[str, str]] = []
    lines = path / "metadata.jsonl"
    entries = list(_from_metadata(path, lines, quarantine) if lines.exists() else _from_text(path, quarantine))
    if not entries:
        raise UserError(f"{path} holds no captioned pictures: it needs a metadata.jsonl or .txt files beside pictures")
    return entries, quarantine


def _from_metadata(folder: Path, lines: Path, quarantine: list[tuple[str, str]]) -> Iterator[Entry]:
    names = {field.name for field in dataclasses.fields(Record)}
    for number, line in enumerate(lines.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            facts = _facts(line)
            record = Record.from_dict({k: v for k, v in facts.items() if k in names and v is not None})
            file = _inside(folder, record.file_name)
        except (ValueError, TypeError, UserError, AttributeError) as error:
            quarantine.append((f"metadata.jsonl line {number}", reason(error)))
            continue
        if not record.text.strip():
            quarantine.append((record.file_name, "the caption is empty"))
        elif not file.is_file():
            quarantine.append((record.file_name, "the file is missing"))
        else:
            yield Entry(record, file)


def _facts(line: bytes) -> dict[str, Any]:
    """One line of metadata.jsonl as an object with a file name and a caption."""
    try:
        facts: Any = json.loads(line.decode("utf-8"))
    except ValueError as error:
        raise ValueError(f"not a line of JSON in UTF-8 ({error})") from None
    if not isinstance(facts, dict):
        raise ValueError("not a JSON object")
    for name in ("file_name", "text"):
        if not isinstance(facts.get(name), str):
            raise ValueError(f"it has no {name}")
    return facts


def _from_text(folder: Path, quarantine: list[tuple[str, str]]) -> Iterator[Entry]:
    for file in sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file()):
        name = file.relative_to(folder).as_posix()
        if any(part.startswith(".") for part in name.split("/")):  # hidden: thumbnails, environments
            continue
        caption = file.with_suffix(".txt")
        try:
            text = " ".join(caption.read_text(encoding="utf-8").split())
        except FileNotFoundError:
            quarantine.append((name, f"no caption: {caption.name} is missing"))
            continue
        except (OSError, UnicodeDecodeError) as error:
            quarantine.append((name, reason(error)))
            continue
        if text:
            yield Entry(Record(file_name=name, text=text, key=f"name:{text.lower()}"), file)
        else:
            quarantine.append((name, "the caption is empty"))


def _inside(folder: Path, name: str) -> Path:
    """The file's path, refused when it leads out of the folder."""
    file = folder / name
    if not file.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"'{name}' leads out of the folder")
    return file


def wanted(record: Record, split: str | None, styles: Iterable[str] | None, groups: Iterable[str] | None) -> bool:
    """Whether a record is of this split, these styles and these groups; None takes all."""
    return (
        (split is None or record.split == split)
        and (styles is None or record.style in styles)
        and (groups is None or record.group in groups)
    )


def _refuse_duplicate(data: bytes, record: Record, seen: dict[str, str]) -> None:
    digest = hashlib.sha256(data + record.text.encode() + record.style.encode()).hexdigest()
    if digest in seen:
        raise ValueError(f"same picture and caption as {seen[digest]}")
    seen[digest] = record.file_name


def reason(error: Exception) -> str:
    """Why a picture cannot be used, on one line."""
    if isinstance(error, UnidentifiedImageError):
        return "it is not a picture that can be read"  # Pillow's own words name an address in memory
    return str(error).split("\n")[0][:200] or type(error).__name__
