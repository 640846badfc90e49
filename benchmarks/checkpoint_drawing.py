"""Text to PNG with a model of Stable Diffusion 1.5's size: 20 guided steps at 512 pixels, beside diffusers.

    python benchmarks/checkpoint_drawing.py [--rounds 1] [--steps 20] [--fp32] [--openvino] [--small]

The same random weights for all (1,066 million, stored in float16), the same prompt, steps and sampler (Euler). Each
contender is a process of its own: it opens the folder, draws once (its first picture, from opening on), then again
``--rounds`` times while the others wait. Memory is the most that was ever resident. ``--small`` is a smoke test.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from rich.console import Console
from rich.table import Table
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import fromnoise
from denoise_step import SMALL_UNET, SMALL_VAE, UNET, VAE
from fromnoise.weights.configs import unet_to_foreign, vae_to_foreign

PROMPT, NEGATIVE = "a lighthouse at dusk, oil on canvas", "blurry"
TOKENIZER = Path(fromnoise.__file__).parent / "assets" / "clip_tokenizer"
Draw = Callable[[Path], None]


def write_model(folder: Path, small: bool) -> None:
    """Random weights of every part, in float16."""
    torch.manual_seed(0)
    width, layers = (768, 2) if small else (768, 12)
    text = CLIPTextConfig(
        vocab_size=49408, hidden_size=width, intermediate_size=4 * width, num_hidden_layers=layers,
        num_attention_heads=12, max_position_embeddings=77, bos_token_id=49406, eos_token_id=49407,
    )  # fmt: skip
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL.from_config({**vae_to_foreign(SMALL_VAE if small else VAE), "scaling_factor": 0.18215}),
        text_encoder=CLIPTextModel(text),
        tokenizer=CLIPTokenizer.from_pretrained(TOKENIZER),
        unet=UNet2DConditionModel.from_config(unet_to_foreign(SMALL_UNET if small else UNET)),
        scheduler=EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.to(torch.float16).save_pretrained(folder)


def diffusers_drawer(folder: Path, steps: int, dtype: torch.dtype) -> Draw:
    """StableDiffusionPipeline as its documentation has it."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)

    def draw(file: Path) -> None:
        rng = torch.Generator().manual_seed(1)
        pipeline(PROMPT, negative_prompt=NEGATIVE, num_inference_steps=steps, generator=rng).images[0].save(file)

    return draw


def our_drawer(folder: Path, steps: int, precision: str, backend: str = "torch") -> Draw:
    """What ``fromnoise generate`` does."""
    from fromnoise.cli.opened import Opening, load
    from fromnoise.generate import Request
    from fromnoise.generate import draw as drawn
    from fromnoise.picture_file import to_image

    model = load(Opening(folder, precision=precision, backend=backend))[1]
    request = Request(PROMPT, NEGATIVE, seed=1, steps=steps)
    return lambda file: to_image(drawn(model, request)[0]).save(file)


CONTENDERS: dict[str, Callable[[Path, int], Draw]] = {
    "diffusers bf16": lambda folder, steps: diffusers_drawer(folder, steps, torch.bfloat16),
    "fromnoise bf16": lambda folder, steps: our_drawer(folder, steps, "bf16"),
}
FP32: dict[str, Callable[[Path, int], Draw]] = {
    "diffusers fp32": lambda folder, steps: diffusers_drawer(folder, steps, torch.float32),
    "fromnoise fp32": lambda folder, steps: our_drawer(folder, steps, "fp32"),
}
OPENVINO: dict[str, Callable[[Path, int], Draw]] = {
    "fromnoise, OpenVINO": lambda folder, steps: our_drawer(folder, steps, "auto", "openvino"),
    "fromnoise, OpenVINO int8": lambda folder, steps: our_drawer(folder, steps, "auto", "openvino-int8"),
}


def serve(name: str, folder: Path, steps: int) -> None:
    """Be a contender: draw once from scratch, then once per line on stdin; answer with seconds and peak MiB."""
    picture = folder / f"{name}.png"
    begin = time.perf_counter()
    draw = {**CONTENDERS, **FP32, **OPENVINO}[name](folder, steps)
    draw(picture)
    print(time.perf_counter() - begin, peak_mib(), flush=True)
    for _ in sys.stdin:
        begin = time.perf_counter()
        draw(picture)
        print(time.perf_counter() - begin, peak_mib(), flush=True)


def peak_mib() -> float:
    """Most memory that was ever resident (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


def ask(process: subprocess.Popen[str], line: str = "") -> tuple[float, float]:
    """Let a contender draw, and return seconds and peak MiB."""
    assert process.stdin is not None
    assert process.stdout is not None
    if line:
        process.stdin.write(line)
        process.stdin.flush()
    seconds, mib = process.stdout.readline().split()
    return float(seconds), float(mib)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--fp32", action="store_true", help="also both in fp32")
    parser.add_argument("--openvino", action="store_true", help="also the OpenVINO backend")
    parser.add_argument("--small", action="store_true", help="tiny networks: does it run at all?")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        return serve(options.serve, options.folder, options.steps)
    names = [*CONTENDERS, *(FP32 if options.fp32 else ()), *(OPENVINO if options.openvino else ())]
    with tempfile.TemporaryDirectory() as scratch:
        write_model(Path(scratch), options.small)
        table = Table(title=f"text to PNG, {options.steps} guided steps, {torch.get_num_threads()} threads")
        for title in ("", "first picture s", "warm s", "× diffusers bf16", "peak MiB"):
            table.add_column(title, justify="right" if title else "left")
        running, first, warm, peak = {}, {}, {name: [] for name in names}, dict.fromkeys(names, 0.0)
        for name in names:
            command = [sys.executable, __file__, "--serve", name, "--folder", scratch, "--steps", str(options.steps)]
            running[name] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            first[name], peak[name] = ask(running[name])
        for _ in range(options.rounds):
            for name in names:
                seconds, peak[name] = ask(running[name], "\n")
                warm[name].append(seconds)
        base = statistics.median(warm["diffusers bf16"])
        for name in names:
            middle = statistics.median(warm[name])
            running[name].stdin.close()  # type: ignore[union-attr]
            row = (f"{first[name]:.1f}", f"{middle:.1f}", f"{base / middle:.2f}", f"{peak[name]:.0f}")
            table.add_row(name, *row)
        Console().print(table)
    return None


if __name__ == "__main__":
    main()
