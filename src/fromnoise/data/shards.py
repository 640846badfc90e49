"""WebDataset: tar files in which files of one name belong together, as img2dataset and others write them.

``000/cat.jpg``, ``000/cat.txt`` and ``000/cat.json`` are one picture, its caption, and more about it. The tar files are
read once for their table of contents and captions; pictures stay in them until they are asked for.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fromnoise.data.columns import captioned
from fromnoise.data.kinds import UNREADABLE
from fromnoise.data.record import Found, record_of, stamp_of
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import readable_suffixes
from fromnoise.ground.text import decoded

LONGEST = 1 << 20  # bytes of a caption or of what else is said of one picture


@dataclass(frozen=True)
class ShardPicture:
    """A picture in a tar file.

    Attributes:
        file: the tar file.
        start, size: where in it, in bytes.
    """

    file: Path
    start: int
    size: int

    def read_bytes(self) -> bytes:
        """The picture file's bytes."""
        with self.file.open("rb") as opened:
            opened.seek(self.start)
            data = opened.read(self.size)
        if len(data) < self.size:
            raise ValueError(f"{self.file.name} is cut off before its end")
        return data

    def stamp(self) -> str:
        """Changes when the tar file does."""
        return f"{stamp_of(self.file)} {self.start}"


@dataclass
class _Sample:
    """What is known of the files of one name so far."""

    picture: ShardPicture | None = None
    name: str = ""
    text: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    wrong: str = ""


def add_shard(file: Path, folder: Path, found: Found, split: str = "") -> None:
    """Take in all pictures of a tar file.

    Args:
        file: the tar file.
        folder: that its pictures are named from: "train-000.tar/000/cat.jpg".
        found: takes them in; what is damaged is left out by name, and so is a tar file that is none.
        split: of samples that name none.
    """
    place = file.relative_to(folder).as_posix()
    samples: dict[str, _Sample] = {}
    try:
        with tarfile.open(file, "r:") as tar:
            for member in _files(tar):
                _take_in(file, tar, member, samples)
    except (OSError, tarfile.TarError, EOFError) as error:
        found.left_out.append((place, f"it cannot be read as a tar file to its end: {str(error)[:100]}"))
    for key, sample in samples.items():
        _add(found, f"{place}/{sample.name or key}", sample, split)


def _files(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The files of a tar file; which is not to remember them all."""
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]
        hidden = any(part.startswith(".") for part in member.name.removeprefix("./").split("/"))
        if member.isreg() and not hidden:
            yield member


def _take_in(file: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, samples: dict[str, _Sample]) -> None:
    folders, _, name = member.name.rpartition("/")
    stem, _, ending = name.partition(".")  # as WebDataset has it: the name ends at its first dot
    suffix = f".{ending.rpartition('.')[-1].lower()}"
    pictures = readable_suffixes() | UNREADABLE
    if suffix not in (*pictures, ".txt", ".caption", ".json"):
        return
    sample = samples.setdefault(f"{folders}/{stem}" if folders else stem, _Sample())
    if suffix in pictures:
        if sample.picture is None:
            sample.picture, sample.name = ShardPicture(file, member.offset_data, member.size), member.name
        else:
            sample.wrong = f"{member.name} is a second picture of that name"
        return
    try:
        if member.size > LONGEST:
            raise ValueError(f"it has {member.size:,} bytes")
        opened = tar.extractfile(member)
        text = decoded(b"" if opened is None else opened.read())
        if suffix != ".json":
            sample.text = " ".join(text.split())
        elif isinstance(facts := json.loads(text), dict):
            sample.facts = facts
    except (ValueError, RecursionError) as error:
        sample.wrong = f"its {suffix[1:]} file cannot be read: {str(error)[:100]}"


def _add(found: Found, name: str, sample: _Sample, split: str) -> None:
    facts = captioned(sample.facts) | ({} if sample.text is None else {"text": sample.text})
    facts |= {"file_name": name, "split": facts.get("split") or split}
    try:
        if sample.picture is None:
            raise ValueError("there is a caption, but no picture of that name")
        if sample.wrong:
            raise ValueError(sample.wrong)
        if facts.get("text") is None:
            raise ValueError("no caption: there is no .txt of that name, and no .json with a text or caption")
        found.add(facts, record_of(facts), sample.picture)
    except (ValueError, TypeError, UserError) as error:
        found.left_out.append((name, str(error)[:200]))
