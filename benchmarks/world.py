"""How fast the world is made: pictures a second of one core, by kind.

    python benchmarks/world.py --drawings data/drawings [--pixels 128] [--count 150]

The process's own CPU seconds are counted, so a busy machine matters less. Each kind begins with nothing remembered, as
a worker does; half as many pictures are made first and not counted. "choose" decides and measures, "paint" renders.
The last lines are what the default mix gives, what a day of one core would bring, and what a picture costs in a
training by ``stickers_cpu``: to draw, to encode, to keep, and to learn from once (forwards and backwards, in batches of
16; Muon's share is not counted).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from formats import machine
from fromnoise.cli.train import load_recipe
from fromnoise.data.world import Drawing, World, WorldMix, read_drawings
from fromnoise.data.world.captions import caption
from fromnoise.data.world.paint import paint
from fromnoise.training.memory import keep_freed_memory


def measured(drawings: list[Drawing], mix: WorldMix, pixels: int, count: int) -> tuple[float, float]:
    """CPU seconds of a picture: chosen (with its caption), and painted."""
    world = World(drawings, mix)
    for number in range(count // 2):
        world.choose(1, number)
    start = time.process_time()
    described = [world.choose(0, number) for number in range(count)]
    for d in described:
        caption(d)
    chosen = time.process_time()
    for d in described:
        paint(world, d, pixels)
    return (chosen - start) / count, (time.process_time() - chosen) / count


def learning(pixels: int) -> tuple[float, float, int]:
    """CPU seconds to encode a picture and to learn from it once, and bytes of its latents in half precision."""
    keep_freed_memory()
    torch.set_num_threads(1)
    recipe = load_recipe("stickers_cpu")
    vae, unet = recipe.vae.model.build().eval(), recipe.diffusion.model.build()
    pictures = torch.rand(16, 3, pixels, pixels) * 2 - 1
    with torch.no_grad():
        latents = vae.encode(pictures).mean
    read = torch.randn(16, recipe.clip.text.context, recipe.clip.text.width)
    times = torch.randint(1000, (16,))

    def encode() -> None:
        with torch.no_grad():
            vae.encode(pictures)

    return (
        _seconds(encode),
        _seconds(lambda: unet(latents, times, read).square().mean().backward()),
        latents[0].nbytes // 2,
    )


def _seconds(work: Callable[[], object]) -> float:
    """CPU seconds of a picture, the best of five calls with 16."""
    found = []
    for _ in range(6):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found[1:]) / 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawings", type=Path, required=True)
    parser.add_argument("--pixels", type=int, default=128)
    parser.add_argument("--count", type=int, default=150)
    options = parser.parse_args()
    drawings = read_drawings(options.drawings)
    table = Table(title=f"{options.pixels} pixels, one core, {machine()}; {len(drawings):,} drawings")
    for name in ("kind", "choose ms", "paint ms", "pictures/s"):
        table.add_column(name, justify="left" if name == "kind" else "right")
    mixes = {kind: WorldMix.only(kind) for kind in WorldMix().kinds()} | {"the default mix": WorldMix()}
    for kind, mix in mixes.items():
        choose, draw = measured(drawings, mix, options.pixels, options.count)
        table.add_row(kind, f"{choose * 1e3:.1f}", f"{draw * 1e3:.1f}", f"{1 / (choose + draw):.0f}")
    Console().print(table)
    encode, learn, size = learning(options.pixels)
    print(
        f"a picture: {choose + draw:.4f} s to choose and paint, {encode:.4f} s to encode, "
        f"{size / 1024:.0f} KiB to keep, {learn:.4f} s to learn from once"
    )
    print(f"a day of one core: {86400 / (choose + draw) / 1e6:.1f} million pictures of the default mix")


if __name__ == "__main__":
    main()
