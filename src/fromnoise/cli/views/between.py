"""``fromnoise inspect between``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views import shared

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage


def between(
    prompt: Annotated[str, typer.Argument(help="Where the walk begins.")],
    to: Annotated[str | None, typer.Argument(help="Where it ends; default: the same words, with --to-seed.")] = None,
    to_seed: Annotated[int | None, typer.Option(help="Seed of the end; default: that of the beginning.")] = None,
    steps_between: Annotated[int, typer.Option(help="How many pictures, both ends included.")] = 7,
    both: Annotated[
        str | None, typer.Option(help='What may lie between; by default both prompts. "" for none.')
    ] = None,
    style: shared.Style = None,
    negative: shared.Negative = "",
    seed: shared.Seed = 0,
    steps: shared.Steps = None,
    guidance: shared.Guidance = None,
    model: shared.Model = None,
    lora: shared.Lora = None,
    precision: shared.Precision = "auto",
    out: shared.Out = Path("between.png"),
) -> None:
    """Walk from one prompt to another, or from one seed to another, and draw what lies between.

    fromnoise inspect between snow globe --out walk.gif
    """
    said = f"{prompt} {to}" if both is None and to not in (None, prompt) else both or ""

    def look(opened: TextToImage) -> Figure:
        from fromnoise.inspection.between import Goal
        from fromnoise.inspection.between_figure import between_figure
        from fromnoise.inspection.subject import Subject

        subject = Subject(prompt, style, negative, seed, steps, guidance, **shared.opened_as(model, lora, precision))
        return between_figure(opened, subject, Goal(to, to_seed, said), steps_between)

    shared.show(model, lora, out, True, look, precision)
