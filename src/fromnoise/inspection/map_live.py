"""The map as messages for a page: its points once, where prompts land, and how their areas grow picture by picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fromnoise.drawing.opened import Opening
from fromnoise.inspection.clip_map import Landing, check_prompt, land
from fromnoise.inspection.live import LARGEST, as_url
from fromnoise.inspection.map_area import areas, spread_error
from fromnoise.inspection.map_figure import area_facts, landing_facts
from fromnoise.inspection.map_page import page_data
from fromnoise.inspection.map_plain import MAKE, known_map
from fromnoise.inspection.subject import Subject, command, named
from fromnoise.system.text_to_image import TextToImage

NEAREST = 8  # as the command has it by itself
News = dict[str, Any]


def map_news(
    model: TextToImage,
    prompts: Sequence[str],
    points: bool = True,
    nearest: int = NEAREST,
    opened: Opening = Opening(),
) -> Iterator[News]:
    """ "map" with all points, a "landing" for every prompt, "end".

    What cannot be shown is refused at once; the rest is reckoned by the iterator.

    Args:
        model: has CLIP, and a map or captions that it learnt from.
        prompts: what is dropped on the map; may be none.
        points: False leaves "map" out, for a page that has it already.
        nearest: how many captions, and how many pictures, are named beside each prompt.
        opened: how the model was opened, for the command.

    Raises:
        UserError: an empty prompt, or no map and nothing to make one of.
    """
    for prompt in prompts:
        check_prompt(model, prompt)
    known_map(model)
    return _map_news(model, prompts, points, nearest, opened)


def _map_news(
    model: TextToImage, prompts: Sequence[str], points: bool, nearest: int, opened: Opening
) -> Iterator[News]:
    known, stored = known_map(model), model.clip_map is not None
    if points:
        yield {"type": "map", "by": known.by, "stored": stored, "make": MAKE, **page_data(known, [])}
    for prompt in prompts:
        yield _landing_news(model, land(known, model, prompt, nearest))
    options = {"nearest": None if nearest == NEAREST else nearest, **named(opened), "out": "map.html"}
    yield {"type": "end", "command": command("map", [*prompts], options)}


def _landing_news(model: TextToImage, landing: Landing) -> News:
    """A landing, and which of its words no caption of the training had."""
    said = {**landing_facts(landing), "place": list(landing.place)}
    return {"type": "landing", **said, "unknown": list(model.known.unknown(landing.prompt))}


def area_news(model: TextToImage, subjects: Sequence[Subject], count: int) -> Iterator[News]:
    """ "prompts" with their words that no caption had, an "area" after every picture of every prompt, "end" with all
    spreads and how far they may be off.

    What cannot be drawn is refused at once; closing the iterator ends the drawing.

    Args:
        model: draws, and its own CLIP looks.
        subjects: what is drawn, one prompt each, with the same seeds.
        count: pictures of each.

    Raises:
        UserError: see :func:`fromnoise.inspection.map_area.areas`.
    """
    known = known_map(model)
    for subject in subjects:
        check_prompt(model, subject.prompt)
        areas(known, model, subject, count)  # all are checked before the first is drawn
    return _area_news(model, subjects, count)


def _area_news(model: TextToImage, subjects: Sequence[Subject], count: int) -> Iterator[News]:
    known, spreads, errors = known_map(model), [], []
    said = [{"prompt": subject.prompt, "unknown": list(model.known.unknown(subject.prompt))} for subject in subjects]
    yield {"type": "prompts", "prompts": said}
    for number, subject in enumerate(subjects):
        for area in areas(known, model, subject, count):
            picture = as_url(area.pictures[-1], LARGEST)
            yield {"type": "area", "number": number, **area_facts(area), "picture": picture}
        error = spread_error(area.vectors)
        spreads.append(round(area.spread, 4))
        errors.append(error if error is None else round(error, 4))
    first = subjects[0]
    options = {
        "area": True,
        "pictures": count,
        "style": first.style,
        "seed": first.seed,
        "steps": first.steps,
        **first.opened,
    }
    line = command("map", [subject.prompt for subject in subjects], {**options, "out": "map.html"})
    yield {"type": "end", "spreads": spreads, "errors": errors, "command": line}
