"""What others call the columns of their tables, and what it is called here."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from fromnoise.data.record import Record

# What others call our two fields.
OTHER_NAMES = {
    "file_name": ("file", "filename", "file_path", "filepath", "path", "image", "image_path", "image_file", "img"),
    "text": ("caption", "captions", "prompt", "description", "label", "title", "txt", "tags", "sentence"),
}
PICTURES = ("image", "img", "picture", "photo", "jpg", "jpeg", "png", "webp", "image_bytes", "bytes")
_LISTS = frozenset(f.name for f in dataclasses.fields(Record) if "tuple" in str(f.type))


def nearest(names: Iterable[str], field: str) -> str | None:
    """The name among some that means a field of ours, by another name or in other letters; None where none does."""
    return next((name for name in names if name.lower() in (field, *OTHER_NAMES[field]) and name != field), None)


def picture_column(names: Iterable[str]) -> str | None:
    """The column that holds pictures, by its name; None where none is called so."""
    known = {name.lower(): name for name in reversed(list(names))}
    return next((known[name] for name in PICTURES if name in known), None)


def captioned(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of somebody's table with its caption called ``text``; where it has several, with the first."""
    facts = dict(row)
    if facts.get("text") is None:
        usual = [name for name in OTHER_NAMES["text"] if isinstance(_first(_of(facts, name)), str)]
        if usual:
            facts["text"] = _of(facts, usual[0])
    if "text" in facts:
        facts["text"] = _first(facts["text"])
    return facts


def split_lists(row: Mapping[str, str]) -> dict[str, Any]:
    """A row of a table of texts, where "cat, pet" stands for a list of two and nothing for nothing."""
    filled = {name: value for name, value in row.items() if value}
    parts = {name: [part.strip() for part in filled[name].split(",") if part.strip()] for name in _LISTS & set(filled)}
    return {**filled, **parts}


def _of(facts: Mapping[str, Any], name: str) -> Any:
    """What stands under a name, whatever its letters are."""
    return next((value for key, value in facts.items() if key.lower() == name), None)


def _first(value: Any) -> Any:
    return value[0] if isinstance(value, list) and value else value
