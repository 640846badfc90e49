"""Which guidance suits a model? Caption retrieval for several scales, rescales, intervals and steps.

    python benchmarks/guidance.py [--model FOLDER] [--data data/stickers] [--concepts 50] [--seed 1]

The questions' seed differs from that of ``fromnoise evaluate``, so that the figures reported there are not those of
the pictures that chose the settings.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from formats import machine
from fromnoise.cli.opened import Opening, load
from fromnoise.data.pictures import load_folder
from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.evaluation.bench import asked_of
from fromnoise.evaluation.judge import features
from fromnoise.evaluation.retrieval import Gallery, choose_questions, relevant, score

SETTINGS: tuple[dict[str, Any], ...] = (
    {"guidance": 1.0},
    {"guidance": 2.0},
    {"guidance": 3.0},
    {"guidance": 4.5},
    {"guidance": 6.0},
    {"guidance": 3.0, "rescale": 0.0},
    {"guidance": 4.5, "rescale": 0.0},
    {"guidance": 3.0, "interval": (0, 1000)},
    {"guidance": 4.5, "interval": (0, 1000)},
    {"guidance": 3.0, "steps": 40},
)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--data", default="data/stickers")
    parser.add_argument("--concepts", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    name, model = load(Opening(options.model))
    pictures = load_folder(options.data, model.latent_shape()[1] * model.vae.factor)
    keys, questions = choose_questions(asked_of(model, pictures), model.styles, options.concepts, options.seed)
    indices, records = relevant(pictures, keys)
    gallery = Gallery(keys, records, features(pictures.images[indices]))
    table = Table(title=f"{name} ({model.hash}): which of {options.concepts} captions? {machine()}")
    for title in ("guidance", "rescale", "interval", "steps", "top-1", "95 %", "top-5"):
        table.add_column(title, justify="right")
    console = Console()
    for changes in SETTINGS:
        wishes = [
            replace(Request(prompt=q.text, style=q.style, seed=options.seed + 1000 * i), **changes)
            for i, q in enumerate(questions)
        ]
        found = score(gallery.ranks(features(draw_all(model, wishes)), questions))
        r = plan(model, wishes[0]).request
        setting = (str(r.guidance), str(r.rescale), str(r.interval), str(r.steps))
        table.add_row(*setting, f"{found.top1:.1%}", f"{found.low:.1%}–{found.high:.1%}", f"{found.top5:.1%}")
        console.print(*setting, f"{found.top1:.1%} {found.top5:.1%}", highlight=False)
    console.print(table)


if __name__ == "__main__":
    main()
