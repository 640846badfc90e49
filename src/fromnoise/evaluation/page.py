"""The page: one HTML file of sections, with its pictures inside, that asks nothing of the network.

Texts are escaped by Jinja2, whatever stands in a caption or a model's name.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fromnoise.evaluation.section import Picture, Section
from fromnoise.evaluation.store import as_bytes, suffix
from fromnoise.evaluation.words import figure, interval, way
from fromnoise.ground.templates import templates

FOLDER = Path(__file__).parent.parent / "assets" / "evaluation"
KINDS = {".svg": "image/svg+xml", ".gif": "image/gif", ".png": "image/png"}


def page(facts: dict[str, Any], sections: Sequence[Section]) -> str:
    """The page of a report.

    Args:
        facts: what was measured, with what; see :class:`fromnoise.evaluation.report.Facts`.
        sections: in their order.
    """
    environment = templates(FOLDER)
    environment.filters |= {"embedded": _embedded, "way": way, "interval": interval}
    environment.globals |= {"figure": figure}
    text: str = environment.get_template("page.html.j2").render(facts=facts, sections=[_shown(s) for s in sections])
    return text


def _shown(section: Section) -> dict[str, Any]:
    """A section as the template wants it: films apart, since they move only when asked to."""
    films = [p for p in section.pictures if isinstance(p.picture, bytes) and suffix(p.picture) == ".gif"]
    still = [p for p in section.pictures if p not in films]
    return {"section": section, "films": films, "pictures": still}


def _embedded(picture: Picture) -> str:
    data = as_bytes(picture.picture)
    return f"data:{KINDS[suffix(data)]};base64,{base64.b64encode(data).decode()}"
