"""The report of a look at a set: one HTML page with small pictures in it, and two lists as plain files."""

from __future__ import annotations

import base64
import io
import shlex
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from fromnoise.data.begun import in_batches
from fromnoise.data.check.checked import GROUPS, OF_ONE, Checked
from fromnoise.data.check.verdict import summed_up
from fromnoise.data.left_out import LEFT_OUT, write_list
from fromnoise.data.record import Entry
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.pictures import on_white, open_picture
from fromnoise.ground.templates import templates
from fromnoise.ground.whole import write_atomically
from fromnoise.ground.wording import styled

FOLDER = Path(__file__).parents[2] / "assets" / "data"
PAGE, NOTED = "index.html", "noted.csv"
SIDE = 112  # pixels of a small picture
LISTED = 200  # files that the page names one by one
LONGEST = 90  # characters of a caption below a picture


def write_report(found: Checked, out: Path) -> Path:
    """Write the page and the lists into a folder; returns the page.

    Args:
        found: what was found.
        out: the folder; made where it is missing, and files of an earlier look are replaced.

    Raises:
        UserError: it cannot be written.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot write to '{out}': {error.strerror}") from None
    write_list(out / LEFT_OUT, found.left_out)
    write_list(out / NOTED, found.noted, ("file", "note"))
    write_atomically(out / PAGE, page(found))
    return out / PAGE


def check_out(out: Path) -> None:
    """Refuse a folder that holds something else than an earlier report.

    Raises:
        UserError: it does, or it is a file.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / LEFT_OUT).is_file())):
        raise UserError(f"'{out}' is not empty and no report of this command; name another --out")


def page(found: Checked) -> str:
    """The page as HTML."""
    groups = [*found.twice[:GROUPS], *found.same[:GROUPS], *found.alike[:GROUPS]]
    chosen = [*found.shown(), *(entry for group in groups for entry in group[:OF_ONE])]
    small = dict(zip(map(id, chosen), in_batches(_thumbnails, chosen, "drawing the report"), strict=True))

    def shown(entries: Sequence[Entry]) -> list[dict[str, str]]:
        return [_told(entry, small[id(entry)]) for entry in entries]

    facts: dict[str, Any] = {
        "found": found,
        "left_out": [(one_line(name), one_line(why)) for name, why in found.left_out[:LISTED]],
        "noted": [(one_line(said), n, ", ".join(map(one_line, names))) for said, n, names in summed_up(found.noted)],
        "random": shown(found.shown()),
        "twice": [(len(group), shown(group[:OF_ONE])) for group in found.twice[:GROUPS]],
        "same": [(len(group), shown(group[:OF_ONE])) for group in found.same[:GROUPS]],
        "alike": [(len(group), shown(group[:OF_ONE])) for group in found.alike[:GROUPS]],
        "most": max((n for _, n in found.words.lengths), default=0) or 1,
        "command": f"fromnoise data check {shlex.quote(found.place)}",
        "files": (LEFT_OUT, NOTED),
        "sections": [(name, title) for name, title, there in _sections(found) if there],
    }
    return templates(FOLDER).get_template("check.html.j2").render(**facts)


def _sections(found: Checked) -> list[tuple[str, str, bool]]:
    """Anchors and titles of the page, and whether there is anything to see."""
    return [
        ("left-out", "Left out", True),
        ("noted", "Used, but", True),
        ("pictures", "Pictures", True),
        ("twice", "One file, several captions", bool(found.twice)),
        ("same", "One file, one caption, several times", bool(found.same)),
        ("alike", "Nearly the same", bool(found.alike)),
        ("captions", "Captions", True),
        ("unknown", "Words that are new", bool(found.words.unknown)),
    ]


def _told(entry: Entry, picture: str) -> dict[str, str]:
    record = entry.record
    text = textwrap.shorten(styled(record.text, record.style), LONGEST, placeholder=" …")
    return {"picture": picture, "file": one_line(record.file_name), "text": one_line(text)}


def _thumbnails(entries: Sequence[Entry]) -> list[str]:
    return [_thumbnail(entry) for entry in entries]


def _thumbnail(entry: Entry) -> str:
    """A small picture as a data URL; "" where the file has gone meanwhile."""
    try:
        picture = on_white(open_picture(entry.read()))
    except (OSError, ValueError):
        return ""
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=80)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"
