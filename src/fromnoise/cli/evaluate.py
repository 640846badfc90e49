"""``fromnoise evaluate``: how good is a model?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    model: Annotated[str, typer.Argument(help="A model: folder, file or name.")],
    data: Annotated[Path, typer.Option(help="The pictures it was trained on, with their held-out part.")],
    out: Annotated[Path, typer.Option(help="Folder for report.json and the sheet.")] = Path("report"),
    seed: Annotated[int, typer.Option(help="Seed of the drawings.")] = 0,
    copies: Annotated[bool, typer.Option("--copies", help="Also look for copies of training pictures.")] = False,
) -> None:
    """Measure caption retrieval and style accuracy by an independent judge, beside floor and ceiling."""
    from fromnoise.cli.opened import Opening, load
    from fromnoise.evaluation.report import run

    name, system = load(Opening(model))
    run(system, name, data, out, seed, copies)
