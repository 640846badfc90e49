"""Graphs on disk, so that a model is exported once. An entry that is damaged is made again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

from fromnoise.ground.errors import UserError
from fromnoise.weights.files import replaced_folder

SUMS = "sums.json"  # written last: the SHA-256 of every other file of an entry


def cache_folder() -> Path:
    """Where fromnoise keeps what it can make again: $FROMNOISE_CACHE, or "fromnoise" in the user's cache folder."""
    own = os.environ.get("FROMNOISE_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    try:
        return (Path(shared) if shared else Path.home() / ".cache") / "fromnoise"
    except RuntimeError:
        raise UserError("there is no home folder for the cache; set FROMNOISE_CACHE to a folder") from None


def cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of an entry, made first if it is missing or not as it was written.

    Args:
        name: of the entry; everything that its content depends on is part of the name.
        make: writes the entry's files into a folder.

    Raises:
        UserError: the cache cannot be written.
    """
    entry = cache_folder() / name
    if _is_whole(entry):
        return entry
    if entry.is_dir():
        (entry / SUMS).touch()  # ours, whatever is left of it
    with replaced_folder(entry, SUMS) as draft:
        make(draft)
        sums = {file.name: _sum(file) for file in sorted(draft.iterdir())}
        (draft / SUMS).write_text(json.dumps(sums), encoding="utf-8")
    return entry


def _is_whole(entry: Path) -> bool:
    try:
        sums = json.loads((entry / SUMS).read_text(encoding="utf-8"))
        return bool(sums) and all(_sum(entry / name) == value for name, value in sums.items())
    except (OSError, ValueError, AttributeError):
        return False


def _sum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
