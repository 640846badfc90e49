"""What does the best of several candidates cost and bring?

    python benchmarks/best_of.py [MODEL] [--n 1,2,4,8] [--data data/stickers] [--concepts 24] [--attributes 3]

Every prompt is drawn with each number of candidates in turn, so that all numbers see the same machine: seconds are per
picture that is handed out, and "cost" is how often those of the first number. What it brings is said by the judge of
the evaluation, which has no part in the choice: how often a picture's own caption is its first among all concepts', and
how often attributes (counts, colours, places, …) are drawn as asked. "seen to be copies" counts candidates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from eyes import questions_for
from formats import machine
from fromnoise.cli.opened import Opening, load
from fromnoise.drawing.generate import finish_plans
from fromnoise.drawing.plan import plans
from fromnoise.drawing.request import Request
from fromnoise.evaluation.intervals import mean_of
from fromnoise.system.text_to_image import TextToImage

AT_ONCE = 8  # prompts, before the next number of candidates has its turn


@dataclass
class Drawn:
    """What was drawn with one number of candidates."""

    seconds: float = 0.0
    copies: int = 0
    candidates: int = 0
    parts: list[Tensor] = field(default_factory=list)


def drawn(model: TextToImage, requests: Sequence[Request], numbers: Sequence[int]) -> dict[int, Drawn]:
    """All requests with each number of candidates, a few at a time."""
    found = {n: Drawn() for n in numbers}
    for n in numbers:  # whatever is found out once is found out before the clock runs
        finish_plans(model, plans(model, [replace(r, best_of=n, steps=2) for r in requests[:AT_ONCE]]))
    for part in (requests[i : i + AT_ONCE] for i in range(0, len(requests), AT_ONCE)):
        for n in numbers:
            begin = time.perf_counter()
            done = finish_plans(model, plans(model, [replace(r, best_of=n) for r in part]))
            found[n].seconds += time.perf_counter() - begin
            found[n].copies += sum(len(choice.copies) for choice in done.choices if choice)
            found[n].candidates += n * len(part)
            found[n].parts.append(done.pictures)
    return found


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--n", default="1,2,4,8")
    parser.add_argument("--data", default="data/stickers")
    parser.add_argument("--concepts", type=int, default=24)
    parser.add_argument("--attributes", type=int, default=3)
    parser.add_argument("--steps", type=int, help="fewer, to be done sooner")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    numbers = [int(n) for n in options.n.split(",")]
    name, model = load(Opening(options.model))
    questionnaire, wishes = questions_for(model, options)
    count = len(questionnaire.questions)
    found = drawn(model, wishes, numbers)
    table = Table(title=f"{name} ({model.hash}), {len(wishes)} prompts. {machine()}")
    for title in ("best of", "seconds", "cost", "retrieved", "95 %", "attributes", "95 %", "seen to be copies"):
        table.add_column(title, justify="right")
    first = found[numbers[0]].seconds
    for n, of in found.items():
        right = questionnaire.right(torch.cat(of.parts))
        top, share = mean_of(right[:count]), mean_of(right[count:])
        seconds = f"{of.seconds / len(wishes):.2f}"
        brought = (f"{top.value:.1%}", f"{top.low:.1%}–{top.high:.1%}", f"{share.value:.1%}")
        interval = f"{share.low:.1%}–{share.high:.1%}"
        copies = f"{of.copies} of {of.candidates}" if n > 1 else "not looked at"
        table.add_row(str(n), seconds, f"{of.seconds / first:.2f}", *brought, interval, copies)
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
