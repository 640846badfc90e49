"""Does drawing a thousand pictures in one process change a picture, or take more and more memory?

    python benchmarks/drawings_in_a_row.py --drawings 1000 [--model FOLDER] [--seed 0]

Pictures of six requests (steps, samplers, guidance, sizes, one to three at a time, one in five left at some step) are
drawn in random order by one model, and each must have the bits of the same request drawn first, alone, in a fresh
process. Printed: pictures that differ (0), and the resident memory after a tenth and at the end. Without --model a tiny
model with random weights. Needs Linux, and `pip install -e '.[dev]'`. Ends with 1 if a picture was wrong.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import sys
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from torch import Tensor

from formats import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from conftest import make_tiny_model
from fromnoise.drawing.generate import Finished, generate
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.system.text_to_image import TextToImage

REQUESTS = (
    Request("red apple", steps=4),
    Request("a blue house", steps=6, sampler="ddim", guidance=1.0),
    Request("green tree", steps=5, sampler="euler", guidance=5.0),
    Request("yellow sun", steps=3, sampler="unipc", negative="red"),
    Request("a cat and a dog", steps=4, rescale=0.7),
    Request("", free=True, steps=4),
)
MOST = 3  # pictures at a time


def drawn(model: TextToImage, request: Request, leave: int | None = None) -> list[str]:
    """Names for the bits of a request's pictures; none where it is left at a step."""
    for event in generate(model, plan(model, request)):
        if isinstance(event, Finished):
            return [named(picture) for picture in event.pictures]
        if event.index == leave:
            return []
    return []


def named(picture: Tensor) -> str:
    """A name for the bits of a picture, uint8 [C,H,W]."""
    return hashlib.sha256(picture.contiguous().numpy().tobytes()).hexdigest()


def alone(place: str | None, number: int) -> list[str]:
    """In a process of its own: the pictures of a request, one by one."""
    model = open_model(Opening(place))[1]
    return [name for seed in range(MOST) for name in drawn(model, REQUESTS[number].moved(seed, 1))]


def resident() -> float:
    """MiB of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def in_a_row(place: str | None, drawings: int, seed: int) -> tuple[list[str], list[float]]:
    """Draw, and compare.

    Args:
        place: of the model.
        drawings: how many requests are drawn or left.
        seed: of their order.

    Returns:
        What was wrong; and MiB after each drawing.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        known = list(pool.map(alone, [place] * len(REQUESTS), range(len(REQUESTS))))
    draw, wrong, memory = random.Random(seed), list[str](), list[float]()
    model = open_model(Opening(place))[1]
    for i in range(drawings):
        number, first = draw.randrange(len(REQUESTS)), draw.randrange(MOST)
        count = draw.randint(1, MOST - first)
        leave = draw.randrange(6) if draw.random() < 0.2 else None
        found = drawn(model, REQUESTS[number].moved(first, count), leave)
        if found and found != known[number][first : first + count]:
            wrong.append(f"drawing {i}: '{REQUESTS[number].prompt}' from seed {first}, {count} pictures")
        memory.append(resident())
    return wrong, memory


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--drawings", type=int, default=1000)
    parser.add_argument("--model", help="as for fromnoise generate; by default a tiny one")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = given.model
        if place is None:
            place = str(Path(folder) / "tiny")
            make_tiny_model().save(Path(place))
        wrong, memory = in_a_row(place, given.drawings, given.seed)
    tenth = len(memory) // 10
    print(f"{machine()}: {len(memory):,} drawings in a row, {len(wrong)} wrong; memory {memory[tenth]:.1f} MiB after "
          f"{tenth:,}, {memory[-1]:.1f} MiB at the end")  # fmt: skip
    for line in wrong[:20]:
        print(f"wrong: {line}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
