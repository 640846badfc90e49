"""Guidance as messages for a page, while pictures are drawn: JSON, with pictures inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fromnoise.inspection.guidance import Pull, check_guided, ladder, parted, pulls, shown
from fromnoise.inspection.live import LARGEST, as_url
from fromnoise.inspection.patience import scales_of, told_of_scales
from fromnoise.inspection.pixels import apart, difference
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage


def guidance_news(model: TextToImage, subject: Subject) -> Iterator[dict[str, Any]]:
    """ "guidance" at once, "step" after every step, "end" with the picture. Closing the iterator cancels.

    Of a step: the pictures ``without`` words, ``with`` them, ``apart`` (where they differ), ``adds`` (what the words
    add, around grey) and ``guided``, and ``differ``, root mean square, of the 0…1 of a colour. Where guidance rests,
    ``without``, ``apart``, ``adds`` and ``differ`` are null.

    Raises:
        UserError: at once, where nothing is guided; see :func:`fromnoise.inspection.guidance.pulls`.
    """
    made = subject.plan(model)
    return _news(model, subject, pulls(model, made), made.steps)


def _news(model: TextToImage, subject: Subject, drawing: Iterator[Any], total: int) -> Iterator[dict[str, Any]]:
    made = subject.plan(model)
    yield {
        "type": "guidance",
        "prompt": made.words.wanted.text,
        "total": total,
        "scale": made.guidance,
        "rescale": made.rescale,
        "notes": made.notes,
        "command": subject.command("guidance", out="guidance.html"),
    }
    for event in drawing:
        if isinstance(event, Pull):
            yield {"type": "step", "step": event.step.index, "t": float(event.step.t), **_of_step(model, event)}
        else:
            yield {"type": "end", "picture": as_url(event.pictures[0])}


def _of_step(model: TextToImage, pull: Pull) -> dict[str, Any]:
    words, guided = shown(model, pull.with_words).picture, shown(model, pull.guided).picture
    found: dict[str, Any] = {"with": as_url(words, LARGEST), "guided": as_url(guided, LARGEST)}
    if pull.without is None:
        return {**found, "without": None, "apart": None, "adds": None, "differ": None}
    plain = shown(model, pull.without).picture
    return {
        **found,
        "without": as_url(plain, LARGEST),
        "apart": as_url(parted(words, plain), LARGEST),
        "adds": as_url(difference(plain, words), LARGEST),
        "differ": round(apart(words, plain), 4),
    }


def ladder_news(
    model: TextToImage, subject: Subject, scales: Sequence[float] | None = None
) -> Iterator[dict[str, Any]]:
    """ "ladder" at once, "rung" after every drawing, "end". Closing the iterator cancels.

    Of a rung: its ``picture``; ``moved``, root mean square difference from the first rung's, of the 0…1 of a colour;
    ``beyond``, the share of its numbers that are cut off because no screen can show them; ``match``, CLIP's cosine
    between picture and words, or null without CLIP.

    Args:
        model, subject: what is drawn.
        scales: of guidance; by default the usual ones, fewer of a large model, which ``note`` then says.

    Raises:
        UserError: at once, no words to guide by, or a scale that is none.
    """
    chosen = scales_of(model) if scales is None else scales
    guided = [scale for scale in chosen if scale != 1]
    if guided:
        check_guided(subject.plan(model, guidance=float(guided[0])))
    rungs = ladder(model, subject, chosen)
    return _rungs(model, subject, rungs, chosen, scales is None)


def _rungs(
    model: TextToImage, subject: Subject, rungs: Iterator[Any], scales: Sequence[float], usual: bool
) -> Iterator[dict[str, Any]]:
    named = ",".join(f"{scale:g}" for scale in scales)
    command = subject.command("guidance", {"scales": named}, "guidance.html")
    note = told_of_scales(model, subject.plan(model)) if usual else ""
    yield {"type": "ladder", "scales": list(scales), "note": note, "command": command}
    for rung in rungs:
        yield {
            "type": "rung",
            "scale": rung.scale,
            "picture": as_url(rung.drawn.picture),
            "moved": round(rung.moved, 4),
            "beyond": round(rung.drawn.beyond, 4),
            "match": None if rung.match is None else round(rung.match, 4),
        }
    yield {"type": "end"}
