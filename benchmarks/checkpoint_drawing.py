"""Text to PNG with a model of Stable Diffusion 1.5's size: 20 guided steps at 512 pixels, beside other programs.

    python benchmarks/checkpoint_drawing.py [--rounds 1] [--steps 20] [--fp32] [--compiled] [--openvino] [--small]
        [--genai PYTHON] [--cpp PYTHON]

The same random weights for all (1,066 million, stored in float16), the same prompt, steps and sampler (Euler). Each
contender is a process of its own, and only one is there at a time: it opens the model, draws once (its first picture,
from opening on), then ``--rounds`` times again. Memory is the most that was ever resident. Programs with packages of
their own are run by the Python that is named; ``other_engines.py`` says how to install them. stable-diffusion.cpp draws
only 1 and 3 steps, from which ``--steps`` are worked out: it would take most of an hour. ``--small`` is a smoke test.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, StableDiffusionPipeline, UNet2DConditionModel
from rich.console import Console
from rich.table import Table
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

import fromnoise
from denoise_step import SMALL_UNET, SMALL_VAE, UNET, VAE
from formats import BEST, machine, measurable
from fromnoise.weights.configs import unet_to_foreign, vae_to_foreign
from other_engines import NEGATIVE, PROMPT, Draw, serve

TOKENIZER = Path(fromnoise.__file__).parent / "assets" / "clip_tokenizer"


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


def diffusers_drawer(folder: Path, dtype: torch.dtype, compiled: bool = False) -> Draw:
    """StableDiffusionPipeline as its documentation has it."""
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=dtype)
    pipeline.set_progress_bar_config(disable=True)
    if compiled:
        pipeline.unet = torch.compile(pipeline.unet)
        pipeline.vae.decode = torch.compile(pipeline.vae.decode)

    def draw(file: Path, steps: int) -> None:
        rng = torch.Generator().manual_seed(1)
        pipeline(PROMPT, negative_prompt=NEGATIVE, num_inference_steps=steps, generator=rng).images[0].save(file)

    return draw


def our_drawer(folder: Path, precision: str, backend: str = "torch") -> Draw:
    """What ``fromnoise generate`` does."""
    from fromnoise.cli.opened import Opening, load
    from fromnoise.drawing.generate import draw as drawn
    from fromnoise.drawing.picture_file import to_image
    from fromnoise.drawing.request import Request

    model = load(Opening(folder, precision=precision, backend=backend))[1]

    def draw(file: Path, steps: int) -> None:
        to_image(drawn(model, Request(PROMPT, NEGATIVE, seed=1, steps=steps))[0]).save(file)

    return draw


Open = Callable[[Path], Draw]
BF16: dict[str, Open] = {
    "diffusers bf16": lambda folder: diffusers_drawer(folder, torch.bfloat16),
    "fromnoise bf16": lambda folder: our_drawer(folder, "bf16"),
}
FP32: dict[str, Open] = {
    "diffusers fp32": lambda folder: diffusers_drawer(folder, torch.float32),
    "fromnoise fp32": lambda folder: our_drawer(folder, "fp32"),
}
COMPILED: dict[str, Open] = {"diffusers compiled": lambda folder: diffusers_drawer(folder, BEST, compiled=True)}
OPENVINO: dict[str, Open] = {
    "fromnoise, OpenVINO": lambda folder: our_drawer(folder, "auto", "openvino"),
    "fromnoise, OpenVINO int8": lambda folder: our_drawer(folder, "auto", "openvino-int8"),
}
GENAI = ("OpenVINO GenAI, fp16 weights", "OpenVINO GenAI, int8 weights")
CPP = ("stable-diffusion.cpp f16", "stable-diffusion.cpp q8_0")


def ask(process: subprocess.Popen[str], steps: int = 0) -> tuple[float, float]:
    """Wait for a contender's picture, one of ``steps`` if that is not 0, and return seconds and peak MiB."""
    assert process.stdin is not None
    assert process.stdout is not None
    if steps:
        process.stdin.write(f"{steps}\n")
        process.stdin.flush()
    for line in process.stdout:
        if line.startswith("answer"):
            seconds, mib = line.split()[1:]
            return float(seconds), float(mib)
    raise SystemExit("the contender ended before it drew; its message is above")


