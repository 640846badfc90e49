"""``fromnoise inspect stereogram``: a picture hidden in coloured static."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views.shared import (
    Guidance,
    Lora,
    Model,
    Negative,
    Precision,
    Prompt,
    Seed,
    Steps,
    Style,
    opened_as,
    show,
)

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage

Out = Annotated[Path, typer.Option(help="A .png to look through; .gif or .webp, in which the shape fades in; .html.")]


def stereogram(
    prompt: Prompt,
    style: Style = None,
    negative: Negative = "",
    seed: Seed = 0,
    steps: Steps = None,
    guidance: Guidance = None,
    model: Model = None,
    lora: Lora = None,
    precision: Precision = "auto",
    out: Out = Path("hidden.png"),
) -> None:
    """Hide what is drawn in coloured static: look through the page, and its shape comes forward.

    fromnoise inspect stereogram "a cat" --seed 7 --out hidden.png
    """

    def look(opened: TextToImage) -> Figure:
        from fromnoise.inspection.stereogram import Hidden, hidden, stereogram_figure
        from fromnoise.inspection.subject import Subject

        subject = Subject(prompt, style, negative, seed, steps, guidance, **opened_as(model, lora, precision))
        found = [event for event in hidden(opened, subject) if isinstance(event, Hidden)]
        return stereogram_figure(found[0], subject)

    show(model, lora, out, True, look, precision)
