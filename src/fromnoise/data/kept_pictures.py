"""Unpacked pictures in a file, for sets that are larger than memory.

``NAME.u8`` holds them one after the other, uint8 [N,3,H,W]; ``NAME.jsonl`` says what became of each file of the set, a
line for every thousand, and in its last line that all is done. NAME is made of everything that decides: a set that has
changed has another, and is unpacked anew. Who is interrupted goes on after the last whole line.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from platformdirs import user_cache_path
from torch import Tensor

from fromnoise.data.decoding import Taken, accepted, decoded
from fromnoise.data.reading import Canvas
from fromnoise.data.record import Entry
from fromnoise.ground.errors import UserError
from fromnoise.ground.mapped import mapped

READER = 1  # raised when the same file would be unpacked to other pixels
LINE, BUFFER = 1024, 2**24  # entries to a line at most, and bytes of their pictures


def kept_pictures(keep: Path | None, prefix: str, entries: Sequence[Entry], canvas: Canvas) -> tuple[Tensor, Taken]:
    """Pictures of a set as a mapped array, unpacked now or found where an earlier call left them.

    Args:
        keep: a folder for them, made where it is missing; None for a file that lasts as long as the array does.
        prefix: names the part of the set; an older file of that name is removed.
        entries: of the set.
        canvas: size and shape of the pictures.

    Returns:
        uint8 [N,3,H,W], and which entries they are of.

    Raises:
        UserError: the disk is full, or the folder cannot be written.
    """
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="fromnoise-", dir=_large(), ignore_cleanup_errors=True) as folder:
            return _kept(Path(folder), prefix, entries, canvas)
    return _kept(keep, prefix, entries, canvas)


def fingerprint(entries: Sequence[Entry], canvas: Canvas) -> str:
    """16 hex digits of everything that decides how a set is unpacked: its files and words, the size, the reader."""
    digest = hashlib.sha256(f"{READER} {canvas.name}".encode())
    for entry in entries:
        record = entry.record
        facts = (record.file_name, record.text, record.style, record.split, entry.stamp())
        digest.update("\0".join(facts).encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()[:16]


def _kept(folder: Path, prefix: str, entries: Sequence[Entry], canvas: Canvas) -> tuple[Tensor, Taken]:
    name = f"{prefix}-{fingerprint(entries, canvas)}"
    array, journal = folder / f"{name}.u8", folder / f"{name}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / f".{prefix}.lock"):
            taken, done = _begun(journal, array, canvas.bytes)
            if not done:
                _go_on(journal, array, (entries, canvas), taken)
                _remove_others(folder, prefix, name)
        return mapped(array, (len(taken.used), *canvas.shape), torch.uint8), taken
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot unpack pictures into {folder}: {reason}; free some space and run again") from error


def _go_on(journal: Path, array: Path, what: tuple[Sequence[Entry], Canvas], taken: Taken) -> None:
    """Unpack what is not there yet."""
    entries, canvas = what
    first, size = len(taken.used) + len(taken.left_out), canvas.bytes
    need, room = (len(entries) - first) * size, shutil.disk_usage(array.parent).free
    if need > room:
        raise OSError(f"{need / 2**30:.1f} GiB are needed and {room / 2**30:.1f} are free")
    at_once = max(1, min(LINE, BUFFER // size))
    buffer = torch.empty(at_once, *canvas.shape, dtype=torch.uint8)
    found = decoded(entries[first:], canvas)
    with contextlib.closing(found), array.open("ab") as pictures, journal.open("a", encoding="utf-8") as lines:
        for start in range(first, len(entries), at_once):
            before = len(taken.seen)
            new = accepted(entries, itertools.islice(found, at_once), buffer, Taken(seen=taken.seen), start)
            pictures.write(buffer[: len(new.used)].numpy().data)
            pictures.flush()  # before the line that speaks of it
            seen = dict(itertools.islice(taken.seen.items(), before, None))
            lines.write(_line(new, seen, last=start + at_once >= len(entries)))
            lines.flush()
            _add(taken, new)


def _line(new: Taken, seen: dict[bytes, str], last: bool) -> str:
    names = {base64.b64encode(digest).decode(): name for digest, name in seen.items()}
    told = {"used": new.used, "left_out": new.left_out, "films": new.films, "seen": names, "last": last}
    return json.dumps(told) + "\n"


def _begun(journal: Path, array: Path, size: int) -> tuple[Taken, bool]:
    """What an earlier call has done, and whether that is all; half a line, and pictures without one, are removed.

    Args:
        journal, array: the two files.
        size: of a picture, in bytes.
    """
    taken, whole, done = Taken(), 0, False
    there = array.stat().st_size // size if array.exists() else 0
    for line in journal.read_bytes().splitlines(keepends=True) if journal.exists() else ():
        told = _told(line)
        if told is None or len(taken.used) + len(told["used"]) > there:
            break
        left_out = [(number, reason) for number, reason in told["left_out"]]
        _add(taken, Taken(told["used"], left_out, told["films"]))
        taken.seen.update((base64.b64decode(digest), name) for digest, name in told["seen"].items())
        whole, done = whole + len(line), told["last"]
    for file, length in ((journal, whole), (array, len(taken.used) * size)):
        if file.exists() and file.stat().st_size > length:
            os.truncate(file, length)
    return taken, done


def _told(line: bytes) -> dict[str, Any] | None:
    """A line of the journal; None where it is not whole."""
    try:
        told: dict[str, Any] = json.loads(line)
    except ValueError:
        return None
    return told if line.endswith(b"\n") else None


def _add(taken: Taken, new: Taken) -> None:
    taken.used += new.used
    taken.left_out += new.left_out
    taken.films += new.films


def _remove_others(folder: Path, prefix: str, name: str) -> None:
    """Remove what was unpacked of the set as it was before."""
    for file in folder.glob(f"{prefix}-*"):
        if file.stem != name:
            file.unlink(missing_ok=True)


def _large() -> str | None:
    """A folder for temporary files that is on a disk, as that for caches is; where others lie is in memory on many
    systems. None where there is none that can be written."""
    if "TMPDIR" in os.environ:  # somebody knows better
        return None
    try:
        return str(user_cache_path("fromnoise", ensure_exists=True))
    except OSError:
        return None
