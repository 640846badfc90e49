"""``fromnoise inspect noise``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views import shared
from fromnoise.cli.views.lists import numbers, whole_numbers
from fromnoise.ground.errors import UserError

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage


def noise(
    picture: Annotated[Path | None, typer.Argument(help="A picture file, or leave it out and give --prompt.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Draw the picture first.")] = None,
    words: Annotated[str | None, typer.Option(help="What is in it; by default the prompt.")] = None,
    levels: Annotated[
        str | None,
        typer.Option(help="Percents of all noise levels; 0 is no noise. Default: the tenths."),
    ] = None,
    at: Annotated[str, typer.Option(help="Further levels by their t, such as 250,999.")] = "",
    draws: Annotated[
        int | None, typer.Option(help="Over how many noises errors are averaged. Default: 4; 1 of large models.")
    ] = None,
    style: shared.Style = None,
    seed: shared.Seed = 0,
    model: shared.Model = None,
    lora: shared.Lora = None,
    precision: shared.Precision = "auto",
    out: shared.Out = Path("noise.png"),
) -> None:
    """Drown a picture in noise, level by level, and let the model guess back: where does it lose it?

    fromnoise inspect noise --prompt "a red apple" --levels 0,20,40,60,80,100
    """
    if (picture is None) == (prompt is None):
        raise UserError("give a picture file, or --prompt for one that is drawn first")
    shares, times, said = (
        None if levels is None else numbers(levels, "levels"),
        whole_numbers(at, "at"),
        words if words is not None else prompt or "",
    )

    def look(opened: TextToImage) -> Figure:
        from fromnoise.inspection.between import drawn
        from fromnoise.inspection.noise import Looked, check_times, picture_of, times_of, words_plan
        from fromnoise.inspection.noise_figure import noise_figure
        from fromnoise.inspection.patience import draws_of, levels_of, told_of_noise
        from fromnoise.inspection.subject import Subject, command

        percents, count = levels_of(opened) if shares is None else shares, draws_of(opened) if draws is None else draws
        every = [*times_of(percents, opened.schedule.steps), *times]
        check_times(every, opened.schedule)
        seen = (
            picture_of(opened, picture)
            if picture
            else drawn(opened, Subject(prompt or "", style, seed=seed).plan(opened))
        )
        options = {"prompt": prompt, "words": words, "levels": ",".join(f"{share:g}" for share in percents),
                   "at": at or None, "draws": count, "style": style,
                   "seed": seed, **shared.opened_as(model, lora, precision), "out": "noise.png"}  # fmt: skip
        line = command("noise", [str(picture)] if picture else [], options)
        if levels is None and draws is None and (note := told_of_noise(opened, words_plan(opened, said, style))):
            print(note, file=sys.stderr)
        return noise_figure(opened, Looked(seen, said, style, seed), every, count, line)

    shared.show(model, lora, out, True, look, precision)
