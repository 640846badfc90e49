"""Where pictures come from: a folder as people keep it, packed files, WebDataset, sets of Hugging Face ``datasets``."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from fromnoise.data.aside import divided
from fromnoise.data.below import all_below
from fromnoise.data.folders import read_folder
from fromnoise.data.kinds import is_archive, is_packed
from fromnoise.data.packed import DRAWINGS_FILE, add_packed, pyarrow, read_packed
from fromnoise.data.reading import AS_IT_LIES, Reading
from fromnoise.data.record import SPLITS, Found, NothingFound, Record
from fromnoise.data.saved import HUB, is_saved, read_saved
from fromnoise.data.shards import add_shard
from fromnoise.data.starter import starter_path
from fromnoise.ground.errors import UserError

KINDS = {".parquet": add_packed, ".tar": add_shard}  # files that hold many pictures


def entries_of(place: Path | str, reading: Reading = AS_IT_LIES) -> Found:
    """All captioned pictures of a place, not decoded, and what is left out.

    Args:
        place: "starter", a folder, a parquet or tar file, a folder of those, one saved by Hugging Face ``datasets``,
            or "hf:owner/name" on the hub.
        reading: how.

    Raises:
        UserError: nothing there, or nothing with a caption.
    """
    found = _entries_of(place)
    entries = [replace(e, record=_read_by(reading, e.record)) for e in found.entries]
    return replace(found, entries=divided(entries, reading.aside))


def _read_by(reading: Reading, record: Record) -> Record:
    record = record.with_said_style() if reading.said_styles else record
    return record.with_tags() if reading.tags else record


def _entries_of(place: Path | str) -> Found:
    if str(place).startswith(HUB):
        return read_saved(str(place))
    path = starter_path() if str(place) == "starter" else Path(place)
    if path.is_file():
        return _from_file(path)
    if not path.is_dir():
        raise UserError(_nothing_at(path))
    if (path / DRAWINGS_FILE).is_file():
        raise UserError(
            f"{path} holds drawings, of which pictures are made. Make some and give them: fromnoise data world "
            f"--drawings {path} --out world.parquet --count 2000"
        )
    if is_saved(path):
        return read_saved(str(path))
    return _from_folder(path)


def _from_file(path: Path) -> Found:
    if path.suffix.lower() == ".parquet":
        return read_packed(path)
    if is_archive(path):
        raise UserError(f"{path} is not read as it is: unpack it and give the folder, or the .tar file, that comes out")
    if path.suffix.lower() != ".tar":
        raise UserError(f"{path} is a file; data is a folder of pictures, a .parquet or .tar file, or 'starter'")
    return _from_files(path.parent, [path])


def _from_folder(folder: Path) -> Found:
    """Captioned pictures that are files of their own, or, where there are none, those of all packed files in it."""
    packs = [f for f in all_below(folder, Found()).files if is_packed(f) and f.is_file()]
    try:
        found = read_folder(folder)
    except NothingFound as nothing:
        if not packs:
            raise
        found = _from_files(folder, packs)
        found.left_out.extend(nothing.found.left_out)
        found.noted.extend(nothing.found.noted)
        return found
    found.not_read([file.relative_to(folder).as_posix() for file in packs])
    return found


def _from_files(folder: Path, files: list[Path]) -> Found:
    """All pictures of some packed files; one that cannot be read is left out by name, unless nothing else is there."""
    found, wrong = Found(), None
    if any(file.suffix.lower() == ".parquet" for file in files):
        pyarrow()
    for file in files:
        place = file.relative_to(folder)
        try:
            KINDS[file.suffix.lower()](file, folder, found, _split_named_by(place))
        except UserError as error:
            wrong = wrong or error
            found.left_out.append((place.as_posix(), f"it {str(error).removeprefix(f'{file} ')}"))
    if wrong is not None and not found.entries:
        raise wrong
    return found.or_nothing(files[0] if len(files) == 1 else folder)


def _split_named_by(file: Path) -> str:
    """The split that a file's name, or its folder's, begins with: "test-00000-of-00002.parquet"; "" for none."""
    words = (re.split(r"[-_.\d]", part)[0].lower() for part in (file.name, *reversed(file.parts[:-1])))
    return next((word for word in words if word and word in SPLITS), "")


def _nothing_at(path: Path) -> str:
    hub = f", or for one on the hub give {HUB}{path}" if len(path.parts) == 2 and not path.is_absolute() else ""
    return (
        f"there is no data folder {path}; build one with: fromnoise data stickers --out {path}, or for the endless "
        f"world: fromnoise data drawings --out {path}{hub}"
    )
