"""``fromnoise inspect latents``: a picture to latents and back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fromnoise.cli.views.shared import Lora, Model, Out, Precision, Seed, Steps, Style, opened_as, show
from fromnoise.ground.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from fromnoise.inspection.figure import Figure
    from fromnoise.inspection.subject import Subject
    from fromnoise.system.text_to_image import TextToImage

Picture = Annotated[Path | None, typer.Argument(help="A picture file; or draw one with --prompt.")]
Words = Annotated[str | None, typer.Option("--prompt", help="Draw the picture that is looked at.")]
Mute = Annotated[list[int] | None, typer.Option(help="A channel to switch off; may be repeated.")]
Scale = Annotated[
    list[str] | None, typer.Option(help="A channel and what to multiply it by, as 5=2.0; may be repeated.")
]
Noise = Annotated[float, typer.Option(help="How loud the noise is; 1 is as loud as the picture.")]


def latents(
    picture: Picture = None,
    prompt: Words = None,
    style: Style = None,
    seed: Seed = 0,
    steps: Steps = None,
    mute: Mute = None,
    scale: Scale = None,
    noise: Noise = 0.3,
    model: Model = None,
    lora: Lora = None,
    precision: Precision = "auto",
    out: Out = Path("latents.png"),
) -> None:
    """Show what a picture's latents hold: channel by channel, what is lost, and what noise does to them.

    fromnoise inspect latents --prompt "a red apple" --mute 3 --scale 5=2.0 --out latents.png
    """
    if (picture is None) == (prompt is None):
        raise UserError("name a picture file, or draw one with --prompt; one of them")
    muted, factors = tuple(mute or ()), _factors(scale or [])

    def look(opened: TextToImage) -> Figure:
        from fromnoise.inspection import latents as see
        from fromnoise.inspection.latents_figure import LatentsSeen, latents_figure
        from fromnoise.inspection.subject import Subject, command

        subject = Subject(prompt or "", style, seed=seed, steps=steps, **opened_as(model, lora, precision))
        options = {"mute": list(muted), "scale": list(scale or []), "noise": noise, "model": model, "lora": lora}
        see.check_asked(opened, muted, factors, noise)
        pixels = _opened(picture, opened) if picture else _drawn(subject, opened)
        trip = see.there_and_back(opened, pixels)
        noises = tuple(see.each_noise(opened, trip, noise, seed))
        seen = LatentsSeen(trip, tuple(see.each_channel(opened, trip)), noises, muted, factors)
        said = {"prompt": prompt, "style": style, "seed": seed, "steps": steps, **options, "out": "latents.png"}
        line = command("latents", [str(picture)] if picture else [], said)
        return latents_figure(opened, seen, picture.name if picture else f"“{prompt}”", line)

    show(model, lora, out, False, look, precision)


def _factors(said: list[str]) -> dict[int, float]:
    """Channels and factors of "5=2.0".

    Raises:
        UserError: something else, or a channel twice.
    """
    found: dict[int, float] = {}
    for text in said:
        channel, _, factor = text.partition("=")
        try:
            number, value = int(channel), float(factor)
        except ValueError:
            raise UserError(f"--scale takes a channel and a factor, as 5=2.0, not '{text}'") from None
        if number in found:
            raise UserError(f"--scale names channel {number} twice")
        found[number] = value
    return found


def _opened(picture: Path, model: TextToImage) -> Tensor:
    from fromnoise.drawing.start import fitting_size, open_photo, start_from

    photo = open_photo(picture)
    return start_from(photo, fitting_size(photo, model.pixels, model.vae.factor)).picture


def _drawn(subject: Subject, model: TextToImage) -> Tensor:
    from fromnoise.drawing.generate import draw_plans

    return draw_plans(model, [subject.plan(model)])[0]
