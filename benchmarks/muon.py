"""What a step of Muon costs for a recipe's U-Net, and how near to orthogonal it makes a matrix.

    python benchmarks/muon.py [--recipe stickers_cpu] [--moments runs/mine/diffusion/step-00005784]

One thread. A step moves all hidden matrices by random gradients; the ways take turns; medians. ``--moments`` names a
checkpoint whose moving averages of gradients are made orthogonal, some of them: alignment is the cosine between what
comes out and the nearest orthogonal matrix U Vᵀ (of X = U S Vᵀ), beside it the greatest singular value, the median and
the tenth lowest of a hundred, on average over the matrices.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from torch import Tensor

from formats import machine, measurable
from fromnoise.cli.train import load_recipe
from fromnoise.models.unet import UNet
from fromnoise.training.memory import keep_freed_memory
from fromnoise.training.muon import orthogonal, polar_express
from fromnoise.training.optimizers import Optimizers, hidden_matrices

JORDAN, STEPS, EPS = (3.4445, -4.7750, 2.0315), 5, 1e-7
MOST = 24  # matrices: the exact answer takes long
WAYS = {
    "jordan, bf16 (torch's own)": ("jordan", torch.bfloat16),
    "polar_express, bf16": ("polar_express", torch.bfloat16),
    "jordan, fp32": ("jordan", torch.float32),
    "polar_express, fp32": ("polar_express", torch.float32),
}


def steps(recipe: str, names: list[str], rounds: int) -> dict[str, float]:
    """Milliseconds of one step of all hidden matrices, by way."""
    stage = load_recipe(recipe).diffusion
    network = UNet(stage.model)
    hidden = hidden_matrices(network)
    masters = {name: x.detach().clone() for name, x in network.named_parameters() if name in hidden}
    for master in masters.values():
        master.grad = torch.randn_like(master)
    made = {
        name: Optimizers(network, masters, replace(stage.loop, optimizer="muon", orthogonal=way), products)
        for name, (way, products) in WAYS.items()
        if name in names
    }
    times: dict[str, list[float]] = {name: [] for name in made}
    for i in range(rounds + 1):
        for name, optimizers in made.items():
            before = time.perf_counter()
            optimizers.step(1e-3)
            if i:
                times[name].append(1000 * (time.perf_counter() - before))
    return {name: statistics.median(found) for name, found in times.items()}


def moments(folder: Path) -> list[Tensor]:
    """Some matrices [M,N] of a checkpoint's first moments, evenly from the first layer to the last."""
    stored = load_file(folder / "first_moment.safetensors")
    found = [x.flatten(1) for name, x in stored.items() if x.ndim > 1 and min(len(x), x[0].numel()) >= 32 and x.any()]
    return found[:: max(1, len(found) // MOST)]


def made_orthogonal(way: str, products: torch.dtype) -> Callable[[Tensor], Tensor]:
    """The function that makes a matrix orthogonal."""
    if way == "polar_express":
        return lambda x: polar_express(x.to(products), EPS).float()
    if products == torch.float32:
        return lambda x: orthogonal(x, JORDAN, STEPS, EPS)
    from torch.optim._muon import _zeropower_via_newtonschulz as theirs

    return lambda x: theirs(x, JORDAN, STEPS, EPS).float()


def nearness(matrices: list[Tensor], how: Callable[[Tensor], Tensor]) -> list[float]:
    """Alignment, greatest, median and tenth lowest singular value, on average."""
    rows = []
    for x in matrices:
        u, _, v = torch.linalg.svd(x, full_matrices=False)
        found = how(x)
        values = torch.linalg.svdvals(found)
        alignment = torch.cosine_similarity(found.flatten(), (u @ v).flatten(), dim=0)
        rows.append([float(alignment), float(values[0]), float(values.median()), float(values.quantile(0.1))])
    return [statistics.fmean(column) for column in zip(*rows, strict=True)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="stickers_cpu")
    parser.add_argument("--moments", type=Path, help="a checkpoint's folder")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.set_num_threads(1)
    keep_freed_memory()
    names = measurable(WAYS)
    matrices = moments(options.moments) if options.moments else []
    columns = ["ms a step", *(["alignment", "greatest", "median", "tenth lowest"] if matrices else [])]
    table = Table("way", *columns, title=f"Muon, U-Net of {options.recipe}, {machine()}")
    for name, took in steps(options.recipe, names, options.rounds).items():
        near = nearness(matrices, made_orthogonal(*WAYS[name])) if matrices else []
        table.add_row(name, f"{took:.0f}", *(f"{x:.3f}" for x in near))
    Console().print(table)


if __name__ == "__main__":
    main()
