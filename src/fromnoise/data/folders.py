"""Folders of captioned pictures, as people keep them: which files are pictures, and which words belong to each.

A ``metadata.jsonl`` or ``metadata.csv`` (``file_name``, ``text``, more if known) speaks for its folder and all below,
as Hugging Face ``datasets`` reads it; elsewhere a ``.txt`` beside a picture holds its caption. What looks like a
picture is used or named with the reason why not, never neither; only what is hidden (its name, or its folder's, begins
with a dot) is left aside, and named where it has a caption.
"""

from __future__ import annotations

import csv
import functools
import io
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fromnoise.data.columns import nearest, split_lists
from fromnoise.data.record import Found, NothingFound, record_of
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import open_picture, readable_suffixes
from fromnoise.ground.text import MARK, decoded, is_unicode, lines_of, mark_of

METADATA = "metadata.jsonl"
LISTS = (METADATA, "metadata.csv")  # where a folder has both, the first is read
CONTACT_SHEET = "contact_sheet.png"  # what "data stickers" writes beside its pictures is none of them
# Pictures too, of kinds that are not read.
UNREADABLE = frozenset(
    (
        *(".heic", ".heif", ".hif", ".jxl", ".svg", ".svgz", ".eps", ".xcf", ".kra", ".exr", ".hdr"),
        *(".dng", ".cr2", ".cr3", ".nef", ".arw", ".orf", ".rw2", ".raf"),
    )
)
PACKED = (".parquet", ".tar")  # suffixes of files that hold many pictures, see :mod:`fromnoise.data.places`
_TABLES = (".csv", ".tsv", ".json", ".parquet")


def read_folder(folder: Path) -> Found:
    """All captioned pictures of a folder, not decoded, and what is left out.

    Raises:
        NothingFound: not one captioned picture; and why.
    """
    found = Found()
    files = files_below(folder, found)
    lists = _lists(files, found, folder)
    named: set[Path] = set()
    for file in lists:
        named |= _from_metadata(folder, file, found)
    governed = {f.parent: f for f in lists}
    pictures = {f: _speaker(f, governed) for f in _pictures(files) if _plain(f) not in named}
    _name_unlisted(folder, {f: own for f, own in pictures.items() if own is not None}, found)
    _from_text(folder, [f for f, own in pictures.items() if own is None], files, found)
    _note_lonely(folder, files, found)
    _note_hidden(folder, files, named, found)
    if not found.entries:
        raise NothingFound(_why_nothing(folder, lists, found), found)
    return found


def _lists(files: Sequence[Path], found: Found, folder: Path) -> list[Path]:
    """The files that speak for folders, one for each; a second one is noted."""
    kept: dict[Path, Path] = {}
    for name in LISTS:
        for file in (f for f in files if f.name.lower() == name):
            first = kept.setdefault(file.parent, file)
            if first != file:
                found.noted.append((file.relative_to(folder).as_posix(), f"not read, for there is a {first.name}"))
    return sorted(kept.values())


def _speaker(file: Path, governed: Mapping[Path, Path]) -> Path | None:
    """The list that speaks for a file, by the folders that have one: the nearest above it."""
    return next((governed[place] for place in file.parents if place in governed), None)


# --- which files -------------------------------------------------------------------------------------------------


def files_below(folder: Path, found: Found) -> list[Path]:
    """All files below a folder, sorted; hidden ones (thumbnails, environments) left aside. Links are followed, also
    those to folders, but no folder is taken twice. Folders that cannot be opened are ``found`` to be left out."""
    files: list[Path] = []
    seen: set[str] = set()
    places = [folder]
    while places:
        links: list[Path] = []
        for place in places:
            files += _below(place, seen, links, found)
        places = links
    return sorted(files)


def _below(folder: Path, seen: set[str], links: list[Path], found: Found) -> Iterator[Path]:
    """Files below one folder; which folders were ``seen`` and ``links`` to others are noted."""

    def closed(error: OSError) -> None:
        found.left_out.append((str(error.filename), error.strerror or "it cannot be opened"))

    for place, folders, names in os.walk(folder, onerror=closed):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if os.path.realpath(place) in seen:
            folders.clear()
            continue
        seen.add(os.path.realpath(place))
        links += [Path(place, name) for name in folders if os.path.islink(Path(place, name))]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def _pictures(files: Sequence[Path]) -> list[Path]:
    """What has a picture's suffix, and what else has a caption beside it that no such picture has."""
    suffixes = readable_suffixes() | UNREADABLE
    pictures = {f for f in files if f.suffix.lower() in suffixes}
    captions = {f.with_suffix("") for f in files if _is_caption(f)} - {f.with_suffix("") for f in pictures}
    others = {f for f in files if f.with_suffix("") in captions and not (_is_caption(f) or _is_no_picture(f))}
    return sorted(pictures | others)


