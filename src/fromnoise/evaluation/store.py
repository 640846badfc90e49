"""Sections on disk: each is written as soon as it is measured, so that an evaluation can be stopped and taken up.

A section belongs to one model, one data set, one seed and one choice of sizes. Those are stored with it, and a section
of another identity is never read: it is measured again, and replaced.
"""

from __future__ import annotations

import dataclasses
import io
import json
import math
from pathlib import Path
from typing import Any

from PIL import Image

from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import opened_file
from fromnoise.ground.whole import write_atomically

SUFFIXES = {b"<?xml": ".svg", b"GIF8": ".gif"}  # by how files begin


class Store:
    """The sections of one report.

    Args:
        folder: of the report.
        identity: what must be equal for a stored section to count; JSON.
    """

    def __init__(self, folder: Path, identity: dict[str, Any]) -> None:
        self._folder = folder / "sections"
        self._identity = json.loads(json.dumps(identity))

    def save(self, section: Section) -> None:
        """Write a section: first its pictures, then the JSON that names them."""
        self._folder.mkdir(parents=True, exist_ok=True)
        pictures = []
        for p in section.pictures:
            data = as_bytes(p.picture)
            name = f"{p.name}{suffix(data)}"
            write_atomically(self._folder / name, data)
            pictures.append({"name": p.name, "file": name, "alt": p.alt, "caption": p.caption})
        facts = {
            "identity": self._identity,
            "name": section.name,
            "title": section.title,
            "text": section.text,
            "tables": [dataclasses.asdict(table) for table in section.tables],
            "pictures": pictures,
            "data": section.data,
            "headlines": [headline.to_dict() for headline in section.headlines],
        }
        text = json.dumps(json_ready(facts), indent=1, ensure_ascii=False, allow_nan=False)
        write_atomically(self._folder / f"{section.name}.json", f"{text}\n".encode())

    def load(self, name: str) -> Section | None:
        """A stored section of the same identity, or None: not there, of another identity, or damaged."""
        try:
            facts = json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))
            return self._section(facts) if facts["identity"] == self._identity else None
        except (OSError, ValueError, KeyError, TypeError, UserError):
            return None

    def strangers(self) -> list[str]:
        """Names of stored sections that belong to another model, data set, seed or choice of sizes."""
        return [file.stem for file in sorted(self._folder.glob("*.json")) if self.load(file.stem) is None]

    def _section(self, facts: dict[str, Any]) -> Section:
        tables = (
            Table(tuple(t["columns"]), tuple(tuple(row) for row in t["rows"]), t["caption"]) for t in facts["tables"]
        )
        pictures = (
            Picture(p["name"], _read(self._folder / Path(p["file"]).name), p["alt"], p["caption"])
            for p in facts["pictures"]
        )
        headlines = (_headline(h) for h in facts["headlines"])
        return Section(
            facts["name"], facts["title"], tuple(facts["text"]),
            tuple(tables), tuple(pictures), facts["data"], tuple(headlines),
        )  # fmt: skip


def _headline(facts: dict[str, Any]) -> Headline:
    """A headline as it was stored; a value that JSON had no word for was not a number."""
    return Headline.from_dict({"value": math.nan} | {k: v for k, v in facts.items() if v is not None})


def as_bytes(picture: Image.Image | bytes) -> bytes:
    """A picture as a file: PNG for pixels, and what is a file already as it is."""
    if isinstance(picture, bytes):
        return picture
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def suffix(data: bytes) -> str:
    """The suffix that a picture's bytes ask for."""
    return next((end for start, end in SUFFIXES.items() if data.startswith(start)), ".png")


def json_ready(value: Any) -> Any:
    """The same value, with null for what JSON has no word for: infinities and not-a-number."""
    if isinstance(value, dict):
        return {str(k): json_ready(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _read(file: Path) -> Image.Image | bytes:
    data = file.read_bytes()
    if suffix(data) != ".png":
        return data
    picture = opened_file(data, ("PNG",))
    picture.load()
    return picture
