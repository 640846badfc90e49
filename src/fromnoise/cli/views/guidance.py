"""``fromnoise inspect guidance``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views import shared
from fromnoise.cli.views.lists import numbers, whole_numbers

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage


def guidance(
    prompt: shared.Prompt,
    at: Annotated[str, typer.Option(help="Steps to show, such as 1,4,12; some of the guided ones by default.")] = "",
    scales: Annotated[
        str | None,
        typer.Option(help="Guidance of the whole drawings. Default: 1,2,3,4,6,8,10,12."),
    ] = None,
    style: shared.Style = None,
    negative: shared.Negative = "",
    seed: shared.Seed = 0,
    steps: shared.Steps = None,
    guidance: shared.Guidance = None,
    model: shared.Model = None,
    lora: shared.Lora = None,
    precision: shared.Precision = "auto",
    out: shared.Out = Path("guidance.png"),
) -> None:
    """Show the guess without words, the one with words, their difference, and what guidance makes of it.

    fromnoise inspect guidance "a red apple" --at 3 --scales 1,2,4,8,12
    """
    shown, ladder = whole_numbers(at, "at"), None if scales is None else numbers(scales, "scales")

    def look(opened: TextToImage) -> Figure:
        from fromnoise.inspection.guidance_figure import guidance_figure
        from fromnoise.inspection.patience import scales_of, told_of_scales
        from fromnoise.inspection.subject import Subject

        subject = Subject(prompt, style, negative, seed, steps, guidance, **shared.opened_as(model, lora, precision))
        if scales is None and (note := told_of_scales(opened, subject.plan(opened))):
            print(note, file=sys.stderr)
        return guidance_figure(opened, subject, shown, scales_of(opened) if ladder is None else ladder)

    shared.show(model, lora, out, True, look, precision)
