"""``fromnoise inspect judge``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views import shared

if TYPE_CHECKING:
    from fromnoise.inspection.figure import Figure
    from fromnoise.system.text_to_image import TextToImage


def judge(
    prompt: shared.Prompt,
    decoy: Annotated[
        list[str] | None, typer.Option(help="Another caption to compare with; may be repeated. Default: three things.")
    ] = None,
    clip_guidance: Annotated[
        float,
        typer.Option(help="Draw it again with CLIP steering, so strongly: 0.2 is seen, 1 is too much; 0 = do not."),
    ] = 0.0,
    style: shared.Style = None,
    negative: shared.Negative = "",
    seed: shared.Seed = 0,
    steps: shared.Steps = None,
    guidance: shared.Guidance = None,
    model: shared.Model = None,
    lora: shared.Lora = None,
    precision: shared.Precision = "auto",
    out: shared.Out = Path("judge.png"),
) -> None:
    """Another model checks each step: how well it fits the prompt, and other captions.

    fromnoise inspect judge "a red apple" --decoy "a green apple" --decoy "a cat" --clip-guidance 0.3
    """

    def look(opened: TextToImage) -> Figure:
        from fromnoise.cli.opened import tell
        from fromnoise.inspection.judge import judge as opinions_of
        from fromnoise.inspection.judge_figure import judge_figure
        from fromnoise.inspection.subject import Subject

        subject = Subject(prompt, style, negative, seed, steps, guidance, **shared.opened_as(model, lora, precision))
        plain, steered = (opinions_of(opened, subject, decoy, strength) for strength in (0.0, clip_guidance))
        opinions = list(plain)
        tell(subject.plan(opened, prompt=caption) for caption in opinions[0].captions)
        return judge_figure(subject, opinions, list(steered) if clip_guidance else (), clip_guidance)

    shared.show(model, lora, out, True, look, precision)
