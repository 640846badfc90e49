"""Which style should a model draw in where none is named? The same things without a style, and in each of its styles.

    python benchmarks/default_style.py MODEL --data data/stickers [--concepts 100 --asked 40]

What ``fromnoise evaluate --only no_style`` measures, alone: how often the judge finds the thing, and how wide the
strongest edges are, in pixels and beside the same things' real pictures. The choice is the style in which most things
are found; styles whose share differs from the best one's by no more than chance (the exact sign test on the things of
which only one style's drawing is found, 5 %) are as good, and the one whose edges are nearest to the real ones' is
chosen. It is written into a model with ``fromnoise convert MODEL TARGET --default-style STYLE``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from formats import machine
from fromnoise.data.pictures import load_folder
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.intervals import sign_test
from fromnoise.evaluation.sections.no_style import Found, best_style, plain_drawings, ways_of
from fromnoise.evaluation.sizes import Sizes
from fromnoise.evaluation.trained import reading_of
from fromnoise.evaluation.words import WIDTHS, share, share_interval, width_cells

CHANCE = 0.05


def as_good(bench: Bench, best: str) -> list[str]:
    """The best style, and those that lose to it by no more than chance."""
    ranks = bench.main_gallery.ranks(bench.judge(bench.main.shown["drawn"]), bench.main.questions)
    hits = {style: (ranks == 0)[i :: len(bench.styles)] for i, style in enumerate(bench.styles)}
    lost = {
        style: sign_test(int((hits[best] & ~of).sum()), int((of & ~hits[best]).sum())) for style, of in hits.items()
    }
    return [style for style in bench.styles if style == best or lost[style] > CHANCE]


def chosen(bench: Bench, found: dict[str, Found]) -> tuple[str, list[str]]:
    """The style to draw in, and those among which edges decided."""
    among = as_good(bench, best_style(bench, found))
    crisp = [style for style in among if found[style].crisp.ratio.n]
    return min(crisp or among, key=lambda style: abs(found[style].crisp.ratio.value - 1)), among


def main() -> None:
    """Print the table and the choice."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", default="data/stickers")
    parser.add_argument("--concepts", type=int, default=100, help="to choose among")
    parser.add_argument("--asked", type=int, default=40, help="of these, drawn without a style and in each")
    parser.add_argument(
        "--per-style", type=int, default=1300, help="real pictures that the judge of styles learns from"
    )
    parser.add_argument("--fast", action="store_true", help="draw in a few steps, for a first look")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kept", type=Path, help="folder for what is drawn, to go on after an interruption")
    options = parser.parse_args()
    model = open_model(Opening(options.model, precision="fp32", fast=options.fast))[1]
    pictures = load_folder(options.data, model.pixels, reading=reading_of(model.card))
    sizes = Sizes(concepts=options.concepts, asked=options.asked, per_style=options.per_style)
    bench = Bench(model, pictures, options.seed, sizes, options.kept)
    found = ways_of(bench, plain_drawings(bench))
    asked = len(bench.main.questions) // len(bench.styles)
    table = Table(title=f"{asked} things among {options.concepts}, {model.defaults.steps} steps, {machine()}")
    for column in ("drawn", "thing found", "95 %", "style judge sure", *WIDTHS):
        table.add_column(column, justify="left" if column == "drawn" else "right")
    for name, f in found.items():
        figures = share(f.top1.value), share_interval(f.top1), share(f.sure.value)
        table.add_row(name, *figures, *width_cells(f.crisp))
    Console(width=140).print(table)
    style, among = chosen(bench, found)
    print(f"as good as the best by what is found: {', '.join(among)}")
    print(f"the measurement would choose: {style}")


if __name__ == "__main__":
    main()
