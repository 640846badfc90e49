"""What the watermark outlives, what it costs, and how often it is seen where it is not.

    python benchmarks/watermark.py data/stickers [--pixels 64] [--marked 200] [--clean 10000] [--out F]

Pictures of a folder are marked, spoilt, and looked at again; shares have Wilson's 95 % interval. "Clean" pictures are
never marked, and are looked at as the command does it, with all crops. Cost: PSNR of all colours, and of brightness
alone, which eyes see best.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.data.pictures import load_folder
from fromnoise.drawing.picture_file import from_image, to_image
from fromnoise.evaluation.intervals import share_of
from fromnoise.provenance.watermark import find, marked

GREY = torch.tensor([0.299, 0.587, 0.114])[:, None, None]


def saved(kind: str, quality: int) -> Callable[[Tensor], Tensor]:
    """Through a file that loses something."""

    def act(picture: Tensor) -> Tensor:
        file = io.BytesIO()
        to_image(picture).save(file, kind, quality=quality)
        return from_image(Image.open(file).convert("RGB"))

    return act


def resized(factor: float) -> Callable[[Tensor], Tensor]:
    """Smaller or larger."""

    def act(picture: Tensor) -> Tensor:
        size = [round(side * factor) for side in picture.shape[:0:-1]]
        return from_image(to_image(picture).resize((size[0], size[1]), Image.Resampling.BICUBIC))

    return act


def cropped(share: float) -> Callable[[Tensor], Tensor]:
    """That share of each side, cut out off the middle."""

    def act(picture: Tensor) -> Tensor:
        high, wide = (round(share * side) for side in picture.shape[1:])
        top, left = int((picture.shape[1] - high) * 0.3), int((picture.shape[2] - wide) * 0.8)
        return picture[:, top : top + high, left : left + wide]

    return act


def psnr(one: Tensor, other: Tensor) -> float:
    """dB, of 255."""
    return float(10 * torch.log10(255**2 / (one - other).square().mean().clamp_min(1e-9)))


ATTACKS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda picture: picture,
    **{f"JPEG {quality}": saved("JPEG", quality) for quality in (95, 90, 80, 75, 70, 60, 50)},
    "WebP 80": saved("WEBP", 80),
    **{f"{factor:g} times as large": resized(factor) for factor in (0.5, 0.75, 1.5, 2, 4)},
    **{f"{share:.0%} of each side": cropped(share) for share in (0.95, 0.9, 0.8, 0.75)},
    "90 % of each side, then JPEG 80": lambda picture: saved("JPEG", 80)(cropped(0.9)(picture)),
    "grey": lambda picture: (picture * GREY).sum(0, keepdim=True).byte().expand(3, -1, -1),
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("--pixels", type=int, default=64)
    parser.add_argument("--marked", type=int, default=200)
    parser.add_argument("--clean", type=int, default=10_000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    console = Console()
    images = load_folder(options.pictures, options.pixels).images
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0)).tolist()
    chosen, clean = order[: options.marked], order[options.marked :][: options.clean]
    kept, cost, seconds = dict.fromkeys(ATTACKS, 0), [], []
    for i in track(chosen, "marked", console=console, transient=True):
        picture = images[i].clone()
        begin = time.perf_counter()
        hidden = marked(picture)
        seconds.append(time.perf_counter() - begin)
        one, other = picture.float(), hidden.float()
        cost.append((psnr(one, other), psnr((one * GREY).sum(0), (other * GREY).sum(0))))
        for name, attack in ATTACKS.items():
            kept[name] += find(attack(hidden)).found
    table = Table(title=f"found again, {len(chosen)} pictures of {options.pixels} pixels, {machine()}")
    table.add_column("then")
    table.add_column("found, 95 %", justify="right")
    for name, count in kept.items():
        share = share_of(count, len(chosen))
        table.add_row(name, f"{share.value:.1%} ({share.low:.0%}-{share.high:.0%})")
    console.print(table)
    means = [statistics.mean(each) for each in zip(*cost, strict=True)]
    console.print(f"PSNR {means[0]:.1f} dB, of brightness {means[1]:.1f} dB")
    console.print(f"marking takes {1000 * statistics.median(seconds):.0f} ms")
    wrong, begin = 0, time.perf_counter()
    for i in track(clean, "clean", console=console, transient=True):
        wrong += find(images[i]).found
    took = (time.perf_counter() - begin) / max(1, len(clean))
    share = share_of(wrong, max(1, len(clean)))
    console.print(f"clean: {wrong} of {len(clean)} taken for marked (at most {share.high:.2%})")
    console.print(f"looking takes {1000 * took:.0f} ms where nothing is found")
    if options.out:
        facts = {"machine": machine(), "found": kept, "marked": len(chosen), "cost": means, "wrong": wrong}
        options.out.write_text(json.dumps(facts | {"clean": len(clean)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
