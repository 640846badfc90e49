"""``fromnoise inspect stereogram``: a picture hidden in coloured static."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views import shared

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage

Out = Annotated[Path, typer.Option(help="A .png to look through; .gif or .webp, in which the shape fades in; .html.")]


def stereogram(
    prompt: shared.Prompt,
    style: shared.Style = None,
    negative: shared.Negative = "",
    seed: shared.Seed = 0,
    steps: shared.Steps = None,
    guidance: shared.Guidance = None,
    model: shared.Model = None,
    lora: shared.Lora = None,
    precision: shared.Precision = "auto",
    out: Out = Path("hidden.png"),
) -> None:
    """Hide what is drawn in coloured static: look through the page, and its shape comes forward.

    fromnoise inspect stereogram "a cat" --seed 7 --out hidden.png
    """

    def look(opened: TextToImage) -> Figure:
        from fromnoise.inspection.stereogram import Hidden, hidden, stereogram_figure
        from fromnoise.inspection.subject import Subject

        subject = Subject(prompt, style, negative, seed, steps, guidance, **shared.opened_as(model, lora, precision))
        found = [event for event in hidden(opened, subject) if isinstance(event, Hidden)]
        return stereogram_figure(found[0], subject)

    shared.show(model, lora, out, True, look, precision)
