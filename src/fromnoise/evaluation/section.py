"""What one measurement tells: the contract between those who measure and the page that shows it.

A measurement is a module with a function that returns a :class:`Section`. The page and the JSON are made from
sections alone, so that a new measurement needs no change to either.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from PIL import Image

from fromnoise.ground.config import Config


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
    """A sheet, a plot or a film.

    Attributes:
        name: the file's name without a suffix, unique in the report.
        picture: pixels, or the bytes of an SVG drawing or a GIF film.
        alt: what it shows, for those who cannot see it.
        caption: one sentence.
    """

    name: str
    picture: Image.Image | bytes
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Headline(Config):
    """A figure for the summary at the top of the page.

    Attributes:
        name: what it says, in a few words.
        value: measured.
        floor, ceiling: what nothing and the best possible would reach; None where there is no such thing.
        low, high: 95 % interval of ``value``.
        n: how many pictures it rests on.
        target: what was aimed for, as it is to be read ("at most 8"), or "".
        unit: "share" (shown as per cent), "dB", "times" or "" (a plain number).
    """

    name: str
    value: float
    floor: float | None = None
    ceiling: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    target: str = ""
    unit: str = "share"

    @property
    def way(self) -> float | None:
        """Where the value lies between floor (0) and ceiling (1); None without both of them, or where they meet."""
        if self.floor is None or self.ceiling is None or self.floor == self.ceiling:
            return None
        return (self.value - self.floor) / (self.ceiling - self.floor)


@dataclass(frozen=True, eq=False)
class Section:
    """One measurement.

    Attributes:
        name: its key in ``report.json`` and its anchor in the page.
        title: a question or a noun, for the heading.
        text: paragraphs of plain text: how it was measured and how to read it. Never markup.
        tables, pictures: what is shown.
        data: the same figures for programs; JSON types only.
        headlines: its figures for the summary.
    """

    name: str
    title: str
    text: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    data: dict[str, Any] = field(default_factory=dict)
    headlines: tuple[Headline, ...] = ()
