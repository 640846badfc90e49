"""What the world is made of: drawings, each of one thing on its own, and the file that holds them."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fromnoise.data.packed import DRAWINGS_FILE, pyarrow
from fromnoise.data.record import Record
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError


@dataclass(frozen=True)
class Drawing(Config):
    """One thing on its own: a vector drawing (mostly) or a picture with alpha.

    Attributes:
        name: what it shows, singular, lower case, as people say it: "red apple", "tabby cat".
        noun: head noun of a visible thing in WordNet: "apple", "cat"; "" if there is none (symbols).
        alt: other names that are exactly as true.
        keywords: words that fit.
        style: the hand it was drawn by: "noto", "kameleon", "game-icons".
        key: the concept, equal across styles: "1f34e" or "name:apple".
        group: broad class: "animals-nature", "food-drink", ...
        subgroup: narrower class.
        kind: "colour", "silhouette" (one colour, to be coloured), "face", "person", "symbol" or "background".
        attributes: exact further facts: "woman", "smiling", "dark skin", "night".
        body: inside of ``<svg>``; "" for a picture.
        box: left, top, width, height of its view box.
        picture: a WebP or PNG with alpha, where there is no body.
        colours: colour words measured from the pixels, most common first.
        licence: SPDX name.
        author: whom to credit.
        twin: drawings with the same value are nearly the same (flat and duo twins): they share a split.
        split: "train", "test_pair" (held-out pair of concept and style) or "test_concept".
    """

    name: str
    noun: str = ""
    alt: tuple[str, ...] = ()
    keywords: tuple[str, ...] = ()
    style: str = ""
    key: str = ""
    group: str = ""
    subgroup: str = ""
    kind: str = "colour"
    attributes: tuple[str, ...] = ()
    body: str = ""
    box: tuple[float, float, float, float] = (0, 0, 0, 0)
    picture: bytes = b""
    colours: tuple[str, ...] = ()
    licence: str = ""
    author: str = ""
    twin: str = ""
    split: str = "train"


def is_drawings(data: Path | str) -> bool:
    """Whether data are drawings, of which pictures are made, and not pictures."""
    return Path(data).name == DRAWINGS_FILE or (Path(data) / DRAWINGS_FILE).is_file()


def read_drawings(folder: Path | str) -> list[Drawing]:
    """All drawings of a folder that ``fromnoise data drawings`` made, or of a parquet file with the same columns.

    Raises:
        UserError: there is none, it is damaged or not ours, or pyarrow is missing.
    """
    file = Path(folder)
    file = file / DRAWINGS_FILE if file.suffix != ".parquet" else file
    if not file.is_file():
        raise UserError(f"there are no drawings in {folder}; make them with: fromnoise data drawings --out {folder}")
    _, parquet = pyarrow()
    try:
        rows = parquet.read_table(file).to_pylist()
        drawings = [_drawing(row) for row in rows]
    except Exception as error:  # pyarrow's errors have no common base
        raise UserError(f"{file} cannot be read as drawings ({_first_line(error)}); make it anew") from None
    if not drawings:
        raise UserError(f"{file} holds no drawings; make it anew with: fromnoise data drawings")
    return drawings


def chosen_drawings(
    folder: Path | str, styles: Collection[str] = (), groups: Collection[str] = (), limit: int = 0
) -> list[Drawing]:
    """The drawings of a folder in these styles and groups (none: in all), at most ``limit`` (0: all) of them.

    Raises:
        UserError: none is left, or as :func:`read_drawings` says.
    """
    found = [
        drawing for drawing in read_drawings(folder)
        if (not styles or drawing.style in styles) and (not groups or drawing.group in groups)
    ]  # fmt: skip
    if not found:
        raise UserError(f"{folder} has no drawings of these styles and groups; leave out data.styles and data.groups")
    return [found[i * len(found) // limit] for i in range(limit)] if 0 < limit < len(found) else found


def record_of_drawing(drawing: Drawing) -> Record:
    """What is known about a drawing, as about any picture: what it shows by its name."""
    return Record(
        file_name="", text=drawing.name, keywords=drawing.keywords, alt=drawing.alt, style=drawing.style,
        key=drawing.key, group=drawing.group, subgroup=drawing.subgroup, colours=drawing.colours,
        licence=drawing.licence, author=drawing.author, split=drawing.split,
    )  # fmt: skip


def _drawing(row: dict[str, Any]) -> Drawing:
    """A row as a drawing: lists become tuples, nulls the defaults; other columns are left aside."""
    known = {field.name for field in dataclasses.fields(Drawing)}
    given = {k: v for k, v in row.items() if k in known and v is not None}
    facts: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    drawing = Drawing(**facts)
    if not isinstance(drawing.name, str) or not (drawing.body or drawing.picture):
        raise ValueError("a drawing without name or picture")
    if drawing.body and (len(drawing.box) != 4 or min(drawing.box[2:]) <= 0):
        raise ValueError(f"'{drawing.name:.40}' has no view box")
    return drawing


def _first_line(error: Exception) -> str:
    return str(error).split("\n")[0][:120] or type(error).__name__
