"""``fromnoise inspect activations``: what comes out of the U-Net's blocks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views import shared

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage

BlockName = Annotated[str | None, typer.Option("--block", help="One block in detail, as 8x8_down_0.")]
At = Annotated[int | None, typer.Option(help="The step that is looked at, from 1; default: the one in the middle.")]


def activations(
    prompt: shared.Prompt,
    style: shared.Style = None,
    negative: shared.Negative = "",
    seed: shared.Seed = 0,
    steps: shared.Steps = None,
    guidance: shared.Guidance = None,
    block: BlockName = None,
    at: At = None,
    model: shared.Model = None,
    lora: shared.Lora = None,
    precision: shared.Precision = "auto",
    out: shared.Out = Path("activations.png"),
) -> None:
    """Show what each block of the U-Net hands on, and its share of time and weights; a film shows all steps.

    fromnoise inspect activations "a red apple" --block 8x8_down_0 --at 5 --out activations.png
    """

    def look(opened: TextToImage) -> Figure:
        from fromnoise.inspection.activations import check_step, moment_at, moments, named, timing
        from fromnoise.inspection.activations_figure import activations_figure, block_figure
        from fromnoise.inspection.figure import FILMS
        from fromnoise.inspection.subject import Subject

        subject = Subject(prompt, style, negative, seed, steps, guidance, **shared.opened_as(model, lora, precision))
        made = subject.plan(opened)
        name = named(opened, block) if block is not None else None
        check_step(made, at)
        moment, spent = moment_at(opened, made, at), timing(opened, made)
        film = moments(opened, made) if out.suffix.lower() in FILMS else ()  # again, so that one step is kept at a time
        if name is not None:
            return block_figure(opened, moment, name, spent, subject, film)
        return activations_figure(opened, moment, spent, subject, film)

    shared.show(model, lora, out, True, look, precision)
