"""CREDITS.md: who drew what, under which licence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from fromnoise.ground.whole import write_atomically

LICENCES = {
    "Apache-2.0": "https://www.apache.org/licenses/LICENSE-2.0",
    "ISC": "https://opensource.org/license/isc-license-txt",
    "MIT": "https://opensource.org/license/mit",
    "CC0-1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY-3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY-4.0": "https://creativecommons.org/licenses/by/4.0/",
    "CC-BY-SA-4.0": "https://creativecommons.org/licenses/by-sa/4.0/",
}


PICTURES = "They were rendered to pixels on a white background; nothing else was changed."
NAMES = "Names and keywords: Unicode CLDR (Unicode License V3). Classes: emojibase (MIT)."


def credit(package: Path) -> tuple[str, str]:
    """Author and address of an npm package."""
    for file in ("info.json", "package.json"):
        if (package / file).exists():
            facts = json.loads((package / file).read_text(encoding="utf-8"))
            author = facts.get("author") or {}
            if isinstance(author, str):
                author = {"name": re.sub(r"\s*<.*", "", author)}
            return str(author.get("name", "unknown")), str(author.get("url") or facts.get("homepage") or "")
    return "unknown", ""


def write_credits(file: Path, sets: list[dict[str, Any]], change: str = PICTURES, names: str = NAMES) -> None:
    """Write one line per set: style, author, licence, address, number of pictures.

    Args:
        file: CREDITS.md.
        sets: ``SetSummary`` as dicts.
        change: what was done to the pictures, as CC BY asks.
        names: where the names come from.
    """
    rows = [
        f"| {s['style']} | [{s['author']}]({s['url']}) | [{s['licence']}]({LICENCES.get(s['licence'], '')}) "
        f"| {s['pictures']:,} |"
        for s in sets
    ]
    text = [
        "# Credits",
        "",
        "The pictures in this folder were drawn by the people below and are used under the licences they chose.",
        change,
        "",
        "| style | author | licence | pictures |",
        "| --- | --- | --- | --- |",
        *rows,
        "",
        names,
        "",
    ]
    write_atomically(file, "\n".join(text))
