"""Guidance as a figure: the arithmetic at some steps, its course over all of them, and whole drawings side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.ground.errors import UserError
from fromnoise.inspection.charts import Line, line_chart
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.guidance import (
    SCALES,
    Pull,
    Rung,
    Shown,
    facts_of,
    ladder,
    parted,
    pulls,
    shown,
)
from fromnoise.inspection.panels import below, headed
from fromnoise.inspection.pixels import difference
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage

ROWS = 5  # steps that are shown where nobody says which
ABOUT = (
    "At every step the network guesses the finished picture twice: once deaf, once having heard the words. "
    "Guidance takes the difference between the two guesses, the part that only the words explain, and "
    "exaggerates it; too much of it and colours run over."
)
COLUMNS = ("with words", "where they differ", "what words add", "guided: drawn with")


def guidance_figure(
    model: TextToImage, subject: Subject, at: Sequence[int] = (), scales: Sequence[float] = SCALES
) -> Figure:
    """Guidance at work in one drawing.

    Args:
        model: what draws.
        subject: what it draws.
        at: numbers of the steps to show, from 1; none: some of the guided ones.
        scales: at which the whole drawing is made from the same noise.

    Raises:
        UserError: nothing is guided, no such step, or a scale that is none; before anything is drawn.
    """
    made = subject.plan(model)
    check_steps(at, made.steps)
    drawing, rungs = pulls(model, made), ladder(model, subject, scales)  # both refuse before they begin
    every = [pull for pull in drawing if isinstance(pull, Pull)]
    numbers = at or _some(
        [p.step.index + 1 for p in every if p.without is not None] or [p.step.index + 1 for p in every]
    )
    rows = [(every[i - 1], _three(model, every[i - 1])) for i in numbers]
    found = list(rungs)
    sheet, ladder_sheet = _arithmetic(rows, subject.negative), _row(found)
    picture = below(
        headed(f'"{subject.prompt}", seed {subject.seed}. {_formula(made.guidance, made.rescale)}', sheet),
        _course(every),
        headed(f"the same noise, drawn with guidance {scales[0]:g} to {scales[-1]:g}", ladder_sheet),
    )
    options = {"at": ",".join(map(str, at)) or None, "scales": ",".join(f"{s:g}" for s in scales)}
    return Figure(
        f"Guidance: {subject.prompt}",
        ABOUT,
        picture,
        _facts(made.guidance, made.rescale, every, rows, found),
        subject.command("guidance", options, "guidance.png"),
        [_frame(rung) for rung in found],
        [_steps_table(every, rows), _scales_table(found)],
    )


Row = tuple[Pull, tuple[Shown | None, Shown, Shown]]  # a step, and its pictures without words, with, and guided


def _formula(scale: float, rescale: float) -> str:
    """What is computed at every step, in words; the pictures' font has no other signs."""
    back = f" (then {rescale:.0%} of the contrast that this adds is taken back)" if rescale else ""
    return f"guided = without + {scale:g} x (with - without){back}"


def check_steps(at: Sequence[int], steps: int) -> None:
    """Refuse steps that a drawing has not.

    Raises:
        UserError: which.
    """
    wrong = [number for number in at if not 1 <= number <= steps]
    if wrong:
        raise UserError(f"there is no step {wrong[0]}; this drawing has the steps 1…{steps}", "at", advice=" (--at)")


def _three(model: TextToImage, pull: Pull) -> tuple[Shown | None, Shown, Shown]:
    plain = None if pull.without is None else shown(model, pull.without)
    return plain, shown(model, pull.with_words), shown(model, pull.guided)


