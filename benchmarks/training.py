"""How fast does the U-Net train here: against the machine's own peak, and against diffusers?

    python benchmarks/training.py [--batch 64] [--seconds 20]

All in one run, on the shipped model's U-Net: the measured peak of a large matrix product in the same number format,
our training step (forward, backward, AdamW or Muon, EMA), and a plain diffusers UNet2DConditionModel's (forward,
backward, AdamW) in fp32 and, where the CPU multiplies bf16, under bf16 autocast. Rounds are interleaved, so that a
noisy neighbour hits all alike; the median round counts. FLOP are counted by torch on the forward and backward pass
with direct convolutions, and are the same for all. A newer CPU can play an older one:

    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2 python benchmarks/training.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from fromnoise.training.memory import keep_freed_memory, let_idle_threads_sleep

let_idle_threads_sleep()
keep_freed_memory()

import torch  # noqa: E402
from diffusers import UNet2DConditionModel  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402

from formats import BEST, machine, measurable  # noqa: E402
from fromnoise.cli.train import load_recipe  # noqa: E402
from fromnoise.models.layers.winograd import direct  # noqa: E402
from fromnoise.models.unet import UNetConfig  # noqa: E402
from fromnoise.training.speed import flops, inputs, peak, random_step, seconds  # noqa: E402
from fromnoise.weights.configs import unet_to_foreign  # noqa: E402

CONTENDERS = (
    "fromnoise fp32",
    "fromnoise fp32, Muon",
    "fromnoise bf16",
    "fromnoise bf16, Muon",
    "fromnoise fp32, direct convolutions",
    "diffusers fp32",
    "diffusers bf16 autocast",
)


def theirs(config: UNetConfig, batch: int, autocast: bool) -> Callable[[], None]:
    """A plain training step of the same network in diffusers."""
    values = {k: v for k, v in unet_to_foreign(config).items() if not k.startswith("_")}
    network = UNet2DConditionModel(**values)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    x, t, context, target = inputs(config, batch)

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            out = network(x, t, context).sample
        (out.float() - target).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()

    return step


def without_winograd(step: Callable[[], None]) -> Callable[[], None]:
    """A step whose convolutions are oneDNN's."""

    def measured() -> None:
        with direct():
            step()

    return measured


def contender(name: str, config: UNetConfig, batch: int) -> Callable[[], None]:
    """A step by its name."""
    if name.startswith("diffusers"):
        return theirs(config, batch, autocast="bf16" in name)
    dtype = torch.bfloat16 if "bf16" in name else torch.float32
    step = random_step(config, batch, dtype, "muon" if "Muon" in name else "adamw")
    return without_winograd(step) if "direct" in name else step


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=20, help="time per contender")
    options = parser.parse_args()
    config = load_recipe("stickers_64").diffusion.model
    contenders = {name: contender(name, config, options.batch) for name in measurable(CONTENDERS)}
    flop = options.batch * flops(config)
    for step in contenders.values():  # kernels are built on the first calls
        step(), step()
    times: dict[str, list[float]] = {name: [] for name in contenders}
    peaks: dict[torch.dtype, list[float]] = {torch.float32: [], BEST: []}
    end = time.monotonic() + options.seconds * len(contenders)
    while time.monotonic() < end:
        for name, step in contenders.items():
            times[name].append(seconds(step))
        for dtype, found in peaks.items():
            found.append(peak(dtype, rounds=3))
    report(times, {d: statistics.median(p) for d, p in peaks.items()}, flop, options.batch)


def report(times: dict[str, list[float]], peaks: dict[torch.dtype, float], flop: int, batch: int) -> None:
    """Print medians and ratios."""
    base = statistics.median(times["diffusers fp32"])
    table = Table(title=f"U-Net training step, batch {batch}, {flop / batch / 1e9:.2f} GFLOP per picture")
    for name in ("", "pictures/s", "GFLOP/s", "share of matmul peak", "× diffusers fp32"):
        table.add_column(name, justify="right" if name else "left")
    for name, found in times.items():
        median = statistics.median(found)
        top = peaks[torch.bfloat16 if "bf16" in name else torch.float32]
        rate = flop / median
        table.add_row(name, f"{batch / median:.0f}", f"{rate / 1e9:.0f}", f"{rate / top:.0%}", f"{base / median:.2f}")
    console = Console()
    console.print(table)
    console.print(f"{machine()}, torch {torch.__version__}")
    console.print(", ".join(f"matmul peak {str(d)[6:]} {p / 1e9:.0f} GFLOP/s" for d, p in peaks.items()))


if __name__ == "__main__":
    main()
