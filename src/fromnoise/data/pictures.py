"""Sets of captioned pictures: opened, checked, and brought to one size.

Where sets come from is told by :mod:`fromnoise.data.places`. A picture that cannot be used is put in quarantine and
named; it never ends a run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor

from fromnoise.data.decoding import accepted, decoded
from fromnoise.data.kept_pictures import kept_pictures
from fromnoise.data.places import entries_of
from fromnoise.data.reading import AS_IT_LIES, Canvas, Reading, square
from fromnoise.data.record import TRAIN, Entry, Found, Record

MOST_TOLD = 10  # files that are named one by one
IN_MEMORY = 2**28  # bytes of pictures; of more than that, only those that are looked at are in memory


@dataclass(frozen=True)
class PictureSet:
    """Pictures of one size, in memory or, where they are many, in a file (:mod:`fromnoise.ground.mapped`).

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
    reading: Reading = AS_IT_LIES,
    keep: Path | None = None,
) -> PictureSet:
    """Read the pictures of a place.

    Args:
        path: where the pictures are, as :func:`fromnoise.data.places.entries_of` takes it.
        pixels: side of the square they are brought to.
        split: keep only this split ("train", "test_pair", "test_concept"); None keeps all.
        styles: keep only these styles.
        groups: keep only these groups.
        reading: how styles are found and squares are made of them.
        keep: a folder for pictures that are too many for memory, to be found there again; None unpacks them anew.

    Raises:
        UserError: nothing there, or nothing with a caption; the disk is full.
    """
    found = entries_of(path, reading)
    chosen = [entry for entry in found.entries if wanted(entry.record, split, styles, groups)]
    return brought_to(square(pixels, reading.fit), chosen, found, keep, split or "all")


def brought_to(canvas: Canvas, chosen: list[Entry], found: Found, keep: Path | None, prefix: str) -> PictureSet:
    """Some of what was found, as pictures of one size.

    Args:
        canvas: the size.
        chosen: of the found ones.
        found: what else is told of the place.
        keep: see :func:`load_folder`.
        prefix: names this part of the set there.

    Raises:
        UserError: the disk is full.
    """
    if len(chosen) * canvas.bytes > IN_MEMORY:
        images, taken = kept_pictures(keep, prefix, chosen, canvas)
    else:
        images = torch.zeros(len(chosen), *canvas.shape, dtype=torch.uint8)
        taken = accepted(chosen, decoded(chosen, canvas), images)
        images = images[: len(taken.used)]
    notes = [f"{chosen[i].record.file_name} holds several pictures; the first is used" for i in taken.films]
    left_out = [(chosen[i].record.file_name, why) for i, why in taken.left_out]
    records = [chosen[i].record for i in taken.used]
    return PictureSet(images, records, [*found.left_out, *left_out], [*found.notes, *notes])


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


def wanted(record: Record, split: str | None, styles: Iterable[str] | None, groups: Iterable[str] | None) -> bool:
    """Whether a record is of this split, these styles and these groups; None takes all."""
    return (
        (split is None or record.split == split)
        and (styles is None or record.style in styles)
        and (groups is None or record.group in groups)
    )
