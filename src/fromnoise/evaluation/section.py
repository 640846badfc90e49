"""What one measurement tells: the contract between those who measure and the page that shows it.

A measurement is a module with a function that returns a :class:`Section`. The page and the JSON are made from
sections alone, so that a new measurement needs no change to either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PIL import Image


@dataclass(frozen=True)
class Table:
    """Rows of figures, floor and ceiling among them.

    Attributes:
        columns: their heads; the first names the row.
        rows: texts as they are to be read ("38.0%", "33–43 %", "400").
        caption: one sentence.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Picture:
    """A sheet or a plot.

    Attributes:
        name: the file's name without a suffix, unique in the report.
        picture: pixels, or a drawing as SVG bytes.
        alt: what it shows, for those who cannot see it.
        caption: one sentence.
    """

    name: str
    picture: Image.Image | bytes
    alt: str
    caption: str = ""


@dataclass(frozen=True, eq=False)
class Section:
    """One measurement.

    Attributes:
        name: its key in ``report.json`` and its anchor in the page.
        title: a question or a noun, for the heading.
        text: paragraphs of plain text: how it was measured and how to read it. Never markup.
        tables, pictures: what is shown.
        data: the same figures for programs; JSON types only.
    """

    name: str
    title: str
    text: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
