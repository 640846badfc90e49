"""``fromnoise info``: what a model is."""

from __future__ import annotations

from typing import Annotated

import typer

from fromnoise.ground.collecting import without_collecting
from fromnoise.ground.errors import UserError


def info(
    model: Annotated[str | None, typer.Argument(help="A model: folder, file or name.")] = None,
    named: Annotated[str | None, typer.Option("--model", help="The same, as other commands take it.")] = None,
    speed: Annotated[bool, typer.Option("--speed", help="Also measure what this machine is worth; 10 s.")] = False,
) -> None:
    """Print a model's styles, sizes, defaults and training facts."""
    model = _one_of(model, named)
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    with without_collecting():
        from fromnoise.cli.opened import Opening, load

    name, system = load(
        Opening(model, precision="as stored")
    )  # drawing packs the networks, and their weights cannot be counted
    table = Table(show_header=False, box=None)
    side = system.latent_shape()[1] * system.vae.factor
    parts = {"text tower": system.text_tower, "U-Net": system.unet, "VAE": system.vae}
    if system.clip is not None:
        parts["image tower"] = system.clip.image
    millions = ", ".join(f"{k} {sum(p.numel() for p in v.parameters()) / 1e6:.1f} M" for k, v in parts.items())
    table.add_row("model", escape(f"{name} ({system.hash})"))
    table.add_row("draws", f"{side}×{side} pixels from latents {'×'.join(map(str, system.latent_shape()))}")
    table.add_row("parameters", millions)
    table.add_row("styles", escape(", ".join(system.styles)) or "none")
    if system.default_style:
        table.add_row("where none is named", escape(system.default_style))
    table.add_row("defaults", ", ".join(f"{k} {v}" for k, v in system.defaults.to_dict().items()))
    if system.few_steps is not None:
        from fromnoise.system.few_steps import few_steps_of

        table.add_row("few steps", f"yes: generate --fast draws in {few_steps_of(system)}")
    for key, value in system.card.items():
        if key != "name" and not isinstance(value, dict | list):  # recipes and sources are for programs
            table.add_row(
                escape({"pictures": "trained on pictures"}.get(key, key.replace("_", " "))), escape(str(value))
            )
    Console().print(table, highlight=False)
    if speed:
        from fromnoise.cli.speed import measured

        config = system.unet.config
        for what, value in measured(model, sum(p.numel() for p in system.unet.parameters()), config):
            Console().print(f"{what:<13}{value}", highlight=False, soft_wrap=True)


def _one_of(argument: str | None, option: str | None) -> str | None:
    if argument is not None and option is not None:
        raise UserError("the model is named twice; give it once")
    return option if argument is None else argument
