"""``fromnoise evaluate``: how good is a model?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[str, typer.Argument(help="A model: folder, file or name.")],
    data: Annotated[Path, typer.Option(help="The pictures it was trained on, with their held-out part.")],
    out: Annotated[Path, typer.Option(help="Folder for index.html and report.json.")] = Path("report"),
    only: Annotated[str | None, typer.Option(help="Sections to measure, as retrieval,style.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer drawings: minutes, with wide intervals.")] = False,
    copies: Annotated[bool, typer.Option("--copies", help="Also look for copies of training pictures.")] = False,
    seed: Annotated[int, typer.Option(help="Seed of the choice of concepts and of the drawings.")] = 0,
    run: Annotated[Path | None, typer.Option(help="Folder of the training, for a film of it.")] = None,
    beside: Annotated[list[str] | None, typer.Option(help="A further model to show on the curves.")] = None,
    again: Annotated[bool, typer.Option("--again", help="Measure also what is stored already.")] = False,
) -> None:
    """Measure a model by independent judges, every figure beside its floor and ceiling, and make a page of it.

    Sections are stored one by one: a stopped evaluation goes on where it was.
    """
    from fromnoise.cli.opened import Opening, load
    from fromnoise.evaluation import report

    name, system = load(Opening(model))
    wanted = report.Wanted(
        only=only,
        more=("copies",) if copies else (),
        quick=quick,
        seed=seed,
        again=again,
        run=run,
        beside=tuple(load(Opening(place)) for place in beside or ()),
    )
    report.run(system, name, data, out, wanted)
