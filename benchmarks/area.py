"""Does the area of a prompt shrink as its words become narrower? Chains from general to narrow, chosen beforehand.

    python benchmarks/area.py [--model MODEL] [--pictures 16] [--steps 10] [--fast] [--seed 0]

Every prompt is drawn with the same seeds; its area is the spread of its pictures in the space of the model's own CLIP
(:func:`fromnoise.inspection.map_area.spread_of`). A step of a chain counts as shrunk where the narrower prompt has the
smaller spread; the sign test says how likely so many or more would be if it were a matter of chance. Steps of one chain
share a prompt and so are not quite independent; whole chains, first prompt against last, are. "fits the
words" is the mean cosine between the pictures and the prompt, by the same CLIP: where it is low, CLIP or the model does
not know the words, and the spread says little.
"""

from __future__ import annotations

import argparse
import sys
import time
from itertools import pairwise

import torch
from rich.console import Console
from rich.table import Table

from formats import machine
from fromnoise.cli.opened import Opening, load
from fromnoise.drawing.generate import draw_plans
from fromnoise.evaluation.intervals import sign_test
from fromnoise.inspection.clip_map import picture_vectors, text_vectors
from fromnoise.inspection.map_area import spread_of
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage

CHAINS = (
    ("food", "italian food", "pizza"),
    ("fruit", "apple", "red apple"),
    ("animal", "cat", "cat face"),
    ("animal", "bird", "owl"),
    ("plant", "flower", "tulip"),
    ("plant", "tree", "christmas tree"),
    ("vehicle", "car", "police car"),
    ("building", "house", "house with garden"),
    ("sport", "ball", "soccer ball"),
    ("insect", "butterfly", "blue butterfly"),
    ("weather", "cloud", "cloud with rain"),
    ("drink", "wine", "wine glass"),
    ("tool", "knife", "kitchen knife"),
    ("musical instrument", "guitar", "red guitar"),
    ("clothes", "shoe", "running shoe"),
)


def measured(model: TextToImage, prompt: str, options: argparse.Namespace) -> tuple[float, float]:
    """The spread of a prompt's pictures, and the mean cosine between them and the prompt."""
    made = Subject(prompt, seed=options.seed, steps=options.steps).plan(model, count=options.pictures)
    vectors = torch.cat([picture_vectors(model, picture) for picture in draw_plans(model, made.one_by_one()).split(1)])
    return spread_of(vectors), float((vectors @ text_vectors(model, [prompt])[0]).mean())


def tested(pairs: list[tuple[float, float]]) -> str:
    """How many of (wider, narrower) shrank, and how likely that is by chance."""
    shrunk, grown = sum(b < a for a, b in pairs), sum(b > a for a, b in pairs)
    return f"{shrunk} of {len(pairs)} shrank, p = {sign_test(shrunk, grown):.4f}"


def main() -> None:
    """Draw, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model")
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--steps", type=int, help="default: 10, or with --fast what that is made for")
    parser.add_argument("--fast", action="store_true", help="draw in few steps, as generate --fast does: sooner done")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    name, model = load(Opening(options.model, fast=options.fast))
    options.steps = options.steps or (model.defaults.steps if options.fast else 10)
    begun, every = time.perf_counter(), dict.fromkeys(prompt for chain in CHAINS for prompt in chain)
    found = {}
    for prompt in every:
        found[prompt] = measured(model, prompt, options)
        print(f"{prompt}: {found[prompt][0]:.3f}", file=sys.stderr)
    seconds = time.perf_counter() - begun
    steps = f"{options.steps} steps{' (--fast)' if options.fast else ''}"
    said = f"{options.pictures} pictures of each prompt, {steps}, seeds from {options.seed}"
    table = Table(title=f"spread of {name} ({model.hash}): {said}; {seconds:.0f} s. {machine()}")
    for title in ("general", "narrower", "narrow", "first to last", "fits the words"):
        table.add_column(title)
    for chain in CHAINS:
        spreads = [found[prompt][0] for prompt in chain]
        fits = " → ".join(f"{found[prompt][1]:.2f}" for prompt in chain)
        cells = [f"{prompt} {spread:.3f}" for prompt, spread in zip(chain, spreads, strict=True)]
        table.add_row(*cells, f"{spreads[-1] - spreads[0]:+.3f}", fits)
    console = Console(width=150)
    console.print(table)
    narrowed = [(found[a][0], found[b][0]) for chain in CHAINS for a, b in pairwise(chain)]
    print(f"steps of chains: {tested(narrowed)}")
    print(f"whole chains, first against last: {tested([(found[c[0]][0], found[c[-1]][0]) for c in CHAINS])}")
    means = [sum(found[chain[i]][0] for chain in CHAINS) / len(CHAINS) for i in range(3)]
    print(f"mean spread: {' → '.join(f'{mean:.3f}' for mean in means)}")


if __name__ == "__main__":
    main()
