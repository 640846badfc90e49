"""``fromnoise inspect arithmetic``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views import shared

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage


def arithmetic(
    prompt: Annotated[str, typer.Argument(help="What the sum begins with.")],
    minus: Annotated[str, typer.Option(help="What is taken away.")] = "",
    plus: Annotated[str, typer.Option(help="What is added.")] = "",
    target: Annotated[
        str | None, typer.Option(help="The prompt that it should mean; by default one word for the other.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="From how many noises it is tried.")] = 3,
    style: shared.Style = None,
    negative: shared.Negative = "",
    seed: shared.Seed = 0,
    steps: shared.Steps = None,
    guidance: shared.Guidance = None,
    model: shared.Model = None,
    lora: shared.Lora = None,
    precision: shared.Precision = "auto",
    out: shared.Out = Path("arithmetic.png"),
) -> None:
    """Calculate with concepts, draw what comes out, and measure whether it is what was meant.

    fromnoise inspect arithmetic "a red apple" --minus red --plus green
    """
    from fromnoise.inspection.arithmetic import equation_of

    equation = equation_of(prompt, minus, plus, target)  # refuses before a model is opened

    def look(opened: TextToImage) -> Figure:
        from fromnoise.inspection.arithmetic_figure import arithmetic_figure
        from fromnoise.inspection.subject import Subject

        subject = Subject(prompt, style, negative, seed, steps, guidance, **shared.opened_as(model, lora, precision))
        return arithmetic_figure(opened, subject, equation, seeds)

    shared.show(model, lora, out, False, look, precision)
