"""Walks and sums of words as messages for a page, picture by picture: JSON, with pictures inside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fromnoise.inspection.arithmetic import SEEDS, WAYS, Equation, sums, wording
from fromnoise.inspection.arithmetic_figure import outcome, verdict
from fromnoise.inspection.between import Goal, Walk, stops_of
from fromnoise.inspection.between_figure import asked_for, line_of, names_of
from fromnoise.inspection.live import as_url
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage


def walk_news(model: TextToImage, subject: Subject, goal: Goal, way: Walk) -> Iterator[dict[str, Any]]:
    """ "walk" at once, a "stop" for every picture, "both" where the goal says what may lie between, "end"; closing the
    iterator cancels.

    Args:
        model: what draws.
        subject, goal: both ends.
        way: what :func:`fromnoise.inspection.between.walk` made of these.
    """
    told = [made.words.prompt for made in way.told]
    yield {"type": "walk", "stops": len(way.stops), "names": list(names_of(subject, goal)), "told": told}
    for i, stop in enumerate(stops_of(model, way)):
        yield {
            "type": "stop",
            "number": i,
            "amount": round(stop.amount, 4),
            "picture": as_url(stop.picture),
            "matches": [round(match, 4) for match in stop.matches],
            "moved": round(stop.moved, 4),
        }
    if goal.both:
        picture, matches = asked_for(model, way)
        told_matches = [round(match, 4) for match in matches]
        yield {"type": "both", "prompt": goal.both, "picture": as_url(picture), "matches": told_matches}
    yield {"type": "end", "command": line_of(subject, goal, len(way.stops), "between.html")}


def sum_news(model: TextToImage, subject: Subject, equation: Equation, seeds: int = SEEDS) -> Iterator[dict[str, Any]]:
    """ "sum" at once, "drawn" for every picture, "end" with what was measured; closing the iterator cancels.

    Args:
        model: what draws.
        subject: the prompt as said, and the first seed.
        equation: what is added to it.
        seeds: how many noises it is tried with.

    Raises:
        UserError: see :func:`fromnoise.inspection.arithmetic.sums`.
    """
    yield {"type": "sum", "wording": wording(subject, equation), "target": equation.target, "ways": list(WAYS),
           "seeds": [subject.seed + i for i in range(seeds)]}  # fmt: skip
    found = []
    for each in sums(model, subject, equation, seeds):
        found.append(each)
        yield {
            "type": "drawn",
            "way": each.way,
            "seed": each.seed,
            "picture": as_url(each.picture),
            "distance": round(each.distance, 4),
        }
    options = {"minus": equation.minus or None, "plus": equation.plus or None, "target": equation.target}
    yield {
        "type": "end",
        "verdict": verdict([outcome(way, found) for way in WAYS], equation),
        "command": subject.command("arithmetic", {**options, "seeds": seeds}, "arithmetic.html"),
    }
