"""How should idle OpenMP threads wait? One step of drawing and one of training, alone and beside a busy process.

    python benchmarks/waiting.py [--model FOLDER]

Each setting is a fresh process, since GNU OpenMP reads it once, when torch is imported. Times are medians in ms.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys

from rich.console import Console
from rich.table import Table

from fromnoise.ground.cores import cpu_class
from fromnoise.training.memory import SPINS

SETTINGS = {
    "sleep at once": {"OMP_WAIT_POLICY": "passive"},
    f"{SPINS} spins (fromnoise train)": {"GOMP_SPINCOUNT": SPINS},
    "GNU OpenMP's default (drawing)": {},
    "never sleep": {"OMP_WAIT_POLICY": "active"},
}
WORK = """
import statistics, sys, time, torch
from fromnoise.system.opening import find_model
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.memory import keep_freed_memory
keep_freed_memory()
unet = TextToImage.load(find_model(sys.argv[1])).for_drawing("auto").unet.requires_grad_(True)
c = unet.config
def inputs(n):
    side = c.sample_size
    x, words = torch.randn(n, c.in_channels, side, side), torch.randn(n, 32, c.cross_attention_dim)
    return x, torch.randint(1000, (n,)), words
def milliseconds(call, rounds):
    for _ in range(3):
        call()
    found = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        found.append(1e3 * (time.perf_counter() - begin))
    return statistics.median(found)
with torch.inference_mode():
    guided = inputs(2)
    draw = milliseconds(lambda: unet(*guided), 40)
batch = inputs(64)
train = milliseconds(lambda: unet(*batch).float().square().mean().backward(), 8)
print(draw, train)
"""


def measure(model: str, changes: dict[str, str]) -> tuple[float, float]:
    """Milliseconds of a drawing and of a training step in a process with these settings."""
    clean = {key: value for key, value in os.environ.items() if key not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", WORK, model], env={**clean, **changes}, check=True, capture_output=True, text=True
    )
    draw, train = map(float, done.stdout.split())
    return draw, train


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="stickers-64")
    options = parser.parse_args()
    table = Table(title=f"{cpu_class()}, {os.cpu_count()} cores: ms per step")
    for name in ("waiting", "draw", "train", "draw beside a busy process", "train beside it"):
        table.add_column(name, justify="left" if name == "waiting" else "right")
    for name, changes in SETTINGS.items():
        alone = measure(options.model, changes)
        busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
        try:
            beside = measure(options.model, changes)
        finally:
            busy.kill()
        table.add_row(name, *(f"{value:.1f}" for value in (*alone, *beside)))
    Console().print(table)


if __name__ == "__main__":
    main()
