"""``fromnoise inspect words``: where each word of a prompt is listened to, and what happens without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views import shared
from fromnoise.ground.errors import UserError

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage


def words(
    prompt: shared.Prompt,
    style: shared.Style = None,
    negative: shared.Negative = "",
    seed: shared.Seed = 0,
    steps: shared.Steps = None,
    guidance: shared.Guidance = None,
    mute: Annotated[
        list[str] | None, typer.Option(help="Draw the same noise without this word, too; may be repeated.")
    ] = None,
    boost: Annotated[
        list[str] | None, typer.Option(help="Draw the same noise with more of a word, as red=1.5; may be repeated.")
    ] = None,
    by_block: Annotated[bool, typer.Option("--by-block", help="A row for each block of the U-Net.")] = False,
    model: shared.Model = None,
    lora: shared.Lora = None,
    precision: shared.Precision = "auto",
    out: shared.Out = Path("words.png"),
) -> None:
    """Show where in the picture each word is listened to, while it is drawn.

    fromnoise inspect words "a red apple" --style noto --mute red --out words.png
    """
    louder = dict(_boost(text) for text in boost or ())

    def look(opened: TextToImage) -> Figure:
        from fromnoise.inspection.figure import FILMS
        from fromnoise.inspection.subject import Subject
        from fromnoise.inspection.words_figure import words_figure

        subject = Subject(prompt, style, negative, seed, steps, guidance, **shared.opened_as(model, lora, precision))
        moving = out.suffix.lower() in (*FILMS, ".html")
        return words_figure(opened, subject, by_block, mute or (), louder, moving)

    shared.show(model, lora, out, True, look, precision)


def _boost(text: str) -> tuple[str, float]:
    word, sign, number = text.rpartition("=")
    try:
        weight = float(number)
    except ValueError:
        weight = -1.0
    if not sign or not word.strip() or not 0 <= weight <= 10:
        raise UserError(f"--boost is a word and a weight of 0…10, as red=1.5, not '{text}'")
    return word.strip(), weight
