"""How far pictures of other engines and formats are from those of torch in fp32, and how long they take.

    python benchmarks/backends.py [--model NAME] [--count 8]

The same model, prompts and seeds for all; PSNR in dB over 8-bit pictures, higher is closer (50: levels are off by less
than one on average). Seconds are those of a warm drawing of all pictures, contenders interleaved.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import NAME, machine, measurable
from fromnoise import backends
from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.system.text_to_image import TextToImage

PROMPTS = (("red apple", "noto"), ("smiling cat", "twemoji"))
WAYS = ("torch bf16", "openvino fp32", "openvino bf16", f"openvino-int8 {NAME}")
ROUNDS = 3


def psnr(found: Tensor, exact: Tensor) -> list[float]:
    """One figure per picture, for uint8 [B,3,H,W]."""
    error = (found.double() - exact.double()).square().flatten(1).mean(1).clamp_min(1e-9)
    return (10 * torch.log10(255**2 / error)).tolist()  # type: ignore[no-any-return]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--count", type=int, default=8)
    options = parser.parse_args()
    loaded = TextToImage.load(options.model)
    styles = [style if style in loaded.styles else None for _, style in PROMPTS]
    requests = [
        Request(prompt, style=style, seed=7, count=options.count)
        for (prompt, _), style in zip(PROMPTS, styles, strict=True)
    ]
    ways = {("torch", "fp32"): loaded.for_drawing("fp32")}
    for name, precision in map(str.split, measurable(WAYS)):
        ways[name, precision] = (
            loaded.for_drawing(precision) if name == "torch" else backends.apply(loaded, name, precision)
        )
    seconds: dict[tuple[str, str], list[float]] = {way: [] for way in ways}
    pictures: dict[tuple[str, str], Tensor] = {}
    for _ in range(ROUNDS + 1):
        for way, model in ways.items():
            begin = time.perf_counter()
            pictures[way] = torch.cat([draw(model, request) for request in requests])
            seconds[way].append(time.perf_counter() - begin)
    table = Table(title=f"{len(requests) * options.count} pictures, {machine()}")
    for title in ("", "seconds", "PSNR mean dB", "worst dB"):
        table.add_column(title, justify="right" if title else "left")
    for way, times in seconds.items():
        cells = (
            ["", ""]
            if way == ("torch", "fp32")
            else [f"{pick(psnr(pictures[way], pictures['torch', 'fp32'])):.1f}" for pick in (statistics.mean, min)]
        )
        table.add_row(" ".join(way), f"{statistics.median(times[1:]):.2f}", *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