def measure(command: Sequence[str | Path], steps: int, rounds: int) -> tuple[float, float, float]:
    """Let one contender draw: seconds of its first picture, median of the others, peak MiB."""
    process = subprocess.Popen([*command, "--steps", str(steps)], stdin=PIPE, stdout=PIPE, text=True)
    first, _ = ask(process)
    found = [ask(process, steps) for _ in range(rounds)]
    process.stdin.close()  # type: ignore[union-attr]
    process.wait()
    return first, statistics.median(seconds for seconds, _ in found), found[-1][1]


def measure_slow(command: Sequence[str | Path], steps: int) -> tuple[float, float, float]:
    """Like :func:`measure`, worked out from pictures of 1 and of 3 steps."""
    process = subprocess.Popen([*command, "--steps", "1"], stdin=PIPE, stdout=PIPE, text=True)
    (one, _), (three, mib) = ask(process), ask(process, 3)
    process.stdin.close()  # type: ignore[union-attr]
    process.wait()
    whole = one + (steps - 1) * (three - one) / 2  # opening takes 2 to 6 of some hundreds of seconds
    return whole, whole, mib


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--fp32", action="store_true", help="also both in fp32")
    parser.add_argument("--compiled", action="store_true", help="also diffusers with torch.compile")
    parser.add_argument("--openvino", action="store_true", help="also the OpenVINO backend")
    parser.add_argument("--genai", type=Path, help="also OpenVINO GenAI: the Python that has it")
    parser.add_argument("--cpp", type=Path, help="also stable-diffusion.cpp: the Python that has it")
    parser.add_argument("--small", action="store_true", help="tiny networks: does it run at all?")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="where to keep the models; a temporary folder by default")
    options = parser.parse_args()
    if options.serve:
        every = {**BF16, **FP32, **COMPILED, **OPENVINO}
        picture = options.folder.parent / f"{options.serve}.png"
        return serve(lambda: every[options.serve](options.folder), picture, options.steps)
    own = measurable(BF16)
    for group, on in ((FP32, options.fp32 or not own), (COMPILED, options.compiled), (OPENVINO, options.openvino)):
        own += group if on else ()
    with tempfile.TemporaryDirectory() as scratch:
        model = (options.folder or Path(scratch)) / "model"
        if not model.exists():
            write_model(model, options.small)
        other = Path(__file__).with_name("other_engines.py")
        commands = {name: [sys.executable, __file__, "--serve", name] for name in own}
        commands |= {name: [options.genai, other, name] for name in GENAI if options.genai}
        commands |= {name: [options.cpp, other, name] for name in CPP if options.cpp}
        if options.genai:
            for name in GENAI:
                subprocess.run([*commands[name], "--folder", model, "--export"], check=True, stdout=DEVNULL)
        if options.cpp and not model.with_suffix(".safetensors").exists():
            subprocess.run([sys.executable, "-m", "fromnoise", "convert", model, f"{model}.safetensors"], check=True)
        table = Table(title=f"text to PNG, {options.steps} guided steps, {machine()}")
        for title in ("", "first picture s", "warm s", "× diffusers", "peak MiB"):
            table.add_column(title, justify="right" if title else "left")
        base = 0.0
        for name, command in commands.items():
            whole = [*command, "--folder", model]
            if name in OPENVINO:  # so that its graphs are in the cache, as the other's graphs are on disk
                measure(whole, 1, 1)
            first, warm, mib = (
                measure_slow(whole, options.steps) if name in CPP else measure(whole, options.steps, options.rounds)
            )
            base = base or warm  # the first is diffusers
            table.add_row(name, f"{first:.1f}", f"{warm:.1f}", f"{base / warm:.2f}", f"{mib:.0f}")
            print(f"{name}: {first:.1f} s, then {warm:.1f} s", file=sys.stderr, flush=True)
        Console().print(table)
    return None


if __name__ == "__main__":
    main()
