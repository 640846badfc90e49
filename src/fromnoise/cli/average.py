"""``fromnoise average``: a run's weights, averaged over as much of the training as is best."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def average(
    run: Annotated[Path, typer.Argument(help="A run's folder, trained with --set diffusion.widths=0.05,0.1.")],
    width: Annotated[float, typer.Option(help="How far it looks back: a share of the training, 0.01 to 0.28.")],
    out: Annotated[Path, typer.Option(help="The model's folder.")],
    pictures: Annotated[int, typer.Option(help="As it was after so many pictures; 0: at the end.")] = 0,
) -> None:
    """Make a model of a run, whose U-Net is another average of what it was on the way.

    fromnoise average runs/mine --width 0.1 --out mine-0.1
    """
    from fromnoise.training.averaging import Average, averaged_model

    model = averaged_model(run, Average(width, pictures))
    model.save(out)
    print(f"{out}: width {width:g} at {model.card['average']['pictures']:,} pictures, model {model.hash}")
