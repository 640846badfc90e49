"""Arithmetic of concepts as a figure: the sums beside the prompt that they should mean, and whether it works."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.inspection.arithmetic import (
    AS_SAID,
    EVERYWHERE,
    IN_PLACE,
    SEEDS,
    WAYS,
    Drawn,
    Equation,
    InClip,
    in_clip,
    sums,
    wording,
)
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.panels import headed
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage

ABOUT = (
    "If words are lists of numbers, one can calculate with them: take away the numbers of one word, add those of "
    "another, and draw what comes out. Whether the machine understands it so is measured, beside what the plain words "
    "for the same thing draw from the same noise."
)


@dataclass(frozen=True)
class Outcome:
    """How one way did, over all seeds.

    Attributes:
        way: which.
        distance: mean distance from the target's pictures, 0…1.
        nearer: in how many of the drawings it came nearer to the target's picture than the prompt as said did.
        prefers: in how many CLIP finds that the picture fits the target better than the prompt as said; None without
            CLIP.
        matches: mean of CLIP's cosines to the prompt and to the target; empty without CLIP.
        count: of drawings.
    """

    way: str
    distance: float
    nearer: int
    prefers: int | None
    matches: tuple[float, ...]
    count: int


def arithmetic_figure(model: TextToImage, subject: Subject, equation: Equation, seeds: int = SEEDS) -> Figure:
    """A sum of concepts, drawn and measured.

    Args:
        model: what draws.
        subject: the prompt as said.
        equation: what is added to it.
        seeds: how many noises it is tried with.

    Raises:
        UserError: see :func:`fromnoise.inspection.arithmetic.sums`.
    """
    found = list(sums(model, subject, equation, seeds))
    outcomes = [outcome(way, found) for way in WAYS]
    clip = in_clip(model, subject, equation) if model.clip is not None and (model.copies or model.known) else None
    title, said = wording(subject, equation), verdict(outcomes, equation)
    options = {
        "minus": equation.minus or None,
        "plus": equation.plus or None,
        "target": equation.target,
        "seeds": seeds,
    }
    return Figure(
        f"Arithmetic: {title}",
        f"{ABOUT} {said}",
        headed(f'{title}: is that "{equation.target}"? {said}', _sheet(found, subject, equation)),
        _facts(equation, outcomes, clip),
        subject.command("arithmetic", options, "arithmetic.png"),
        (),
        [_table(outcomes, equation, said), *([] if clip is None else [_clip_table(clip, equation)])],
    )


def outcome(way: str, found: Sequence[Drawn]) -> Outcome:
    """What all drawings of one way have come to."""
    own = [d for d in found if d.way == way]
    plain = {d.seed: d.distance for d in found if d.way == AS_SAID}
    told = [d.matches for d in own if d.matches]
    return Outcome(
        way,
        mean(d.distance for d in own),
        sum(d.distance < plain[d.seed] for d in own),
        sum(m[1] > m[0] for m in told) if told else None,
        tuple(mean(values) for values in zip(*told, strict=True)),
        len(own),
    )


def verdict(outcomes: Sequence[Outcome], equation: Equation) -> str:
    """One sentence: what the better of both sums came to."""
    plain = next(o for o in outcomes if o.way == AS_SAID)
    best = min((o for o in outcomes if o.way in (IN_PLACE, EVERYWHERE)), key=lambda o: o.distance)
    words = "" if best.prefers is None else (
        f", and CLIP finds that {best.prefers} of {best.count} show {equation.target} rather than what was said before"
    )  # fmt: skip
    how = "works here" if best.nearer == best.count and best.prefers in (None, best.count) else (
        "does not work here" if best.nearer * 2 < best.count else "works only in part here")  # fmt: skip
    return (
        f"It {how}: the better sum ({best.way.removeprefix('sum, ')}) came nearer to the picture that was meant "
        f"in {best.nearer} of {best.count} drawings (from {plain.distance:.2f} apart to {best.distance:.2f}){words}."
    )


def _sheet(found: Sequence[Drawn], subject: Subject, equation: Equation) -> Any:
    seeds = list(dict.fromkeys(d.seed for d in found))
    by = {(d.way, d.seed): to_image(d.picture) for d in found}
    labels = [f'as said: "{subject.prompt}"', IN_PLACE, EVERYWHERE, f'asked for: "{equation.target}"']
    rows = [[by[way, seed] for seed in seeds] for way in WAYS]
    return contact_sheet(rows, labels, [f"seed {s}" for s in seeds], max(1, 128 // rows[0][0].width))


def _facts(equation: Equation, outcomes: Sequence[Outcome], clip: InClip | None) -> dict[str, Any]:
    ways = {
        o.way: {"distance": round(o.distance, 4), "nearer": o.nearer, "of": o.count, "prefers_target": o.prefers,
                "matches": [round(m, 4) for m in o.matches]}
        for o in outcomes
    }  # fmt: skip
    known = None if clip is None else {
        "nearest": [[text, round(value, 4)] for text, value in clip.nearest], "target_before": round(clip.before, 4),
        "target_after": round(clip.after, 4), "target_rank": clip.rank, "of": clip.count,
    }  # fmt: skip
    return {"minus": equation.minus, "plus": equation.plus, "target": equation.target, "ways": ways, "clip": known}


def _table(outcomes: Sequence[Outcome], equation: Equation, said: str) -> Table:
    lines = []
    for o in outcomes:
        nearer = f"{o.nearer} of {o.count}" if o.way in (IN_PLACE, EVERYWHERE) else ""
        lines.append([o.way, f"{o.distance:.3f}", nearer, *(f"{m:.3f}" for m in o.matches)])
    heads = ["", "apart from what was meant", "nearer than as said"]
    heads += ["fits as said", f"fits {equation.target}"] if outcomes[0].matches else []
    return Table(heads, lines, "How far each picture is from the one that the plain words draw from the same noise "
                 f"(0…1), and CLIP's match. {said}")  # fmt: skip


def _clip_table(clip: InClip, equation: Equation) -> Table:
    lines = [[text, f"{value:.3f}"] for text, value in clip.nearest]
    lines.append([f"{equation.target} (place {clip.rank} of {clip.count})", f"{clip.after:.3f}"])
    lines.append([f"{equation.target}, before anything was added", f"{clip.before:.3f}"])
    return Table(("caption", "cosine"), lines, f"The same sum in CLIP's space, and the nearest {clip.source}")
