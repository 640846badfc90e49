"""Which layers of a network in bf16 torch computes slowly on a CPU, and what our own way makes of them.

    python benchmarks/layers.py [--batch 64] [--rounds 15] [--recipe stickers_cpu]

On a CPU that multiplies bf16, one thread: group norms by channels of a group and size of the map, forwards and with
gradients; gradients of 3×3 kernels on small maps; and a training step of a recipe's whole U-Net (forwards, backwards,
optimizer, averages) with and without both. Ours and torch's take turns; medians.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
from collections.abc import Callable, Iterator
from unittest.mock import patch

from fromnoise.training.memory import keep_freed_memory, let_idle_threads_sleep

let_idle_threads_sleep()
keep_freed_memory()

import torch  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from formats import machine  # noqa: E402
from fromnoise.cli.train import load_recipe  # noqa: E402
from fromnoise.models.layers import convolution  # noqa: E402
from fromnoise.models.layers.convolution import Convolution3x3  # noqa: E402
from fromnoise.models.layers.norm import GroupNorm  # noqa: E402
from fromnoise.training.speed import random_step, seconds  # noqa: E402

NORMS = ((16, 96, 16), (16, 192, 8), (16, 288, 16), (16, 448, 8), (16, 256, 4), (32, 320, 16), (32, 1280, 8))
KERNELS = ((256, 256, 4), (512, 256, 4), (192, 192, 8))
Pair = dict[str, float]


@contextlib.contextmanager
def torchs_own() -> Iterator[None]:
    """Both layers as torch computes them."""
    with patch.object(GroupNorm, "forward", nn.GroupNorm.forward), patch.object(convolution, "FEW", 0):
        yield


def measured(call: Callable[[], object], rounds: int) -> Pair:
    """Median milliseconds of a call, as torch has it and as we have it."""
    times: dict[str, list[float]] = {"torch": [], "ours": []}
    for i in range(rounds + 2):
        with torchs_own():
            theirs = seconds(call)
        if i > 1:  # kernels are built on the first calls
            times["torch"].append(theirs)
        ours = seconds(call)
        if i > 1:
            times["ours"].append(ours)
    return {name: 1000 * statistics.median(found) for name, found in times.items()}


def picture(batch: int, channels: int, side: int) -> Tensor:
    """Random values [B,C,s,s] in bf16, channels_last."""
    x = torch.randn(batch, channels, side, side).to(torch.bfloat16)
    return x.contiguous(memory_format=torch.channels_last).requires_grad_()


def backwards(layer: nn.Module, x: Tensor, gradient: Tensor) -> Callable[[], object]:
    """Forwards and the gradients of input and weights."""
    wanted = [x, *layer.parameters()]
    return lambda: torch.autograd.grad(layer(x), wanted, gradient)


def alone(layer: nn.Module, x: Tensor) -> Callable[[], object]:
    """Forwards alone, as when drawing."""

    def call() -> object:
        with torch.no_grad():
            return layer(x)

    return call


def layers(batch: int, rounds: int) -> dict[str, Pair]:
    """Each layer by its name: milliseconds."""
    found = {}
    for groups, channels, side in NORMS:
        name = f"norm, {channels // groups} channels a group, {channels}×{side}×{side}"
        norm, x = GroupNorm(groups, channels).to(torch.bfloat16), picture(batch, channels, side)
        found[f"{name}, learning"] = measured(backwards(norm, x, torch.randn_like(x)), rounds)
        drawn = picture(2, channels, side)
        found[f"{name}, drawing two"] = measured(alone(norm, drawn), rounds)
    for into, out, side in KERNELS:
        layer = Convolution3x3(into, out).to(torch.bfloat16).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        x, gradient = picture(batch, into, side), picture(batch, out, side).detach()
        found[f"kernel {into} to {out}, {side}×{side}, learning"] = measured(backwards(layer, x, gradient), rounds)
    return found


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--recipe", default="stickers_cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = layers(options.batch, options.rounds)
    step = random_step(load_recipe(options.recipe).diffusion.model, options.batch, torch.bfloat16, "muon")
    found[f"a training step of {options.recipe}"] = measured(step, options.rounds)
    table = Table(title=f"bf16, one thread, batch {options.batch}, milliseconds")
    for name in ("", "torch", "ours", "times as fast"):
        table.add_column(name, justify="right" if name else "left")
    for name, pair in found.items():
        table.add_row(name, f"{pair['torch']:.2f}", f"{pair['ours']:.2f}", f"{pair['torch'] / pair['ours']:.2f}")
    console = Console(width=110)
    console.print(table)
    console.print(f"{machine()}, torch {torch.__version__}")


if __name__ == "__main__":
    main()
