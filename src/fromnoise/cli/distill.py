"""``fromnoise distill``: a model to one that also draws in four steps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def distill(
    model: Annotated[str, typer.Argument(help="A model: folder, file or name.")],
    data: Annotated[str, typer.Option(help="A folder of captioned pictures, best those it was trained on.")],
    out: Annotated[Path, typer.Option(help="A run's folder; the same command goes on where it was stopped.")],
    solver: Annotated[
        str | None,
        typer.Option(help="Learn no weights: fit a solver of so many steps (1 to 20) to the model: 4 or 4,6"),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the noises, with --solver.")] = 0,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override a setting: distill.rank=16")] = None,
    as_before: Annotated[
        bool, typer.Option("--as-before", help="Go on with the recipe that the run began with, whatever it is now.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show every figure, as in log.jsonl.")] = False,
) -> None:
    """Teach a finished model to draw in a few steps; OUT/model then draws with --fast.

    fromnoise distill stickers-64 --data data/stickers --out runs/fast
    fromnoise distill stickers-64 --data data/stickers --out runs/fitted --solver 4
    """
    from fromnoise.training.run_folder import check_out

    if solver is None or not (out / "model").is_dir():  # a model there may be fitted once more
        check_out(out)
    if solver is not None:
        _fit(model, data, out, _numbers(solver), seed, bool(set_ or as_before))
        return
    from fromnoise.training.memory import let_idle_threads_sleep

    let_idle_threads_sleep()
    from fromnoise.cli.train import overrides
    from fromnoise.training.continuing import Call
    from fromnoise.training.distillation import distill as run
    from fromnoise.training.processes import alone

    alone("a distillation of a finished model")
    print(run(model, data, out, overrides(set_ or []), Call(as_before=as_before, verbose=verbose)))


def _numbers(steps: str) -> list[int]:
    from fromnoise.ground.errors import UserError

    try:
        return [int(number) for number in steps.split(",")]
    except ValueError:
        raise UserError(f"--solver takes whole numbers of steps such as 4 or 4,6, not '{steps:.40}'") from None


def _fit(model: str, data: str, out: Path, steps: list[int], seed: int, others: bool) -> None:
    """Fit solvers, and say how near they come."""
    from rich.console import Console
    from rich.table import Table

    from fromnoise.data.texts import captions_in
    from fromnoise.drawing.fitting import CAPTIONS, FINE, fit_to
    from fromnoise.ground.errors import UserError
    from fromnoise.system.text_to_image import TextToImage

    if others:
        raise UserError("--solver learns no weights, so --set and --as-before change nothing; leave them out")
    console = Console(stderr=True, highlight=False)
    prompts = captions_in(data, TextToImage.load(model).styles, CAPTIONS, seed)
    folder, fitted = fit_to(model, prompts, out, steps, seed, console.print)
    table = Table("steps", f"distance from {FINE} steps", title="other captions: mean squared distance of latents")
    for name, distance in fitted.distances.items():
        table.add_row(name, f"{distance:.4f}")
    console.print(table)
    console.print(f"draw with: fromnoise generate … --model {folder} --fast")
    print(folder)
