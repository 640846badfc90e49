"""``fromnoise restyle``: a photo, drawn anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from fromnoise.cli.identity import Marking, Signer, Signing, stamp_of
from fromnoise.ground.collecting import without_collecting


def restyle(
    photo: Annotated[Path, typer.Argument(help="The picture to begin with.")],
    prompt: Annotated[str, typer.Argument(help="What it should become.")],
    strength: Annotated[float, typer.Option(help="0…1: how far it may be changed.")] = 0.6,
    style: Annotated[str | None, typer.Option(help="One of the model's styles, or any for none.")] = None,
    count: Annotated[int, typer.Option("-n", "--count", help="How many pictures.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Same seed, same picture. Default: a fresh one.")] = None,
    steps: Annotated[
        int | None, typer.Option(help="Steps of the whole way; strength says how many are walked.")
    ] = None,
    guidance: Annotated[float | None, typer.Option(help="How strongly the words pull; 1 is off.")] = None,
    negative: Annotated[str, typer.Option(help="What the picture should not show.")] = "",
    sampler: Annotated[str | None, typer.Option(help="dpm++, ddim, euler, unipc … (docs/samplers.md).")] = None,
    size: Annotated[str | None, typer.Option(help="Width x height in pixels; default: the photo's shape.")] = None,
    mask: Annotated[Path | None, typer.Option(help="White where the photo may change, black where not.")] = None,
    model: Annotated[str | None, typer.Option(help="A model: folder, file, name, or owner/name on the hub.")] = None,
    lora: Annotated[list[str] | None, typer.Option(help="A LoRA file, or file:weight; may be repeated.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Draw in 4 steps, if the model has few_steps/.")] = False,
    transparent: Annotated[bool, typer.Option("--transparent", help="Without the white background.")] = False,
    best_of: Annotated[
        int, typer.Option("--best-of", help="Draw so many candidates; CLIP keeps the one that fits the words best.")
    ] = 1,
    out: Annotated[Path | None, typer.Option(help="A .png file.")] = None,
    film: Annotated[Path | None, typer.Option(help="A .gif or .webp (or .png strip): on the way.")] = None,
    watermark: Marking = False,
    sign: Signing = False,
    identity: Signer = None,
) -> None:
    """Draw a photo anew: encode it, add noise part of the way, and remove the noise with other words.

    fromnoise restyle cat.jpg "a cat, as a woodcut" --strength 0.6 --out woodcut.png
    """
    with without_collecting():
        from fromnoise.cli.files import Files
        from fromnoise.cli.told import Told, do
        from fromnoise.drawing.opened import Opening

    told = Told(prompt, style, negative, False, count, seed, steps, guidance, sampler=sampler, size=size)
    opening = Opening(model, tuple(lora or ()), fast=fast)
    told = replace(told, strength=strength, transparent=transparent, best_of=best_of)
    do(told, opening, Files(photo, mask, out, film, stamp=stamp_of(watermark, sign, identity)))
