"""What a build shows when it is done: a table on the screen and a contact sheet beside the pictures."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from rich.console import Console
from rich.table import Table

from fromnoise.data.folders import CONTACT_SHEET
from fromnoise.ground.pictures import opened_file
from fromnoise.ground.whole import whole_file

SHOWN = ("red apple", "cat face", "dog", "house", "sun", "automobile", "rose", "pizza", "guitar", "grinning face")


@dataclass(frozen=True)
class SetSummary:
    """What became of one set."""

    style: str
    licence: str
    author: str
    url: str
    pictures: int
    refused: list[str] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Summary:
    """What became of a build."""

    folder: Path
    pictures: int
    concepts: int
    sets: list[SetSummary]


def print_table(summary: Summary) -> None:
    """One row per set: pictures, licence, what was refused and what was left out and why."""
    print_sets(f"{summary.pictures:,} pictures of {summary.concepts:,} concepts in {summary.folder}", summary.sets)


def print_sets(title: str, sets: list[SetSummary]) -> None:
    """The table itself."""
    table = Table(title=title)
    for name, justify in (("style", "left"), ("pictures", "right"), ("licence", "left"), ("refused", "right")):
        table.add_column(name, justify=justify)  # type: ignore[arg-type]
    table.add_column("left out")
    for s in sets:
        left_out = ", ".join(f"{n:,} {why}" for why, n in s.dropped.items())
        table.add_row(s.style, f"{s.pictures:,}", s.licence, str(len(s.refused)), left_out)
    Console().print(table)


def write_contact_sheet(out: Path, records: list[dict[str, Any]]) -> None:
    """Write ``contact_sheet.png``: well-known concepts down, styles across."""
    files: dict[str, dict[str, str]] = defaultdict(dict)
    for r in records:
        files[r["text"].lower()].setdefault(r["style"], r["file_name"])
    rows = [name for name in SHOWN if name in files] or sorted(files)[:10]
    styles = list(dict.fromkeys(r["style"] for r in records if any(r["style"] in files[name] for name in rows)))
    cell, left, top = 72, 110, 110
    sheet = Image.new("RGB", (left + cell * len(styles), top + cell * len(rows)), "white")
    _label(sheet, rows, styles, (cell, left, top))
    for i, name in enumerate(rows):
        for j, style in enumerate(styles):
            if style in files[name]:
                with opened_file(out / files[name][style]) as picture:
                    sheet.paste(picture.resize((cell - 8, cell - 8)), (left + j * cell + 4, top + i * cell + 4))
    with whole_file(out / CONTACT_SHEET) as draft:
        sheet.save(draft)


def _label(sheet: Image.Image, rows: list[str], styles: list[str], sizes: tuple[int, int, int]) -> None:
    cell, left, top = sizes
    font = ImageFont.load_default(13)
    draw = ImageDraw.Draw(sheet)
    for i, name in enumerate(rows):
        draw.text((4, top + i * cell + cell // 2 - 8), name, "black", font)
    for j, style in enumerate(styles):
        # Upright names would overlap: each is written on a strip of its own and turned.
        strip = Image.new("RGB", (top, 18), "white")
        ImageDraw.Draw(strip).text((4, 1), style[:16], "black", font)
        sheet.paste(strip.rotate(90, expand=True), (left + j * cell + cell // 2 - 9, 0))
