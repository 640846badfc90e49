"""Prompt to PNG: ours beside diffusers with the very same exported weights and the same number of steps.

    python benchmarks/drawing.py [--model FOLDER] [--steps 20] [--rounds 7]

Warm: the model is loaded, one picture has been drawn; both draw 64×64 pictures with classifier-free guidance at
every step and write a PNG. Ours is measured in fp32 like diffusers, and with its defaults: bf16 where the CPU has it,
guidance only in the interval that the model asks for (diffusers knows no interval). Rounds are interleaved; medians
are printed. What a fresh process adds, imports and loading, is what ``benchmarks/starting.py`` shows.
"""

from __future__ import annotations

import argparse
import io
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
from rich.console import Console
from rich.table import Table

from formats import machine
from fromnoise.drawing.generate import draw
from fromnoise.drawing.picture_file import to_image
from fromnoise.drawing.request import Request
from fromnoise.system.few_steps import with_few_steps
from fromnoise.system.opening import find_model
from fromnoise.system.text_to_image import TextToImage

PROMPT, STYLE = "red apple", "noto"


def ours(folder: Path, request: Request, precision: str, fast: bool = False) -> Callable[[], None]:
    """A function that draws a request's pictures and encodes them as PNG; ``fast``: in a few steps."""
    loaded = TextToImage.load(folder)
    model = (with_few_steps(loaded) if fast else loaded).for_drawing(precision)

    def call() -> None:
        for picture in draw(model, request):
            to_image(picture).save(io.BytesIO(), "PNG")

    return call


def theirs(folder: Path, request: Request) -> Callable[[], None]:
    """The same through diffusers, with its own DPM-Solver++."""
    pipe = StableDiffusionPipeline.from_pretrained(folder)
    pipe.scheduler = DPMSolverMultistepScheduler.from_config(pipe.scheduler.config)
    pipe.set_progress_bar_config(disable=True)
    size = pipe.unet.config.sample_size * pipe.vae_scale_factor
    prompts = [f"{request.prompt}, {request.style} style"] * request.count

    def call() -> None:
        pictures = pipe(prompts, num_inference_steps=request.steps, guidance_scale=3.0, height=size, width=size).images
        for picture in pictures:
            picture.save(io.BytesIO(), "PNG")

    return call


def seconds(call: Callable[[], object]) -> float:
    """Wall-clock seconds of one call."""
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="stickers-64")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    folder = find_model(options.model)
    every = Request(prompt=PROMPT, style=STYLE, seed=1, steps=options.steps, interval=(0, 1000), rescale=0.0)
    table = Table(title=f"prompt to PNG, warm, {options.steps} steps, {machine()}: seconds")
    for name in (
        "pictures",
        "diffusers",
        "fromnoise fp32",
        "×",
        "fromnoise auto, guided at every step",
        "×",
        "default",
        "×",
    ):
        table.add_column(name, justify="right")
    for count in (1, 4, 8):
        request = replace(every, count=count)
        calls = {
            "peer": theirs(folder, request),
            "fp32": ours(folder, request, "fp32"),
            "every": ours(folder, request, "auto"),
            "interval": ours(folder, replace(request, interval=None), "auto"),
        }
        for call in calls.values():
            call()
        rounds = [{name: seconds(call) for name, call in calls.items()} for _ in range(options.rounds)]
        m = {name: statistics.median(r[name] for r in rounds) for name in calls}
        cells = [m["peer"], *(x for name in ("fp32", "every", "interval") for x in (m[name], m["peer"] / m[name]))]
        table.add_row(str(count), *(f"{value:.2f}" for value in cells))
    Console().print(table)


if __name__ == "__main__":
    main()