def _is_no_picture(file: Path) -> bool:
    return file.name.lower() in LISTS or is_packed(file)


def is_packed(file: Path) -> bool:
    """Whether a file holds many pictures, by its name."""
    return file.suffix.lower() in PACKED


def _is_caption(file: Path) -> bool:
    return file.suffix.lower() == ".txt"


# --- metadata.jsonl, metadata.csv --------------------------------------------------------------------------------


def _from_metadata(folder: Path, lines: Path, found: Found) -> set[Path]:
    """Take in the pictures of one metadata.jsonl or metadata.csv; returns which files it names."""
    place = lines.relative_to(folder).as_posix()
    try:
        data = lines.read_bytes()
        text = decoded(data, "surrogateescape")
    except (OSError, ValueError) as error:
        raise UserError(f"{lines} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if mark_of(data):
        found.noted.append((place, f"it is read, though it has {mark_of(data)}"))
    named = set()
    for number, said in (_rows if place.lower().endswith(".csv") else _lines)(text):
        name = f"{place} line {number}"
        try:
            facts = said()
            file = _inside(lines.parent, _said(facts, "file_name"))
            named.add(file)
            _said(facts, "text")
            name = file.relative_to(_plain(folder)).as_posix()
            record = record_of({**facts, "file_name": _from_root(folder, lines, facts["file_name"])})
            if not file.is_file():
                raise ValueError("the file is missing")
            found.add(facts, record, file)
        except (ValueError, TypeError, UserError, AttributeError, OSError) as error:
            found.left_out.append((name, str(error)[:200]))
    return named


def _lines(text: str) -> Iterator[tuple[int, Callable[[], dict[str, Any]]]]:
    """Lines of JSON with their numbers; what each says, or ValueError."""
    for number, line in enumerate(lines_of(text), 1):
        if plain := line.strip(MARK + " \t"):
            yield number, functools.partial(_object, plain)


def _rows(text: str) -> Iterator[tuple[int, Callable[[], dict[str, Any]]]]:
    """Rows of a table in CSV with the numbers of the lines they end in; what each says, or ValueError."""
    header = text.lstrip().partition("\n")[0]
    between = max(",;\t", key=header.count)  # some programs write semicolons or tabs
    reader = csv.DictReader(io.StringIO(text.lstrip(), newline=""), restval="", delimiter=between)
    try:
        for row in reader:
            cells = {str(name).strip(): value for name, value in row.items() if isinstance(value, str)}
            yield reader.line_num, functools.partial(_cells, cells)
    except csv.Error as error:
        yield reader.line_num, functools.partial(_cells, {}, str(error))


def _cells(cells: dict[str, str], wrong: str = "") -> dict[str, Any]:
    if wrong or not all(map(is_unicode, cells.values())):
        raise ValueError(wrong or "not a row of CSV in UTF-8")
    return split_lists(cells)


def _object(line: str) -> dict[str, Any]:
    try:
        line.encode()
        facts: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a line of JSON in UTF-8 ({error})") from None
    if not isinstance(facts, dict):
        raise ValueError("not a JSON object")
    return facts


def _said(facts: dict[str, Any], name: str) -> str:
    """What a line says under a name that it needs; near names are offered where it says nothing."""
    value = facts.get(name)
    if isinstance(value, str):
        return value
    near = nearest(facts, name)
    wrong = f"it has no {name}" if value is None else f"its {name} is no text"
    raise ValueError(wrong + (f"; rename its {near} to {name}" if near else ""))


def _inside(folder: Path, name: str) -> Path:
    """The file's path, refused when its name leads out of the folder; where links lead is the folder's own affair."""
    file = _plain(folder / name)
    if "\\" in name and not file.exists():  # written on Windows
        file = _plain(folder / name.replace("\\", "/"))
    if not file.is_relative_to(_plain(folder)):
        raise ValueError(f"'{name}' leads out of the folder")
    return file


def _plain(file: Path) -> Path:
    """The path from the root on without "." and "..", links left as they are."""
    return Path(os.path.abspath(file))


def _from_root(folder: Path, lines: Path, name: str) -> str:
    """A name that is said from where ``lines`` lies, said from the folder."""
    below = lines.parent.relative_to(folder).as_posix()
    return name if below == "." else f"{below}/{name}"


def _name_unlisted(folder: Path, pictures: Mapping[Path, Path], found: Found) -> None:
    for file, own in pictures.items():
        if file.name != CONTACT_SHEET:
            found.left_out.append((file.relative_to(folder).as_posix(), f"no line of {own.name} names it"))


# --- .txt beside pictures ----------------------------------------------------------------------------------------


def _from_text(folder: Path, pictures: Sequence[Path], files: Sequence[Path], found: Found) -> None:
    captions = {f.with_suffix(""): f for f in reversed(files) if _is_caption(f)}
    suffixes = readable_suffixes() | UNREADABLE
    for file in pictures:
        name = file.relative_to(folder).as_posix()
        try:
            if not file.is_file():
                raise ValueError("it is no file, or a link that leads nowhere")
            text, mark = _caption(file, captions.get(file.with_suffix("")))
            if file.suffix.lower() not in suffixes:
                open_picture(file)  # notes.md beside notes.txt is no captioned picture
            facts = {"file_name": name, "text": text, "key": f"name:{text.lower()}"}
            found.add(facts, record_of(facts), file)
            if mark:
                found.noted.append((name, f"its caption is read, though it has {mark}"))
        except (OSError, ValueError) as error:
            found.left_out.append((name, getattr(error, "strerror", None) or str(error)))


def _note_lonely(folder: Path, files: Sequence[Path], found: Found) -> None:
    """Note captions without any picture: perhaps one was lost, perhaps they are none."""
    others = {f.with_suffix("") for f in files if not _is_caption(f)}
    for file in files:
        if _is_caption(file) and file.with_suffix("") not in others:
            found.noted.append((file.relative_to(folder).as_posix(), "not read, for no picture stands beside it"))


def _note_hidden(folder: Path, files: Sequence[Path], named: set[Path], found: Found) -> None:
    """Note hidden pictures that have a caption beside them; the "._tom.jpg" of macOS hold no picture."""
    for place in sorted({f.parent for f in files} | {folder}):
        for caption in sorted(place.glob(".*.txt")):
            hidden = (caption.with_suffix(suffix) for suffix in sorted(readable_suffixes()))
            for file in (f for f in hidden if f.is_file() and _plain(f) not in named and f.name[:2] != "._"):
                found.noted.append((file.relative_to(folder).as_posix(), "not read, for its name begins with a dot"))


def _caption(picture: Path, file: Path | None) -> tuple[str, str]:
    """The caption of a file, on one line, and how it is written where that is no plain UTF-8."""
    if file is None:
        raise ValueError(f"no caption: {picture.with_suffix('.txt').name} is missing")
    if not file.is_file():
        raise ValueError(f"its caption {file.name} is no file")
    try:
        data = file.read_bytes()
        return " ".join(decoded(data).split()), mark_of(data)
    except ValueError as error:
        raise ValueError(f"its caption {file.name} is no text in UTF-8 ({error})") from None


# --- nothing -----------------------------------------------------------------------------------------------------


def _why_nothing(folder: Path, lists: Sequence[Path], found: Found) -> str:
    first = next((f"{name}: {reason}" for name, reason in found.left_out), "")
    if lists and first:
        return f"{folder} holds nothing to train on, though there is a {lists[0].name}: {first}{_others(found)}"
    if lists:
        return f"{folder} holds nothing to train on: its {lists[0].name} is empty"
    table = next((p.name for p in sorted(folder.iterdir()) if p.suffix.lower() in _TABLES), None)
    rename = f"call it {LISTS[1]}" if str(table).lower().endswith(".csv") else f"make it {METADATA}"
    hint = f"; {table} is not read, {rename}" if table else ""
    if first:
        return f"{folder} holds no picture with a caption: {first}{_others(found)}{hint}"
    return f"{folder} holds no captioned pictures: it needs a {METADATA} or .txt files beside pictures{hint}"


def _others(found: Found) -> str:
    more = len(found.left_out) - 1
    return f" (and {more:,} more)" if more else ""
