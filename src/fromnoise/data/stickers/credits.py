"""CREDITS.md: who drew what, under which licence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fromnoise.ground.whole import write_atomically

LICENCES = {
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "MIT": "https://opensource.org/license/mit",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
}


def write_credits(file: Path, sets: list[dict[str, Any]]) -> None:
    """Write one line per set (``SetSummary`` as dicts): style, author, licence, address, number of pictures."""
    rows = [
        f"| {s['style']} | [{s['author']}]({s['url']}) | [{s['licence']}]({LICENCES.get(s['licence'], '')}) "
        f"| {s['pictures']:,} |"
        for s in sets
    ]
    text = [
        "# Credits",
        "",
        "The pictures in this folder were drawn by the people below and are used under the licences they chose. They",
        "were rendered to pixels on a white background; nothing else was changed.",
        "",
        "| style | author | licence | pictures |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
        "Names and keywords: Unicode CLDR (Unicode License V3). Classes: emojibase (MIT).",
        "",
    ]
    write_atomically(file, "\n".join(text))
