"""What ``fromnoise inspect map`` hands out: the map with prompts on it, who is near, and how much room they take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from PIL import Image

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.inspection.clip_map import ClipMap, Landing, Neighbour
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.map_area import Area
from fromnoise.inspection.map_chart import map_chart
from fromnoise.inspection.map_page import map_page

SHOWN = 8  # of an area's pictures, beside the map
ABOUT = (
    "Every dot is a caption or a picture that the model learnt from; CLIP, the part that knows which words fit which "
    "picture, puts together what it finds alike. A prompt lands among the captions that it is most like, which shows "
    "what the model takes its words for."
)
ROOM = (
    " The pictures that are drawn from a prompt cover an area: the smaller its spread, the more the words have decided."
)
SPREAD = (
    "spread: root mean squared distance of the prompt's pictures from their mean, √(1/n Σ|vᵢ − m|²), in CLIP space, "
    "where every picture is a vector of length 1; 0 = all the same, 1 = all different"
)


def map_figure(known: ClipMap, landings: Sequence[Landing], areas: Sequence[Area], command: str) -> Figure:
    """The figure of a map.

    Args:
        known: the map.
        landings: of prompts; may be none.
        areas: of the same prompts, in their order; or none.
        command: what makes it again.
    """
    named = ", ".join(landing.prompt for landing in landings)
    title = f"Where CLIP puts {named}" if named else "What the model learnt from, as CLIP sees it"
    chart = map_chart(known, landings, areas)
    picture = _below(chart, _drawn(areas)) if areas else chart
    tables = [_near(landing) for landing in landings] + ([_rooms(areas)] if areas else [])
    figure = Figure(
        title, ABOUT + (ROOM if areas else ""), picture, _facts(known, landings, areas), command, tables=tables
    )
    return replace(figure, page=lambda: map_page(figure, known, landings, areas))


def _near(landing: Landing) -> Table:
    def cell(near: Neighbour) -> tuple[str, str]:
        return (f"{near.text} ({near.style})" if near.style else near.text), f"{near.cosine:.2f}"

    longest = max(len(landing.captions), len(landing.pictures))
    columns = [[*map(cell, part), *[("", "")] * (longest - len(part))] for part in (landing.captions, landing.pictures)]
    rows = [[*caption, *picture] for caption, picture in zip(*columns, strict=True)]
    return Table(["nearest captions", "cosine", "nearest pictures", "cosine"], rows, f"near “{landing.prompt}”")


def _rooms(areas: Sequence[Area]) -> Table:
    rows = [[area.prompt, f"{area.spread:.3f}", str(len(area.pictures))] for area in areas]
    return Table(["prompt", "spread", "pictures"], rows, SPREAD)


def _drawn(areas: Sequence[Area]) -> Image.Image:
    rows = [[to_image(picture).convert("RGB") for picture in area.pictures[:SHOWN]] for area in areas]
    zoom = max(1, 96 // max(picture.width for row in rows for picture in row))
    return contact_sheet(rows, [f"{area.prompt}: spread {area.spread:.3f}" for area in areas], (), zoom)


def _below(above: Image.Image, below: Image.Image) -> Image.Image:
    whole = Image.new("RGB", (max(above.width, below.width), above.height + below.height), "white")
    whole.paste(above, ((whole.width - above.width) // 2, 0))
    whole.paste(below, (0, above.height))
    return whole


def _facts(known: ClipMap, landings: Sequence[Landing], areas: Sequence[Area]) -> dict[str, Any]:
    count = len(known.captions)
    return {
        "map": {"by": known.by, "captions": count, "pictures": len(known) - count},
        "prompts": [landing_facts(landing) for landing in landings],
        "areas": [area_facts(area) for area in areas],
        "spread": SPREAD,
    }


def landing_facts(landing: Landing) -> dict[str, Any]:
    """A landing as JSON: the place with 4 digits, cosines with 3."""

    def near(each: Neighbour) -> dict[str, Any]:
        said = {"index": each.index, "text": each.text, "cosine": round(each.cosine, 3), "place": _rounded(each.place)}
        return said if each.kind == "caption" else {**said, "style": each.style, "file": each.name}

    return {
        "prompt": landing.prompt,
        "place": _rounded(landing.place),
        "captions": [near(each) for each in landing.captions],
        "pictures": [near(each) for each in landing.pictures],
    }


def area_facts(area: Area) -> dict[str, Any]:
    """An area as JSON; its pictures are left out."""
    ellipse = area.ellipse
    return {
        "prompt": area.prompt,
        "spread": round(area.spread, 4),
        "count": len(area.pictures),
        "wanted": area.wanted,
        "seeds": list(area.seeds),
        "places": [_rounded((x, y)) for x, y in area.places.tolist()],
        "ellipse": {
            "centre": _rounded(ellipse.centre),
            "axes": _rounded(ellipse.axes),
            "angle": round(ellipse.angle, 4),
        },
    }


def _rounded(pair: tuple[float, float]) -> list[float]:
    return [round(value, 4) for value in pair]
