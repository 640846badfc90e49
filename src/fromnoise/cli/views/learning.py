"""``fromnoise inspect learning`` and ``make-film``: how a model learned, in pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views import shared

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage


def learning(
    model: Annotated[
        str | None, typer.Option(help="A model with a film of its training, or a run's folder, also while it trains.")
    ] = None,
    out: shared.Out = Path("learning.png"),
) -> None:
    """Show the same prompts and seeds across a training: how the model learned, and what its loss did.

    fromnoise inspect learning --model runs/mine --out learning.gif
    """
    from fromnoise.inspection.learning import learning_of
    from fromnoise.inspection.learning_figure import learning_figure
    from fromnoise.inspection.subject import command
    from fromnoise.training.learning import is_run, learning_of_run

    line = command("learning", [], {"model": model, "out": str(out)})

    def look(opened: TextToImage) -> Figure:
        return learning_figure(learning_of(opened), str(opened.card.get("name") or ""), line)

    if model is not None and is_run(Path(model)):
        run = Path(model)
        shared.write(out, True, lambda: learning_figure(learning_of_run(run), run.resolve().name, line))
    else:
        shared.show(model, None, out, True, look)


def make_film(
    run: Annotated[Path, typer.Argument(help="A run's folder, as given to fromnoise train --out.")],
) -> None:
    """Store with a run's model a small film of its training, cut out of its sheets; "inspect learning" shows it."""
    from fromnoise.training.learning import keep_learning

    file, made = keep_learning(run)
    counts = f"{len(made.prompts)} prompts at {len(made.moments)} moments"
    seen = f"{made.moments[0].pictures:,} to {made.moments[-1].pictures:,} pictures seen"
    print(f"{counts}, {seen}, {file.stat().st_size / 2**20:.2f} MiB: {file}")
