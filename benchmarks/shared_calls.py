"""Does a network call that pictures share give each the bits of a call of its own? Many random calls, by batch size.

    python benchmarks/shared_calls.py [--model stickers-64] [--rows 800]

For the model and for a tiny one with random weights (that of the tests), in fp32 and in what the machine multiplies
fastest: how many shared calls of 2, 4, 8 and 16 rows differ from single ones, and by how much at most. Why drawing
trusts a comparison in fp32 and none in bf16.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from formats import machine
from fromnoise.ground.cores import each_alone, together
from fromnoise.system.opening import find_model
from fromnoise.system.text_to_image import TextToImage

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from conftest import make_tiny_model

SIZES = (2, 4, 8, 16)


@torch.no_grad()
def differing(model: TextToImage, size: int, calls: int) -> tuple[int, float]:
    """How many shared calls of so many rows differ from single ones, and by how much at most."""
    config, rng = model.unet.config, torch.Generator().manual_seed(size)
    count, far = 0, 0.0
    for _ in range(calls):
        x = torch.randn(size, config.in_channels, config.sample_size, config.sample_size, generator=rng)
        t = torch.randint(1, 1000, (size,), generator=rng)
        heard = torch.randn(size, 12, config.cross_attention_dim, generator=rng)
        words = model.unet.read(heard.to(model.unet.conv_in.weight.dtype))
        singles = [(x[i : i + 1], t[i : i + 1], words[i : i + 1]) for i in range(size)]
        apart = together(model.engine.predict, (x, t, words)) - torch.cat(each_alone(model.engine.predict, singles))
        count, far = count + bool(apart.any()), max(far, float(apart.abs().max()))
    return count, far


def main() -> None:
    """Compare and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="stickers-64")
    parser.add_argument(
        "--rows",
        type=int,
        default=800,
        help="for each size: of the tiny model, a tenth of the other",
    )
    options = parser.parse_args()
    table = Table(title=f"shared calls that differ from single ones; {machine()}")
    for name in ("model", "format", *(f"{size} rows" for size in SIZES)):
        table.add_column(name)
    named = TextToImage.load(find_model(options.model))
    for name, model, rows in (("tiny", make_tiny_model(), options.rows), (options.model, named, options.rows // 10)):
        for precision in ("fp32", "auto"):
            drawn = model.for_drawing(precision)
            found = {size: differing(drawn, size, rows // size) for size in SIZES}
            cells = (f"{count} of {rows // size}, {far:.3g}" for size, (count, far) in found.items())
            table.add_row(name, drawn.engine.precision, *cells)
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