def _some(numbers: Sequence[int]) -> list[int]:
    """Some of the numbers, evenly: the first and the last among them."""
    count = min(ROWS, len(numbers))
    return [numbers[i * (len(numbers) - 1) // max(1, count - 1)] for i in range(count)]


def _arithmetic(rows: Sequence[Row], negative: str) -> Image.Image:
    """A row for each step; where guidance rests, only what was computed."""
    away = f'with "{negative}"' if negative.strip() else "without words"
    pictures, labels = [], []
    for pull, (plain, words, guided) in rows:
        empty = torch.full_like(words.picture, 255)
        differ = (
            (empty, empty)
            if plain is None
            else (parted(words.picture, plain.picture), difference(plain.picture, words.picture))
        )
        deaf = empty if plain is None else plain.picture
        pictures.append([to_image(p) for p in (deaf, words.picture, *differ, guided.picture)])
        rests = ": guidance rests, the network is asked once" if plain is None else ""
        labels.append(f"step {pull.step.index + 1} of {pull.step.total}, t = {pull.step.t:g}{rests}")
    return contact_sheet(pictures, labels, (away, *COLUMNS), _zoom(pictures[0][0]))


def _row(rungs: Sequence[Rung]) -> Image.Image:
    pictures = [to_image(rung.drawn.picture) for rung in rungs]
    labels = [f"{rung.scale:g}{' (none)' if rung.scale == 1 else ''}" for rung in rungs]
    return contact_sheet([pictures], ["guidance"], labels, _zoom(pictures[0]))


def _zoom(picture: Image.Image) -> int:
    """So that a small picture is about 128 pixels wide."""
    return max(1, 128 // picture.width)


def _frame(rung: Rung) -> Image.Image:
    picture = to_image(rung.drawn.picture)
    size = (picture.width * _zoom(picture) * 2, picture.height * _zoom(picture) * 2)
    return contact_sheet([[picture.resize(size, Image.Resampling.NEAREST)]], [f"guidance {rung.scale:>4.1f}"], [])


def _course(every: Sequence[Pull]) -> Image.Image:
    """How much the words change, step by step."""
    strength = Line("difference of both guesses", [pull.strength for pull in every])
    angles = Line("angle between them, of 90 degrees",
                  [None if pull.angle is None else pull.angle / 90 for pull in every])  # fmt: skip
    places = [str(pull.step.index + 1) for pull in every]
    below = "step, from noise to picture; no point: guidance rests"
    return line_chart("how much words change", [strength, angles], places, below)


def _facts(scale: float, rescale: float, every: Sequence[Pull], rows: Sequence[Row], rungs: Sequence[Rung]) -> Any:
    beyond = {pull.step.index: three for pull, three in rows}
    steps = []
    for pull in every:
        more = beyond.get(pull.step.index)
        steps.append({**facts_of(pull), **({} if more is None else _ranges(more))})
    return {"guidance": scale, "rescale": rescale, "steps": steps, "scales": [_rung_facts(rung) for rung in rungs]}


def _ranges(three: tuple[Shown | None, Shown, Shown]) -> dict[str, Any]:
    names = "beyond_without", "beyond_with_words", "beyond_guided"
    return {name: None if one is None else round(one.beyond, 4) for name, one in zip(names, three, strict=True)}


def _rung_facts(rung: Rung) -> dict[str, Any]:
    return {
        "guidance": rung.scale,
        "match": None if rung.match is None else round(rung.match, 4),
        "beyond": round(rung.drawn.beyond, 4),
        "furthest": round(rung.drawn.furthest, 4),
        "moved": round(rung.moved, 4),
    }


def _steps_table(every: Sequence[Pull], rows: Sequence[Row]) -> Table:
    three = {pull.step.index: found for pull, found in rows}
    lines = []
    for pull in every:
        found = three.get(pull.step.index)
        range_of = ("", "") if found is None else (f"{found[1].beyond:.1%}", f"{found[2].beyond:.1%}")
        strength = "one call" if pull.strength is None else f"{pull.strength:.3f}"
        turned = "" if pull.angle is None else f"{pull.angle:.1f}°"
        lines.append([str(pull.step.index + 1), f"{pull.step.t:g}", strength, turned, *range_of])
    heads = ("step", "t", "difference", "angle", "with words: out of range", "guided: out of range")
    return Table(heads, lines, "Each step: how far both guesses are apart (latents have a variance of 1), the angle "
                 "between them, and how many colours leave what a screen can show")  # fmt: skip


def _scales_table(rungs: Sequence[Rung]) -> Table:
    lines = [
        [f"{r.scale:g}", "" if r.match is None else f"{r.match:.3f}", f"{r.drawn.beyond:.1%}",
         f"{r.drawn.furthest:.2f}", f"{r.moved:.3f}"]
        for r in rungs
    ]  # fmt: skip
    heads = ("guidance", "CLIP's match", "out of range", "furthest", "apart from the first")
    return Table(heads, lines, "Each whole drawing: how well CLIP finds that it fits the words, how many colours had "
                 "to be cut off and how far the furthest was beyond, and the difference from the first")  # fmt: skip
