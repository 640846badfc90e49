"""The map as one page that asks nothing of the network: a canvas to move on, a search, and lists for who reads them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.templates import templates
from fromnoise.inspection.clip_map import ClipMap, Landing, Neighbour
from fromnoise.inspection.figure import FOLDER, Figure, data_url, png_of
from fromnoise.inspection.map_area import Area
from fromnoise.inspection.map_chart import COLOURS

# The canvas is the studio's, whose files alone are served; a page that is kept holds a copy of it.
CANVAS = Path(__file__).parent.parent / "studio" / "web" / "chapters" / "point_map.js"
IMPORT = 'import { PointMap, captionsWith, dataOf } from "../../studio/web/chapters/point_map.js";\n'  # not in one file


def map_page(figure: Figure, known: ClipMap, landings: Sequence[Landing], areas: Sequence[Area]) -> str:
    """The page as HTML. Texts are escaped by Jinja2, whatever stands in a prompt or a caption; only the page's own
    script may run, by its hash.
    """
    environment = templates(FOLDER)
    script, style = page_script(), (FOLDER / "map.css").read_text(encoding="utf-8")
    count = len(known.captions)
    stored = json.dumps(page_data(known, landings, areas), ensure_ascii=False, separators=(",", ":"))
    html: str = environment.get_template("map.html.j2").render(
        figure=figure,
        script=script,
        script_hash=_hash(script),
        style=style,
        style_hash=_hash(style),
        data=stored.replace("<", "\\u003c"),
        captions=f"{count:,}",
        pictures=f"{len(known) - count:,}",
        prompts=[_prompt(landing, areas[i] if areas else None) for i, landing in enumerate(landings)],
        area_caption=figure.tables[-1].caption if areas else None,
    )
    return html


def page_script() -> str:
    """The map's module and the page's own, as one script."""
    module, page = (file.read_text(encoding="utf-8") for file in (CANVAS, FOLDER / "map_page.js"))
    return f"{module}\n{page.replace(IMPORT, '')}\nglobalThis.map = openPage();\n"


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def page_data(known: ClipMap, landings: Sequence[Landing], areas: Sequence[Area] = ()) -> dict[str, Any]:
    """What ``point_map.js`` and ``map_page.js`` draw, as JSON.

    Returns:
        ``places`` are base64 of x and y of each point, 16 bits each (0 … 65535, little-endian), captions first;
        ``captions``, ``names``, ``styles``, ``style_of``, ``caption_of`` as in :class:`ClipMap`; ``prompts`` have a
        ``text``, a ``place``, neighbours by ``index``, a ``colour``, and where there are areas ``ellipse`` and
        ``drawn``.
    """
    places = (known.places.clamp(0, 1) * 65535).round().to(torch.int32).numpy().astype("<u2").tobytes()
    styles = sorted(set(known.styles))
    return {
        "places": base64.b64encode(places).decode(),
        "captions": known.captions,
        "names": known.names,
        "styles": styles,
        "style_of": [styles.index(style) for style in known.styles],
        "caption_of": known.caption_of.tolist(),
        "prompts": [_mark(i, landing, areas[i] if areas else None) for i, landing in enumerate(landings)],
    }


def _mark(number: int, landing: Landing, area: Area | None) -> dict[str, Any]:
    """A prompt as ``point_map.js`` draws it."""
    mark: dict[str, Any] = {"text": landing.prompt, "place": landing.place, "colour": number % len(COLOURS)}
    for kind, part in (("captions", landing.captions), ("pictures", landing.pictures)):
        mark[kind] = [{"index": each.index} for each in part]
    if area:
        mark["ellipse"], mark["drawn"] = asdict(area.ellipse), area.places.tolist()
    return mark


def _prompt(landing: Landing, area: Area | None) -> dict[str, Any]:
    def near(each: Neighbour) -> dict[str, Any]:
        text = f"{each.text} ({each.style})" if each.style else each.text
        return {"index": each.index, "text": text, "cosine": each.cosine}

    room = area and {
        "spread": area.spread,
        "count": len(area.pictures),
        "pictures": [data_url(png_of(to_image(picture).convert("RGB"))) for picture in area.pictures],
    }
    listed = {"captions": [near(n) for n in landing.captions], "pictures": [near(n) for n in landing.pictures]}
    return {"text": landing.prompt, "area": room, **listed}
