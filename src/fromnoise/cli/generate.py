"""``fromnoise generate``: words to pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fromnoise.cli.identity import Marking, Signer, Signing, stamp_of
from fromnoise.ground.collecting import without_collecting


def generate(
    prompt: Annotated[str, typer.Argument(help="What the picture should show.")] = "",
    style: Annotated[
        str | None, typer.Option(help="One of the model's styles (see: fromnoise info), or any for none.")
    ] = None,
    count: Annotated[int, typer.Option("-n", "--count", help="How many pictures.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Same seed, same picture. Default: a fresh one.")] = None,
    steps: Annotated[int | None, typer.Option(help="Steps from noise to picture.")] = None,
    guidance: Annotated[float | None, typer.Option(help="How strongly the words pull; 1 is off.")] = None,
    negative: Annotated[str, typer.Option(help="What the picture should not show.")] = "",
    sampler: Annotated[str | None, typer.Option(help="dpm++, ddim, euler, unipc … (docs/samplers.md).")] = None,
    rescale: Annotated[float | None, typer.Option(help="0…1: take back the contrast guidance adds.")] = None,
    interval: Annotated[
        tuple[int, int] | None, typer.Option(help="Lowest and highest t with guidance: 60 850.")
    ] = None,
    spacing: Annotated[str | None, typer.Option(help="log_snr, trailing, linspace or leading.")] = None,
    sigmas: Annotated[str | None, typer.Option(help="How noise levels fall: karras, exponential, beta.")] = None,
    size: Annotated[str | None, typer.Option(help="Width x height in pixels: 512x768.")] = None,
    image: Annotated[Path | None, typer.Option(help="A picture to start from.")] = None,
    strength: Annotated[float | None, typer.Option(help="0…1: how far --image may be changed.")] = None,
    mask: Annotated[Path | None, typer.Option(help="White where --image may change, black where not.")] = None,
    model: Annotated[str | None, typer.Option(help="A model: folder, file, name, or owner/name on the hub.")] = None,
    lora: Annotated[list[str] | None, typer.Option(help="A LoRA file, or file:weight; may be repeated.")] = None,
    prediction: Annotated[str | None, typer.Option(help="epsilon or v, for files that do not tell.")] = None,
    backend: Annotated[str, typer.Option(help="torch, openvino or openvino-int8.")] = "torch",
    precision: Annotated[str, typer.Option(help="bf16 or fp32; auto takes bf16 where the CPU has it.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="A .png file; with --prompts a folder.")] = None,
    film: Annotated[Path | None, typer.Option(help="A .gif or .webp (or .png strip): from static to picture.")] = None,
    fast: Annotated[bool, typer.Option("--fast", help="Draw in 4 steps, if the model has few_steps/.")] = False,
    prompts: Annotated[
        Path | None,
        typer.Option(help="A text file, one prompt a line; line i has seed + i."),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(help="Draw --prompts with many workers, into shards: ray, or HOST:PORT (docs/scaling.md)."),
    ] = None,
    workers: Annotated[int | None, typer.Option(help="With --cluster: how many. Default: one a core.")] = None,
    shard: Annotated[int | None, typer.Option(help="With --cluster: pictures per file. Default: up to 1,000.")] = None,
    free: Annotated[bool, typer.Option("--free", help="Draw without any prompt.")] = False,
    again: Annotated[Path | None, typer.Option(help="Redraw this picture exactly.")] = None,
    native: Annotated[
        bool, typer.Option("--native", help="Draw every pixel of a --size far beyond the model's own.")
    ] = False,
    transparent: Annotated[bool, typer.Option("--transparent", help="Without the white background.")] = False,
    best_of: Annotated[
        int, typer.Option("--best-of", help="Draw so many candidates; CLIP keeps the one that fits the words best.")
    ] = 1,
    shown_as: Annotated[
        str, typer.Option("--as", help="picture, or stereogram: hidden in coloured static, to be looked through.")
    ] = "picture",
    watermark: Marking = False,
    sign: Signing = False,
    identity: Signer = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say what would be done; draw nothing.")] = False,
) -> None:
    """Draw pictures from words.

    fromnoise generate "a red apple" --style noto -n 4 --seed 7 --out apple.png --film apple.gif
    """
    with without_collecting():
        from fromnoise.cli.files import Files, spread_of
        from fromnoise.cli.told import Told, do
        from fromnoise.drawing.opened import Opening

    told = Told(
        *(prompt, style, negative, free, count, seed, steps, guidance, rescale, interval),
        *(sampler, spacing, sigmas, size, native, strength, transparent, best_of, shown_as),
    )
    opening = Opening(model, tuple(lora or ()), precision, prediction, backend, fast)
    files = Files(image, mask, out, film, prompts, again, stamp_of(watermark, sign, identity))
    do(told, opening, files, explain, spread_of(cluster, workers, shard))
