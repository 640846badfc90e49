"""WebDataset: tar files in which files of one name belong together, as img2dataset and others write them.

``000/cat.jpg``, ``000/cat.txt`` and ``000/cat.json`` are one picture, its caption, and more about it. The tar files are
read once for their table of contents and captions; pictures stay in them until they are asked for. Where no file of a
name has a picture's suffix, one that begins as a picture does is taken for it.
"""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fromnoise.data.columns import captioned
from fromnoise.data.hidden import HIDDEN
from fromnoise.data.kinds import UNREADABLE
from fromnoise.data.record import Found, record_of, stamp_of, too_long
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import MARKED, begins_as_picture, is_picture, readable_suffixes
from fromnoise.ground.text import decoded


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
    """What is known of the files of one name so far: a picture, other files that may be one, and what is ``said``."""

    picture: ShardPicture | None = None
    others: list[tuple[str, ShardPicture]] = field(default_factory=list)
    said: bool = False
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
    hidden: dict[str, _Sample] = {}
    try:
        with tarfile.open(file, "r:") as tar:
            for member in _files(tar):
                _take_in(file, tar, member, hidden if _is_hidden(member.name) else samples)
    except (OSError, tarfile.TarError, EOFError) as error:
        found.left_out.append((place, f"it cannot be read as a tar file to its end: {str(error)[:100]}"))
    for key, sample in samples.items():
        for second in _choose(sample):
            found.noted.append((f"{place}/{second}", "not read, for another picture has its name"))
        if sample.picture is not None or sample.said:
            _add(found, f"{place}/{sample.name or key}", sample, split)
    unread = Found()
    for key, sample in hidden.items():
        _add(unread, f"{place}/{sample.name or key}", sample, split)
    found.noted.extend((entry.record.file_name, HIDDEN) for entry in unread.entries)


def _files(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """The files of a tar file, without the "._cat.jpg" of macOS, which hold no picture; which is not to remember them
    all."""
    while (member := tar.next()) is not None:
        tar.members = []  # type: ignore[attr-defined]
        if member.isreg() and not member.name.rpartition("/")[2].startswith("._"):
            yield member


def _is_hidden(name: str) -> bool:
    """Whether a member's name, or its folder's, begins with a dot."""
    return any(part.startswith(".") for part in name.removeprefix("./").split("/"))


def _take_in(file: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, samples: dict[str, _Sample]) -> None:
    folders, _, name = member.name.rpartition("/")
    stem, _, ending = name.lstrip(".").partition(".")  # as WebDataset has it: the name ends at its first dot
    suffix = f".{ending.rpartition('.')[-1].lower()}"
    pictures = readable_suffixes() | UNREADABLE
    sample = samples.setdefault(f"{folders}/{stem}" if folders else stem, _Sample())
    here = ShardPicture(file, member.offset_data, member.size)
    if suffix in pictures:
        if sample.picture is None:
            sample.picture, sample.name = here, member.name
        else:
            sample.wrong = f"{member.name} is a second picture of that name"
        return
    if suffix not in (".txt", ".caption", ".json"):
        sample.others.append((member.name, here))
        return
    sample.said = True
    if wrong := too_long(member.size, f"its {suffix[1:]} file"):
        sample.wrong = wrong
        return
    try:
        opened = tar.extractfile(member)
        text = decoded(b"" if opened is None else opened.read())
        if suffix != ".json":
            sample.text = " ".join(text.split())
        elif isinstance(facts := json.loads(text), dict):
            sample.facts = facts
    except UnicodeDecodeError:
        sample.wrong = f"its {suffix[1:]} file is no text in UTF-8"
    except (ValueError, RecursionError) as error:
        sample.wrong = f"its {suffix[1:]} file cannot be read: {str(error)[:100]}"


def _choose(sample: _Sample) -> list[str]:
    """Take a picture whose suffix is none for that of its name, where there is no other; returns what such pictures
    are left."""
    found = [(name, picture) for name, picture in sample.others if _is_picture(picture)]
    if sample.picture is None and found:
        sample.name, sample.picture = found.pop(0)
    return [name for name, _ in found]


def _is_picture(member: ShardPicture) -> bool:
    """Whether a member is a picture, of which more than the first bytes is read only where these speak for it."""
    try:
        head = replace(member, size=min(member.size, MARKED)).read_bytes()
        return begins_as_picture(head) and is_picture(member.read_bytes())
    except (OSError, ValueError):
        return False


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
