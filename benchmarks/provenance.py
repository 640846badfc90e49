"""What marks and signatures cost: milliseconds and bytes of a picture's file, side by side in one run.

python benchmarks/provenance.py [--rounds 50]
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from formats import machine
from fromnoise.drawing.picture_file import Origin, png_bytes, to_image
from fromnoise.drawing.request import Request
from fromnoise.provenance.credentials import Seal, credentials_in
from fromnoise.provenance.identity import Identity
from fromnoise.provenance.stamp import Stamp

SIDES = (64, 128, 512)


def milliseconds(act: Callable[[], object], rounds: int) -> float:
    """Of one call, the median."""
    act()
    taken = []
    for _ in range(rounds):
        begin = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - begin))
    return statistics.median(taken)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    rounds = parser.parse_args().rounds
    request = Request(prompt="a red apple", style="noto", seed=7, steps=20, guidance=4.0, sampler="dpm++")
    origin = Origin(request, "stickers-64", "c27a8e928057", "0.1.0")
    table = Table(title=f"a PNG file, {machine()}")
    for name in ("side", "bare, ms", "with marks, ms", "signed, ms", "checked, ms", "marks, bytes", "signature, bytes"):
        table.add_column(name, justify="right")
    with tempfile.TemporaryDirectory() as folder:
        seal = Seal(Identity.made(Path(folder) / "identity", "Benchmark"))
        stamp = Stamp(seal=seal)
        for side in SIDES:
            picture = (torch.rand(3, side // 8, side // 8, generator=torch.Generator().manual_seed(0)) * 255).byte()
            picture = picture.repeat_interleave(8, 1).repeat_interleave(8, 2)
            buffer = io.BytesIO()
            to_image(picture).save(buffer, "PNG")
            bare, marked, signed = buffer.getvalue(), png_bytes(picture, origin), png_bytes(picture, origin, stamp)
            taken = [
                milliseconds(lambda p=picture: to_image(p).save(io.BytesIO(), "PNG"), rounds),  # type: ignore[misc]
                milliseconds(lambda p=picture: png_bytes(p, origin), rounds),  # type: ignore[misc]
                milliseconds(lambda p=picture: png_bytes(p, origin, stamp), rounds),  # type: ignore[misc]
                milliseconds(lambda s=signed: credentials_in(s, "PNG", seal.identity.root), rounds),  # type: ignore[misc]
            ]
            sizes = (len(marked) - len(bare), len(signed) - len(marked))
            table.add_row(str(side), *(f"{each:.1f}" for each in taken), *(f"{size:,}" for size in sizes))
    Console().print(table)


if __name__ == "__main__":
    main()
