"""The film of a training as a figure: rows are prompts, columns are moments, and below what the loss did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from PIL import Image
from torch import Tensor

from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.inspection.charts import Line, line_chart
from fromnoise.inspection.figure import Figure, Table
from fromnoise.inspection.learning import MIDDLE, fall_of
from fromnoise.inspection.panels import below, headed
from fromnoise.system.learning_file import Learning, Moment

ABOUT = (
    "The same words and the same static, drawn again and again while the network was learning. Nothing was chosen or "
    "mended: the pictures are cut out of the training's own sheets."
)
SAID = {"..-4": "nearly all noise", "-2..0": "half noise", "2..4": "little noise"}


def learning_figure(film: Learning, name: str = "", command: str = "") -> Figure:
    """A film of a training as a table of pictures, a film, and numbers.

    Args:
        film: of a model, or of a run.
        name: whose training it is.
        command: what makes the figure again.
    """
    pictures = film.pictures()
    found = verdict(film.moments)
    columns = [f"{moment.pictures:,}" for moment in film.moments]
    rows = [[to_image(picture) for picture in each] for each in pictures.transpose(0, 1)]
    sheet = contact_sheet(rows, list(film.prompts), columns, _zoom(film))
    parts = [headed(f"the same prompts and seeds after so many pictures seen. {found}".strip(), sheet)]
    return Figure(
        f"How {name or 'the model'} learned",
        f"{ABOUT} {found}".strip(),
        below(*parts, *_charts(film.moments)),
        _facts(film),
        command,
        [_frame(film, moment, each) for moment, each in zip(film.moments, pictures, strict=True)],
        [_table(film.moments)],
    )


def verdict(moments: Sequence[Moment]) -> str:
    """What the loss did, in plain words; "" where nothing is known of it."""
    fall = fall_of(moments)
    if fall is None:
        return ""
    where = "on pictures that it never learnt from, its mistake" if fall.held_out else "in its lessons, its mistake"
    if fall.half is None:
        return f"Measured {where} did not become smaller: {fall.first:.3g} at first, {fall.last:.3g} at last."
    return (
        f"Measured {where} fell from {fall.first:.3g} to {fall.last:.3g}; half of that had happened after "
        f"{fall.half:,} of {moments[-1].pictures:,} pictures."
    )


def _zoom(film: Learning) -> int:
    return max(1, 96 // max(film.size))


def _frame(film: Learning, moment: Moment, pictures: Tensor) -> Image.Image:
    """All prompts at one moment, four beside each other."""
    rows = [[to_image(picture) for picture in pictures[i : i + 4]] for i in range(0, len(pictures), 4)]
    sheet = contact_sheet(rows, [""] * len(rows), [], 2 * _zoom(film))
    hours = f", {_hours(moment)} hours" if moment.hours is not None else ""
    return headed(f"after {moment.pictures:,} pictures{hours}", sheet)


def _charts(moments: Sequence[Moment]) -> list[Image.Image]:
    """The loss over the moments, where it is known."""
    curves = []
    if any(moment.held_out is not None for moment in moments):
        curves.append(Line("pictures never learnt from", [moment.held_out for moment in moments]))
    if any(moment.loss is not None for moment in moments):
        curves.append(Line("lessons", [moment.loss for moment in moments]))
    if not curves:
        return []
    labels = [f"{moment.pictures:,}" for moment in moments]
    return [line_chart("mistake (mean squared error)", curves, labels, "pictures seen")]


def _table(moments: Sequence[Moment]) -> Table:
    levels = [name for name in MIDDLE if any(name in moment.levels for moment in moments)]
    heads = ["pictures seen", "hours", "loss, never learnt from", "loss, lessons"]
    rows = [
        [
            f"{moment.pictures:,}",
            _hours(moment),
            *(_number(value) for value in (moment.held_out, moment.loss)),
            *(_number(moment.levels.get(name)) for name in levels),
        ]
        for moment in moments
    ]
    return Table([*heads, *(SAID[name] for name in levels)], rows, "What the training's log says of each moment")


def _hours(moment: Moment) -> str:
    return "" if moment.hours is None else f"{moment.hours:.2g}" if moment.hours < 1 else f"{moment.hours:.1f}"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _facts(film: Learning) -> dict[str, Any]:
    fall = fall_of(film.moments)
    return {
        "prompts": list(film.prompts),
        "pixels": list(film.size),
        "drawn_at": film.drawn_at,
        "moments": [
            {**vars(moment), "levels": dict(moment.levels)} for moment in film.moments
        ],
        "fall": None if fall is None else vars(fall),
    }  # fmt: skip
