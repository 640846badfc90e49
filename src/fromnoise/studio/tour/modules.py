"""The page's modules without a server: each as an address that holds it, and a map from their names to these."""

from __future__ import annotations

import base64
import posixpath
import re
from pathlib import Path

WEB = Path(__file__).parent.parent / "web"
ENTRY = "tour/tour.js"
# Modules that ask the server, and what plays its recorded answers instead.
RECORDED = {"api.js": "tour/api.js", "jobs.js": "tour/jobs.js"}
SPECIFIER = re.compile(r"""(\bfrom\s+|\bimport\s*\(\s*|\bimport\s+)(["'])(\.{1,2}/[\w./-]+\.js)\2""")
PREFIX = "fromnoise/"


def import_map() -> dict[str, str]:
    """Names of modules and their addresses, from the entry to the last one that it needs.

    A module in an address has no folder that another's name could be relative to, so all names are made absolute.
    """
    found: dict[str, str] = {}
    waiting = [ENTRY]
    while waiting:
        name = waiting.pop()
        if PREFIX + name in found:
            continue
        text, needs = _absolute((WEB / name).read_text(encoding="utf-8"), name)
        found[PREFIX + name] = f"data:text/javascript;base64,{base64.b64encode(text.encode()).decode()}"
        waiting += needs
    return found


def _absolute(text: str, name: str) -> tuple[str, list[str]]:
    """A module's text with absolute names of what it imports, and these."""
    needs: list[str] = []

    def change(found: re.Match[str]) -> str:
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), found[3]))
        path = path if path == name or name.startswith("tour/") else RECORDED.get(path, path)
        needs.append(path)
        return f"{found[1]}{found[2]}{PREFIX}{path}{found[2]}"

    return SPECIFIER.sub(change, text), needs


def style() -> str:
    """The studio's styles, in the order in which its page takes them."""
    return "\n".join((WEB / name).read_text(encoding="utf-8") for name in ("style.css", "rooms.css", "chapters.css"))
