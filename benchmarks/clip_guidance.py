"""What does guidance by CLIP bring, and what does it cost?

    python benchmarks/clip_guidance.py [MODEL] [--strengths 0,0.1,0.3,1] [--data data/stickers] [--steps 10]

The same prompts and seeds are drawn without it and with each strength in turn, so that all see the same machine. What
it brings is said by the judge of the evaluation, a stranger to CLIP: "right" is how often a picture is what was asked
for (its own caption is the first among all concepts', or an attribute is as asked), "more" the difference from the same
seeds without guidance (pairs are drawn together for the interval), "p" the chance of so many prompts or more on which
only the guided picture is right, if it were as good (exact sign test). "nearer" is finer: how much more alike, by the
judge's features, a picture is to real ones of what it should show (cosine; prompts for things only). "CLIP" is the mean
cosine by the model's own CLIP, which is what is climbed: it must rise. Seconds are per picture.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from eyes import Asked, questions_for
from formats import machine
from fromnoise.cli.opened import Opening, load
from fromnoise.drawing.best_of import fit
from fromnoise.drawing.generate import Finished, generate_together
from fromnoise.drawing.plan import Plan, alike, plans
from fromnoise.evaluation.intervals import Mean, bootstrapped, mean_of, sign_test
from fromnoise.inspection.clip_score import CLIPGuidance
from fromnoise.inspection.sheet import contact_sheet
from fromnoise.system.text_to_image import TextToImage

AT_ONCE = 8  # pictures, before the next strength has its turn


@dataclass
class Drawn:
    """What was drawn with one strength."""

    seconds: float = 0.0
    pictures: dict[int, Tensor] = field(default_factory=dict)

    def all(self) -> Tensor:
        """uint8 [prompts,3,P,P], in the order of the prompts."""
        return torch.stack([self.pictures[i] for i in sorted(self.pictures)])


def one_batch(model: TextToImage, each: Sequence[Plan], strength: float) -> Tensor:
    """Pictures of plans that share a batch; without guidance, exactly what ``fromnoise generate`` draws."""
    around = CLIPGuidance(model, each, strength) if strength else None
    *_, last = generate_together(model, each, around=around)
    assert isinstance(last, Finished)
    return last.pictures


def drawn(model: TextToImage, wanted: Sequence[Plan], strengths: Sequence[float]) -> dict[float, Drawn]:
    """All plans with each strength, a few at a time."""
    found = {strength: Drawn() for strength in strengths}
    for group in alike(wanted, AT_ONCE):
        for strength in strengths:
            begin = time.perf_counter()
            pictures = one_batch(model, [wanted[i] for i in group], strength)
            found[strength].seconds += time.perf_counter() - begin
            found[strength].pictures.update(zip(group, pictures, strict=True))
    return found


def nearness(asked: Asked, pictures: Tensor) -> Tensor:
    """How alike the pictures of things are to real ones of the same thing in other styles, -1…1 [things]."""
    questions = asked.questions
    alike_to = asked.gallery.similarities(asked.bench.judge(pictures[: len(questions)]), [q.style for q in questions])
    return torch.stack([row[q.concept] for row, q in zip(alike_to, questions, strict=True)])


def difference(now: Tensor, before: Tensor) -> Mean:
    """How much larger values [N] are than those of the same prompts before, with its interval by bootstrap: a
    difference of shares is no share, also where no prompt got worse."""
    return bootstrapped(torch.stack([now, before], 1).double(), lambda means: means[..., 0] - means[..., 1])


def told(mean: Mean, signed: bool = False, percent: bool = True) -> str:
    """A mean with its interval."""
    form = f"{'+' if signed else ''}{'.0%' if percent else '.3f'}"
    return f"{mean.value:{form}} ({mean.low:{form}} to {mean.high:{form}})"


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--strengths", default="0,0.1,0.3,1")
    parser.add_argument("--data", default="data/stickers")
    parser.add_argument("--concepts", type=int, default=45)
    parser.add_argument("--attributes", type=int, default=1)
    parser.add_argument("--steps", type=int, help="fewer, to be done sooner")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="a .png: all drawings, a row for each strength")
    options = parser.parse_args()
    strengths = [float(s) for s in options.strengths.split(",")]
    if strengths[0] != 0:
        parser.error("--strengths begins with 0: what all others are compared with")
    name, model = load(Opening(options.model))
    asked, wishes = questions_for(model, options)
    wanted = plans(model, wishes)
    one_batch(model, [wanted[i] for i in alike(wanted, AT_ONCE)[0]], strengths[-1])  # before the clock runs
    found = drawn(model, wanted, strengths)
    steps = wanted[0].steps
    if options.sheet:
        rows, columns = [f"{strength:g}" for strength in strengths], [plan.words.prompt[:14] for plan in wanted]
        contact_sheet(torch.cat([of.all() for of in found.values()]), rows, columns).save(options.sheet)
    table = Table(title=f"{name} ({model.hash}), {len(wanted)} prompts, {steps} steps. {machine()}")
    for title in ("strength", "CLIP", "right", "more", "p", "nearer", "seconds", "cost"):
        table.add_column(title, justify="right")
    before = found[strengths[0]]
    right_before, near_before = asked.right(before.all()), nearness(asked, before.all())
    for strength, of in found.items():
        pictures = of.all()
        right, near = asked.right(pictures), nearness(asked, pictures)
        own = torch.tensor([fit(model, p, x[None])[0] for p, x in zip(wanted, pictures, strict=True)])
        more, nearer = difference(right, right_before), difference(near, near_before)
        now, first = right > 0.5, right_before > 0.5
        chance = sign_test(int((now & ~first).sum()), int((first & ~now).sum()))
        cells = ("", "", "") if not strength else (told(more, True), f"{chance:.2f}", told(nearer, True, False))
        cost = f"{of.seconds / before.seconds:.2f}"
        seconds = f"{of.seconds / len(wanted):.2f}"
        table.add_row(f"{strength:g}", f"{float(own.mean()):.3f}", told(mean_of(right)), *cells, seconds, cost)
    Console(width=170).print(table)


if __name__ == "__main__":
    main()
