"""``fromnoise distill``: a model to one that also draws in four steps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def distill(
    model: Annotated[str, typer.Argument(help="A model: folder, file or name.")],
    data: Annotated[str, typer.Option(help="A folder of captioned pictures, best those it was trained on.")],
    out: Annotated[Path, typer.Option(help="A run's folder; the same command goes on where it was stopped.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override a setting: distill.rank=16")] = None,
    as_before: Annotated[
        bool, typer.Option("--as-before", help="Go on with the recipe that the run began with, whatever it is now.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show every figure, as in log.jsonl.")] = False,
) -> None:
    """Teach a finished model to draw in a few steps; OUT/model then draws with --fast.

    fromnoise distill stickers-64 --data data/stickers --out runs/fast
    """
    from fromnoise.training.memory import let_idle_threads_sleep

    let_idle_threads_sleep()
    from fromnoise.cli.train import overrides
    from fromnoise.training.continuing import Call
    from fromnoise.training.distillation import distill as run
    from fromnoise.training.processes import alone
    from fromnoise.training.run_folder import check_out

    check_out(out)
    alone("a distillation of a finished model")
    print(run(model, data, out, overrides(set_ or []), Call(as_before=as_before, verbose=verbose)))
