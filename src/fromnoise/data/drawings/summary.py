"""What a build of drawings shows when it is done: figures, a table, and a contact sheet to look at."""

from __future__ import annotations

import textwrap
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from fromnoise.data.drawings.rendering import rendered
from fromnoise.data.folders import CONTACT_SHEET
from fromnoise.data.stickers.summary import SetSummary, print_sets
from fromnoise.data.world.drawing import Drawing
from fromnoise.ground.whole import whole_file

CELL, LABEL = 72, 26


@dataclass(frozen=True)
class Summary:
    """What became of a build.

    Attributes:
        folder: where it is.
        drawings: how many.
        nouns: how many different ones.
        kinds: drawings of each kind.
        splits: drawings of each split.
        sets: what became of each set.
    """

    folder: Path
    drawings: int
    nouns: int
    kinds: dict[str, int]
    splits: dict[str, int]
    sets: list[SetSummary]


def summary_of(folder: Path, drawings: list[Drawing], sets: list[SetSummary]) -> Summary:
    """Count what is there."""
    return Summary(
        folder,
        len(drawings),
        len({d.noun for d in drawings if d.noun}),
        dict(Counter(d.kind for d in drawings).most_common()),
        dict(Counter(d.split for d in drawings).most_common()),
        sets,
    )


def print_summary(summary: Summary) -> None:
    """The table: set, licence, kept, refused, dropped and why."""
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in summary.kinds.items())
    title = f"{summary.drawings:,} drawings ({kinds}) with {summary.nouns:,} nouns in {summary.folder}"
    print_sets(title, summary.sets)


def write_contact_sheet(out: Path, drawings: list[Drawing], per_style: int = 12) -> None:
    """Write ``contact_sheet.png``: a row for each style, with names."""
    rows: dict[str, list[Drawing]] = defaultdict(list)
    for drawing in drawings:
        rows[drawing.style].append(drawing)
    chosen = [few(drawings, per_style) for drawings in rows.values()]
    with whole_file(out / CONTACT_SHEET) as draft:
        sheet(chosen, per_style).save(draft)


def few(drawings: list[Drawing], most: int) -> list[Drawing]:
    """Some of them, from the first to the last, equally spread."""
    count = min(most, len(drawings))
    return [drawings[i * len(drawings) // count] for i in range(count)]


def sheet(rows: list[list[Drawing]], columns: int) -> Image.Image:
    """Rows of drawings, each with its name below and its style at the left."""
    left, height = 90, CELL + LABEL
    page = Image.new("RGB", (left + columns * (CELL + 8), max(1, len(rows)) * height), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(9)
    for i, row in enumerate(rows):
        draw.multiline_text((2, i * height + 24), textwrap.fill(row[0].style, 16), "black", font)
        for j, drawing in enumerate(row):
            x = left + j * (CELL + 8)
            page.paste(Image.fromarray(rendered(drawing, CELL - 8)[0]), (x + 8, i * height + 2))
            name = "\n".join(textwrap.wrap(drawing.name, 16)[:2])
            draw.multiline_text((x, i * height + CELL - 4), name, "black", font, spacing=0)
    return page
