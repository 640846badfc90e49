"""One page that holds a whole tour: chapters, answers and pictures, and asks nothing of any network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from fromnoise.ground.errors import UserError
from fromnoise.ground.templates import templates
from fromnoise.inspection.subject import Subject
from fromnoise.studio.desk.about import about
from fromnoise.studio.tour.modules import ENTRY, PREFIX, WEB, import_map, style
from fromnoise.studio.tour.pictures import WAYS, smaller, webp
from fromnoise.studio.tour.recording import Answer, told_chapters
from fromnoise.system.text_to_image import TextToImage

ALWAYS = ("recap",)  # chapters that ask nothing
LARGEST = 8_000_000  # bytes, so that it fits into a letter
START = f"""import {{ begin }} from "{PREFIX}{ENTRY}";
begin(JSON.parse(document.getElementById("recording").textContent));
"""


def tour_page(model: TextToImage, name: str, subject: Subject, answers: Sequence[Answer], command: str) -> str:
    """The page, below 8 MB: pictures lose nothing where that fits, and as much as they must otherwise.

    Args:
        model: whose tour it is.
        name: what it is called.
        subject: the drawing that the tour is about.
        answers: what was recorded.
        command: what makes the tour again.

    Raises:
        UserError: nothing could be recorded, or even small pictures do not fit.
    """
    chapters, missing = told_chapters(answers)
    if not chapters:
        raise UserError(f"there is nothing to show: {'; '.join(dict.fromkeys(missing.values()))}")
    told: dict[str, Any] = {
        "facts": about(model, name, subject.opened),
        "asked": {"prompt": subject.prompt, "style": subject.style, "seed": subject.seed},
        "command": command,
        "chapters": [*chapters, *ALWAYS],
        "missing": missing,
    }
    told["answers"] = [
        {"view": a.part.view, "body": a.part.body, "news": a.news} for a in answers if a.part.chapter in chapters
    ]
    for quality, largest in WAYS:
        page = _page(smaller(told, webp(quality, largest)), subject.prompt)
        if len(page.encode()) < LARGEST:
            return page
    raise UserError(f"the tour is larger than {LARGEST // 10**6} MB; give fewer --steps or a shorter prompt")


def _page(told: Mapping[str, Any], prompt: str) -> str:
    imports = json.dumps({"imports": import_map()})
    # "<" never stands in it as itself, so that no text of a prompt can end the element.
    recording = json.dumps(told, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    icon = base64.b64encode((WEB / "favicon.svg").read_bytes()).decode()
    page: str = (
        templates(WEB / "tour")
        .get_template("tour.html")
        .render(
            title=f"{prompt or 'a picture'} · fromnoise",
            scripts=f"{_hash(imports)} {_hash(START)}",
            icon=f"data:image/svg+xml;base64,{icon}",
            style=style(),
            imports=imports,
            start=START,
            recording=recording,
        )
    )
    return page


def _hash(script: str) -> str:
    """What the page's policy allows a script by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
