"""``fromnoise generate``: words to pictures."""

from __future__ import annotations

import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fromnoise.ground.errors import UserError

if TYPE_CHECKING:
    from fromnoise.cli.drawing import Job


STRENGTH = 0.75  # of --image without --strength


def generate(
    prompt: Annotated[str, typer.Argument(help="What the picture should show.")] = "",
    style: Annotated[str | None, typer.Option(help="One of the model's styles (see: fromnoise info).")] = None,
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
    free: Annotated[bool, typer.Option("--free", help="Draw without any prompt.")] = False,
    again: Annotated[Path | None, typer.Option(help="Redraw this picture exactly.")] = None,
) -> None:
    """Draw pictures from words.

    fromnoise generate "a red apple" --style noto -n 4 --seed 7 --out apple.png --film apple.gif
    """
    values = dict(locals())
    from fromnoise.cli import drawing
    from fromnoise.cli.opened import Opening

    _not_over_what_is_read(values)
    if fast:
        _only_with_fast(values)
    if again is not None:
        _only_with_again(values)
        drawing.redraw(again, Opening(model, tuple(lora or ()), prediction=prediction), out, (image, mask))
        return
    request = _request(values)
    if prompts is not None:
        _not_with_prompts(values)
        _needed(out)
        first = drawing.draw_prompts(_job(values, request), prompts, seed is None)
    else:
        drawing.draw_pictures(_job(values, request))
        first = request.seed
    if seed is None:
        typer.echo(f"seed {first}")


def _request(values: dict[str, Any]) -> Any:
    from fromnoise.diffusion.samplers.names import nearest
    from fromnoise.drawing.generate import Request

    names = (
        *("prompt", "negative", "style", "count", "steps", "guidance", "interval", "rescale"),
        *("sampler", "spacing", "sigmas", "free", "strength"),
    )
    stand_in = nearest(values["sampler"] or "")
    if stand_in:
        typer.echo(f"{values['sampler']} is not here; drawing with {stand_in}, which comes nearest", err=True)
    seed = values["seed"] if values["seed"] is not None else secrets.randbelow(2**32)
    width, height = _size(values["size"])
    request = replace(Request(seed=seed, width=width, height=height), **{name: values[name] for name in names})
    if values["image"] is None and (values["strength"] is not None or values["mask"] is not None):
        raise UserError("--strength and --mask need a picture to start from: give --image")
    if values["image"] is not None and request.strength is None:
        request = replace(request, strength=1.0 if values["mask"] is not None else STRENGTH)
    return request


def _size(text: str | None) -> tuple[int | None, int | None]:
    """(width, height) of "512x768", or of one number for a square."""
    if text is None:
        return None, None
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(part.strip().isdigit() for part in parts):
        raise UserError(f"--size is width x height in pixels, as 512x768, not '{text}'")
    return int(parts[0]), int(parts[-1])


def _job(values: dict[str, Any], request: Any) -> Job:
    from fromnoise.cli.drawing import Job
    from fromnoise.cli.opened import Opening, load, opened_start

    names = ("model", "lora", "precision", "prediction", "backend", "fast")
    model, loras, precision, prediction, backend, fast = (values[name] for name in names)
    loaded = load(Opening(model, tuple(loras or ()), precision, prediction, backend, fast))
    request, start = opened_start(loaded[1], request, values["image"], values["mask"])
    return Job(loaded, request, values["out"], values["film"], start, tuple(loras or ()), backend, fast)


def _only_with_again(values: dict[str, Any]) -> None:
    unset: dict[str, Any] = {
        "prompt": "",
        "negative": "",
        "count": 1,
        "free": False,
        "fast": False,
        "precision": "auto",
        "backend": "torch",
    }
    beside = ("again", "model", "out", "image", "mask", "lora", "prediction")
    if [k for k, v in values.items() if k not in beside and v != unset.get(k)]:
        raise UserError("--again redraws a picture with its own settings; give only --out and --model beside it")


def _only_with_fast(values: dict[str, Any]) -> None:
    """Refuse what the few steps have fixed: guidance is in the weights, levels and sampler go with them."""
    from fromnoise.diffusion.schedule import MOST_DISTILLED
    from fromnoise.system.few_steps import fixed_settings

    given = [f"--{name}" for name in fixed_settings(values)]
    if given:
        raise UserError(f"--fast has its guidance and its levels built in; leave out {', '.join(given)}, or --fast")
    if values["steps"] is not None and not 1 <= values["steps"] <= MOST_DISTILLED:
        raise UserError(f"--fast draws in 1 to {MOST_DISTILLED} steps (4 by default), not {values['steps']}")


def _not_over_what_is_read(values: dict[str, Any]) -> None:
    from fromnoise.cli.drawing import names_for

    targets = [file for out in (values["out"], values["film"]) if out for file in names_for(out, values["count"])]
    for source in (values["image"], values["mask"]):
        for target in targets:
            if source and target.exists() and source.exists() and target.samefile(source):
                raise UserError(f"{source} is the picture to start from; name another file for what is drawn")


def _not_with_prompts(values: dict[str, Any]) -> None:
    if values["prompt"] or values["free"] or values["film"]:
        raise UserError("--prompts reads the prompts from a file; leave out the prompt, --free and --film")
    if values["count"] != 1:
        raise UserError("--prompts draws one picture per line; leave out -n and repeat lines instead")


def _needed(out: Path | None) -> None:
    if out is None:
        raise UserError("--prompts needs --out FOLDER for its pictures")
