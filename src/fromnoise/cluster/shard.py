"""Shards: tar files of pictures in the WebDataset layout, written so that whatever was drawn is never drawn again.

A picture is three neighbouring members of one name: ``0007.png``, byte for byte what ``--prompts`` would have written,
``0007.txt``, the words as the model read them, and ``0007.json``, how it was drawn. Nothing of the time, the machine or
the worker goes into a shard, so that the same job gives the same bytes.

A worker writes into a draft of its own and flushes it batch by batch; the whole draft is renamed to the shard. Whoever
does the shard after a worker that died reads what is whole in its draft and goes on. So two workers on one shard, as
after a broken connection, never write into one file, and whoever is last puts the same bytes in place.
"""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import socket
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from fromnoise.drawing.picture_file import origin_in
from fromnoise.ground.errors import UserError
from fromnoise.ground.json_file import parsed
from fromnoise.ground.pictures import open_picture

MEMBERS = ("png", "txt", "json")
DRAFT = ".part"


@dataclass(frozen=True)
class Sample:
    """One picture of a shard.

    Attributes:
        key: its name, the number of its line.
        png: the picture's file.
        text: the words as the model read them, style included.
        facts: how it was drawn, as JSON has it.
    """

    key: str
    png: bytes
    text: str
    facts: dict[str, Any]

    @property
    def line(self) -> int:
        """The number of its line, counted from 0."""
        return int(self.key)


def shard_name(number: int) -> str:
    """The file of a shard: "00012.tar"."""
    return f"{number:05d}.tar"


def is_whole(file: Path) -> bool:
    """Whether a shard is there to its end: a tar ends in two empty blocks, and what was cut off does not."""
    try:
        with file.open("rb") as stream:
            size = stream.seek(0, os.SEEK_END)
            if size < tarfile.RECORDSIZE or size % tarfile.RECORDSIZE:
                return False
            stream.seek(-2 * tarfile.BLOCKSIZE, os.SEEK_END)
            return not any(stream.read())
    except FileNotFoundError:
        return False


def samples_in(file: Path) -> Iterator[Sample]:
    """The pictures of a shard or a draft in their order, as far as they are whole."""
    with (
        contextlib.suppress(tarfile.TarError, OSError, ValueError, KeyError, UserError),
        tarfile.open(file, "r:") as tar,
    ):
        parts: dict[str, bytes] = {}
        for member in tar:
            key, _, kind = member.name.partition(".")
            opened = tar.extractfile(member)
            if opened is None or kind != MEMBERS[len(parts)]:
                return
            parts[kind] = opened.read()
            if len(parts) == len(MEMBERS):
                open_picture(parts["png"], formats=("PNG",))  # after a power cut it may be zeros
                origin_in(parts["png"], key)
                facts = parsed(parts["json"], key)
                if not key.isdecimal() or not isinstance(facts, dict):
                    return
                yield Sample(key, parts["png"], parts["txt"].decode(), facts)
                parts = {}


class Draft:
    """A shard being written.

    Args:
        folder: of the shards.
        number: of this one.
        mark: what its name says of it.
    """

    def __init__(self, folder: Path, number: int, mark: str = "") -> None:
        self.target = folder / shard_name(number)
        self.file, self.stream = _new(folder, f".{self.target.stem}.{mark}.{socket.gethostname()}-{os.getpid()}")
        self.tar = tarfile.open(fileobj=self.stream, mode="w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115

    def add(self, samples: Sequence[Sample]) -> None:
        """Write pictures, so that they outlive this process."""
        for sample in samples:
            facts = json.dumps(sample.facts, ensure_ascii=False, sort_keys=True)
            for kind, data in zip(MEMBERS, (sample.png, sample.text.encode(), facts.encode()), strict=True):
                member = tarfile.TarInfo(f"{sample.key}.{kind}")  # no time, no owner: the same bytes every time
                member.size = len(data)
                self.tar.addfile(member, io.BytesIO(data))
        self.stream.flush()

    def finish(self) -> None:
        """Put it in the shard's place."""
        self.tar.close()
        self.stream.flush()
        os.fsync(self.stream.fileno())
        self.stream.close()
        try:
            os.replace(self.file, self.target)
        except FileNotFoundError:  # we were thought dead, and another has finished the shard and tidied up
            if not is_whole(self.target):
                raise

    def abandon(self) -> None:
        """Close it and leave it there for whoever goes on; nothing after :meth:`finish`."""
        self.stream.close()


def _new(folder: Path, name: str) -> tuple[Path, BinaryIO]:
    """A file that nobody has: one of another life of this process's number holds what is to be taken up."""
    for i in itertools.count():
        with contextlib.suppress(FileExistsError):
            file = folder / f"{name}-{i}{DRAFT}"
            return file, file.open("xb")
    raise AssertionError("numbers never end")


def longest_draft(folder: Path, number: int) -> tuple[Path | None, list[int]]:
    """What others have drawn of a shard before they ended: the file that holds most of it, and its lines.

    All drafts of a shard begin alike, so the longest holds what the others do. A damaged shard counts as one.
    """
    best: tuple[Path | None, list[int]] = None, []
    for file in others_of(folder, number):
        lines = [sample.line for sample in samples_in(file)]
        best = (file, lines) if len(lines) > len(best[1]) else best
    return best


def others_of(folder: Path, number: int) -> list[Path]:
    """What lies in the folder of a shard that is not done: drafts, and the shard itself if it is damaged."""
    target = folder / shard_name(number)
    return [*([target] if target.exists() else []), *sorted(folder.glob(f".{target.stem}.*{DRAFT}"))]
