"""Folders of captioned pictures, as people keep them: which files are pictures, and which words belong to each.

A ``metadata.jsonl`` or ``metadata.csv`` (``file_name``, ``text``, more if known) speaks for its folder and all below,
as Hugging Face ``datasets`` reads it; elsewhere a ``.txt`` beside a picture holds its caption. What looks like a
picture is used or named with the reason why not, never neither; only what is hidden (its name, or its folder's, begins
with a dot) is left aside. A hidden picture is named where it has a caption, and a hidden folder where it holds such.
"""

from __future__ import annotations

import csv
import functools
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from fromnoise.data.below import all_below, plain_path
from fromnoise.data.beside import Captions, add_captioned, note_second, pictures_among
from fromnoise.data.columns import nearest, split_lists
from fromnoise.data.hidden import note_hidden
from fromnoise.data.kinds import LISTS, METADATA, is_archive, is_caption
from fromnoise.data.record import MOST_SAID, Found, NothingFound, record_of, too_long
from fromnoise.ground.errors import UserError
from fromnoise.ground.text import MARK, decoded, is_unicode, lines_of, mark_of

CONTACT_SHEET = "contact_sheet.png"  # what "data stickers" writes beside its pictures is none of them
_TABLES = (".csv", ".tsv", ".json", ".parquet")


def read_folder(folder: Path) -> Found:
    """All captioned pictures of a folder, not decoded, and what is left out.

    Raises:
        NothingFound: not one captioned picture; and why.
    """
    found = Found()
    below = all_below(folder, found)
    files, captions = below.files, Captions(below.files)
    lists = _lists(files, found, folder)
    named: set[Path] = set()
    for file in lists:
        named |= _from_metadata(folder, file, found)
    governed = {f.parent: f for f in lists}
    pictures, second = pictures_among(files, captions)
    speakers = {f: _speaker(f, governed) for f in (*pictures, *second) if plain_path(f) not in named}
    _name_unlisted(folder, {f: own for f in pictures if (own := speakers.get(f)) is not None}, found)
    pictures, second = ([f for f in some if f in speakers and speakers[f] is None] for some in (pictures, second))
    add_captioned(folder, pictures, captions, found)
    note_second(folder, pictures, second, captions, found)
    _note_others(folder, files, captions, found)
    note_hidden(folder, below, named, found)
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
            name = file.relative_to(plain_path(folder)).as_posix()
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
    csv.field_size_limit(MOST_SAID)  # of the whole process, and eight times as much as it is otherwise
    reader = csv.DictReader(io.StringIO(text.lstrip(), newline=""), restval="", delimiter=between)
    while True:
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:  # of this row alone
            long = "field limit" in str(error)
            wrong = f"the row is too long: the most of a cell is {MOST_SAID:,} characters" if long else str(error)
            yield reader.reader.line_num, functools.partial(_cells, {}, wrong)
        else:
            cells = {str(name).strip(): value for name, value in row.items() if isinstance(value, str)}
            yield reader.line_num, functools.partial(_cells, cells)


def _cells(cells: dict[str, str], wrong: str = "") -> dict[str, Any]:
    if wrong or not all(map(is_unicode, cells.values())):
        raise ValueError(wrong or "not a row of CSV in UTF-8")
    if wrong := too_long(sum(len(value.encode()) for value in cells.values()), "the row"):
        raise ValueError(wrong)
    return split_lists(cells)


def _object(line: str) -> dict[str, Any]:
    if not is_unicode(line):
        raise ValueError("it is not UTF-8")
    if wrong := too_long(len(line.encode()), "the line"):
        raise ValueError(wrong)
    try:
        facts: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"not a line of JSON: {error.msg} at its character {error.pos + 1}") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not a line of JSON: {error}") from None
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
    file = plain_path(folder / name)
    if "\\" in name and not file.exists():  # written on Windows
        file = plain_path(folder / name.replace("\\", "/"))
    if not file.is_relative_to(plain_path(folder)):
        raise ValueError(f"'{name}' leads out of the folder")
    return file


def _from_root(folder: Path, lines: Path, name: str) -> str:
    """A name that is said from where ``lines`` lies, said from the folder."""
    below = lines.parent.relative_to(folder).as_posix()
    return name if below == "." else f"{below}/{name}"


def _name_unlisted(folder: Path, pictures: Mapping[Path, Path], found: Found) -> None:
    for file, own in pictures.items():
        if file.name != CONTACT_SHEET:
            found.left_out.append((file.relative_to(folder).as_posix(), f"no line of {own.name} names it"))


# --- what is said ------------------------------------------------------------------------------------------------


def _note_others(folder: Path, files: Sequence[Path], captions: Captions, found: Found) -> None:
    """Note captions without any picture, for perhaps one was lost, and what may hold pictures once it is unpacked."""
    told = dict.fromkeys(
        captions.lonely(f for f in files if not is_caption(f)), "not read, for no picture stands beside it"
    )
    told |= dict.fromkeys(filter(is_archive, files), "not read; unpack it, if it holds pictures of the set")
    found.noted.extend((file.relative_to(folder).as_posix(), why) for file, why in sorted(told.items()))


def _why_nothing(folder: Path, lists: Sequence[Path], found: Found) -> str:
    first = next((f"{name}: {reason}" for name, reason in found.left_out), "")
    if lists and first:
        return f"{folder} holds nothing to train on, though there is a {lists[0].name}: {first}{_others(found)}"
    if lists:
        return f"{folder} holds nothing to train on: its {lists[0].name} is empty"
    table = next((p.name for p in sorted(folder.iterdir()) if p.suffix.lower() in _TABLES), None)
    rename = f"call it {LISTS[1]}" if str(table).lower().endswith(".csv") else f"make it {METADATA}"
    hint = f"; {table} is not read, {rename}" if table else next((f"; {f}: {why}" for f, why in found.noted), "")
    if first:
        return f"{folder} holds no picture with a caption: {first}{_others(found)}{hint}"
    return f"{folder} holds no captioned pictures: it needs a {METADATA} or .txt files beside pictures{hint}"


def _others(found: Found) -> str:
    more = len(found.left_out) - 1
    return f" (and {more:,} more)" if more else ""
