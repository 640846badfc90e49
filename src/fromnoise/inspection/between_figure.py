"""A walk between two pictures as a figure: a strip, a film, and what CLIP sees on the way."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.inspection.between import STOPS, Goal, Stop, Walk, drawn, matches, stops_of, walk
from fromnoise.inspection.charts import Line, line_chart
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.panels import below, headed
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage

ABOUT = (
    "To the machine, words and noise are lists of numbers, so one can stand between two prompts, or between two "
    "noises, and draw what is there. Every picture of this walk is drawn afresh from a mixture of the numbers; no "
    "picture is faded into another."
)
IN_A_ROW = 12  # pictures of a strip


def between_figure(model: TextToImage, subject: Subject, goal: Goal, stops: int = STOPS) -> Figure:
    """A walk from one prompt or seed to another.

    Args:
        model: what draws.
        subject: where it begins.
        goal: where it ends.
        stops: how many pictures, both ends included.

    Raises:
        UserError: see :func:`fromnoise.inspection.between.walk`.
    """
    way = walk(model, subject, goal, stops)
    found = list(stops_of(model, way))
    names = names_of(subject, goal)
    told = [f'"{each.words.prompt}"' for each in way.told]
    asked = asked_for(model, way) if goal.both else None
    parts = [headed(f"from {names[0]} to {names[1]}", _strip(found))]
    parts += [headed(f'for comparison: "{goal.both}", drawn by its own words', _one(asked[0]))] if asked else []
    parts += [_chart(found, told)] if found[0].matches else []
    return Figure(
        f"Between: {names[0]} to {names[1]}",
        ABOUT,
        below(*parts),
        {
            "stops": [_facts(stop, told) for stop in found],
            "asked": None if asked is None else {"prompt": goal.both, "matches": _named(asked[1], told)},
        },
        line_of(subject, goal, stops, "between.png"),
        [_frame(stop) for stop in found],
        [_table(found, told, asked)],
    )


def line_of(subject: Subject, goal: Goal, stops: int, out: str) -> str:
    """The command that walks so; it says what may lie between, since by itself that is both prompts."""
    more = [] if goal.prompt is None else [goal.prompt]
    options = {"steps-between": stops, "to-seed": goal.seed, "both": goal.both if more else goal.both or None}
    return subject.command("between", options, out, more)


def names_of(subject: Subject, goal: Goal) -> tuple[str, str]:
    """What both ends are called in labels."""
    same = goal.prompt is None or goal.prompt == subject.prompt
    seeds = (subject.seed, subject.seed if goal.seed is None else goal.seed)
    prompts = (subject.prompt, subject.prompt if goal.prompt is None else goal.prompt)
    ends = [
        f"seed {s}" if same else f'"{p}"' if seeds[0] == seeds[1] else f'"{p}", seed {s}'
        for p, s in zip(prompts, seeds, strict=True)
    ]
    return (f'"{subject.prompt}", {ends[0]}' if same else ends[0]), ends[1]


Asked = tuple[Tensor, tuple[float, ...]] | None  # the picture of what may lie between, and its matches


def asked_for(model: TextToImage, way: Walk) -> tuple[Tensor, tuple[float, ...]]:
    """What may lie between, drawn by its own words, and its matches; for a walk that was asked for it."""
    picture = drawn(model, way.told[-1])
    return picture, matches(model, way.told, picture)


def _strip(found: Sequence[Stop]) -> Image.Image:
    rows = [found[i : i + IN_A_ROW] for i in range(0, len(found), IN_A_ROW)]
    columns = [f"{stop.amount:.0%}" for stop in found] if len(rows) == 1 else []
    labels = ["the way"] if len(rows) == 1 else [f"{row[0].amount:.0%} to {row[-1].amount:.0%}" for row in rows]
    pictures = [[to_image(stop.picture) for stop in row] for row in rows]
    return contact_sheet(pictures, labels, columns, max(1, 128 // pictures[0][0].width))


def _one(picture: Tensor) -> Image.Image:
    image = to_image(picture)
    return contact_sheet([[image]], ["asked for"], [], max(1, 128 // image.width))


def _frame(stop: Stop) -> Image.Image:
    image = to_image(stop.picture)
    return contact_sheet([[image]], [f"{stop.amount:>4.0%}"], [], max(1, 256 // image.width))


def _chart(found: Sequence[Stop], names: Sequence[str]) -> Image.Image:
    lines = [Line(f"fits {name}", [stop.matches[k] for stop in found]) for k, name in enumerate(names)]
    places = [f"{stop.amount:.0%}" for stop in found]
    return line_chart("CLIP's match", lines, places, "how far along the way")


def _named(matches: Sequence[float], names: Sequence[str]) -> dict[str, float]:
    return {name.strip('"'): round(match, 4) for name, match in zip(names, matches, strict=False)}


def _facts(stop: Stop, names: Sequence[str]) -> dict[str, object]:
    found = {"amount": round(stop.amount, 4), "moved": round(stop.moved, 4), "matches": _named(stop.matches, names)}
    return {**found, "request": stop.request.to_dict()}


def _table(found: Sequence[Stop], names: Sequence[str], asked: Asked) -> Table:
    shown = names[: len(found[0].matches)]
    lines = [[f"{s.amount:.0%}", f"{s.moved:.3f}", *(f"{m:.3f}" for m in s.matches)] for s in found]
    if asked is not None:
        lines.append(["asked for", "", *(f"{m:.3f}" for m in asked[1])])
    heads = ("way", "change", *(f"fits {name}" for name in shown))
    return Table(heads, lines, "Each stop: how much the picture changed since the one before (0…1), and how well CLIP "
                 "finds that it fits each of the words")  # fmt: skip
