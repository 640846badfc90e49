"""Sets of captioned pictures: opened, checked, and brought to one size.

Where sets come from is told by :mod:`fromnoise.data.places`. A picture that cannot be used is put in quarantine and
named; it never ends a run.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fromnoise.data.folders import UNREADABLE
from fromnoise.data.places import entries_of
from fromnoise.data.record import TRAIN, Record
from fromnoise.ground.pictures import PictureError, open_picture, read_picture

MOST_TOLD = 10  # files that are named one by one


@dataclass(frozen=True)
class PictureSet:
    """Pictures in memory.

    Attributes:
        images: uint8 [N,3,P,P], on white.
        records: what is known about each.
        quarantine: (file, reason) of everything that was left out.
        notes: what else somebody should know who trains on them, a sentence each.
    """

    images: Tensor
    records: list[Record]
    quarantine: list[tuple[str, str]]
    notes: list[str] = field(default_factory=list)


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
    found = entries_of(path, said_styles)
    chosen = [entry for entry in found.entries if wanted(entry.record, split, styles, groups)]
    images = torch.zeros(len(chosen), 3, pixels, pixels, dtype=torch.uint8)  # written in place: they are held but once
    records: list[Record] = []
    quarantine, notes = list(found.left_out), list(found.notes)
    seen: dict[bytes, str] = {}
    for entry in chosen:
        name = entry.record.file_name
        try:
            data = entry.read()
            refuse_duplicate(identity(data, entry.record), name, seen)
            opened = read_picture(data)
            images[len(records)] = torch.from_numpy(fit(opened.image, pixels).transpose(2, 0, 1).copy())
            records.append(entry.record)
            if opened.many:
                notes.append(f"{name} holds several pictures; the first is used")
        except (OSError, ValueError) as error:
            quarantine.append((name, reason(error, name)))
    return PictureSet(images[: len(records)], records, quarantine, notes)


def told(*sets: PictureSet) -> list[str]:
    """Lines that say what was left out of several sets of one place, and why: ten files by name, the others counted."""
    notes = list(dict.fromkeys(note for pictures in sets for note in pictures.notes))
    left_out = list(dict.fromkeys(pair for pictures in sets for pair in pictures.quarantine))
    lines = _some_told(notes)
    lines += [f"left out {file}: {why}" for file, why in left_out[:MOST_TOLD]]
    if more := left_out[MOST_TOLD:]:
        reasons = Counter(why for _, why in more).most_common(3)
        lines.append(f"and {len(more):,} more are left out ({'; '.join(f'{n:,}: {why}' for why, n in reasons)})")
    return lines


def _some_told(notes: list[str]) -> list[str]:
    more = len(notes) - MOST_TOLD
    return [*notes[:MOST_TOLD], *([f"and {more:,} more such files"] if more > 0 else [])]


def why_none(place: Path | str, styles: Sequence[str] | None, groups: Sequence[str] | None) -> str:
    """Why a place with captioned pictures has none to train on, as the end of a sentence about it."""
    found = entries_of(place)
    chosen = [e for e in found.entries if wanted(e.record, None, styles, groups)]
    if not chosen:
        known = ", ".join(sorted({e.record.style for e in found.entries if e.record.style})[:12]) or "none"
        return f"has no usable training pictures with the recipe's styles and groups (its styles: {known})"
    if not any(e.record.split == TRAIN for e in chosen):
        named = ", ".join(f"'{name}'" for name in found.splits)
        return f"has no training pictures: by their split ({named}) all are held out; give some the split 'train'"
    return f"has no usable training pictures: none of the {len(chosen):,} can be read"


def thinned(pictures: PictureSet, most: int) -> PictureSet:
    """At most ``most`` of the pictures, spread over all of them; a recipe's ``data.limit``, where 0 takes all."""
    if not most or len(pictures.records) <= most:
        return pictures
    return some(pictures, [i * len(pictures.records) // most for i in range(most)])


def some(pictures: PictureSet, chosen: list[int]) -> PictureSet:
    """Some of the pictures, by number."""
    return PictureSet(
        pictures.images[chosen], [pictures.records[i] for i in chosen], pictures.quarantine, pictures.notes
    )


def decode(data: bytes, pixels: int) -> np.ndarray:
    """Decode a picture file to uint8 [3,pixels,pixels] on white, EXIF rotation applied, first frame of many.

    Raises:
        PictureError: not a picture, truncated, or too large.
    """
    return fit(open_picture(data), pixels).transpose(2, 0, 1)


def fit(picture: Image.Image, pixels: int) -> np.ndarray:
    """Scale an RGB or RGBA picture to fit a square, centre it, compose it on white: uint8 [pixels,pixels,3].

    Scaling happens with premultiplied alpha; otherwise the colour of invisible pixels bleeds into the edges.
    """
    width, height = (max(1, round(side * pixels / max(picture.size))) for side in picture.size)
    size = (width, height)
    rgba = np.asarray(picture.convert("RGBA"), np.float32)
    rgba = np.concatenate([rgba[..., :3] * rgba[..., 3:] / 255, rgba[..., 3:]], axis=-1)
    if size != picture.size:
        bands = [Image.fromarray(rgba[..., i]).resize(size, Image.Resampling.LANCZOS) for i in range(4)]
        rgba = np.stack([np.asarray(band) for band in bands], axis=-1)
    small = np.clip(rgba[..., :3] + 255 - rgba[..., 3:], 0, 255)
    square = np.full((pixels, pixels, 3), 255, np.uint8)
    top, left = (pixels - size[1]) // 2, (pixels - size[0]) // 2
    square[top : top + size[1], left : left + size[0]] = np.round(small).astype(np.uint8)
    return square


def wanted(record: Record, split: str | None, styles: Iterable[str] | None, groups: Iterable[str] | None) -> bool:
    """Whether a record is of this split, these styles and these groups; None takes all."""
    return (
        (split is None or record.split == split)
        and (styles is None or record.style in styles)
        and (groups is None or record.group in groups)
    )


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
