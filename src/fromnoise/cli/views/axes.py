"""``fromnoise inspect axes``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views.shared import Lora, Model, Out, Precision, Seed, opened_as, show

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage


def axes(
    kinds: Annotated[
        str | None, typer.Option(help="2 to 6 kinds of things, as their captions call them: banana,tomato,pea.")
    ] = None,
    measures: Annotated[str, typer.Option(help="Up to three measures to show: yellowness,roundness.")] = "",
    data: Annotated[
        str | None, typer.Option(help="Captioned pictures: a folder, a .parquet file, or 'starter'.")
    ] = None,
    drawn: Annotated[int, typer.Option(help="Pictures that the model draws of each kind beside these.", min=0)] = 0,
    seed: Seed = 0,
    model: Model = None,
    lora: Lora = None,
    precision: Precision = "auto",
    out: Out = Path("axes.png"),
) -> None:
    """Tell bananas, tomatoes and peas apart: by a network that starts with nothing, by measures made by hand, by CLIP.

    fromnoise inspect axes --kinds banana,tomato,pea --measures yellowness,roundness --out axes.png
    """
    from fromnoise.ground.errors import one_line
    from fromnoise.inspection.axes import MOST_DRAWN, axes_of, check_chosen, drawn_by
    from fromnoise.inspection.axes_figure import axes_figure
    from fromnoise.inspection.figure import FILMS
    from fromnoise.inspection.kinds import check_kinds, examples, with_drawn
    from fromnoise.inspection.kinds_found import found_kinds
    from fromnoise.inspection.rounds import rounds
    from fromnoise.inspection.subject import command

    wanted = check_chosen(measures.split(","))
    named = None if kinds is None else check_kinds(kinds.split(","))
    _check_drawn(drawn, MOST_DRAWN)

    def look(opened: TextToImage) -> Figure:
        chosen = found_kinds(opened, named, data)
        found = chosen.drawings
        if chosen.why:
            print(one_line(f"note: {chosen.why}"), file=sys.stderr)
        if drawn:
            found = with_drawn(found, drawn_by(opened, found, drawn, seed))
        told = examples(found, seed)
        options = {"kinds": kinds, "measures": ",".join(wanted) or None, "data": data, "drawn": drawn or None}
        line = command(
            "axes",
            [],
            {
                **options,
                "seed": seed or None,
                **opened_as(model, lora, precision),
                "out": out.name,
            },
        )
        moving = out.suffix.lower() in (*FILMS, ".html")
        return axes_figure(axes_of(opened, told, wanted), list(rounds(told, seed)), line, moving)

    show(model, lora, out, True, look, precision)


def _check_drawn(drawn: int, most: int) -> None:
    from fromnoise.ground.errors import UserError

    if drawn > most:
        raise UserError(f"--drawn is at most {most}, not {drawn}")
