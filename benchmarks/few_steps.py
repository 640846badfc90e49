"""Four steps beside twenty: how much faster, and how much is lost.

    python benchmarks/few_steps.py MODEL [--rounds 9] [--steps 4] [--sheet FILE] [--data FOLDER --concepts 40]

MODEL has ``few_steps/`` (made by ``fromnoise distill``, with ``--solver`` or without). Warm: models are loaded and one
picture has been drawn; prompt to PNG, ours in its usual number format with the model's own guidance, and diffusers with
the very same weights, 20 steps of its DPM-Solver++ and guidance at every step; and the model itself in as few steps,
neither distilled nor fitted. Rounds are interleaved; ratios are medians of their own ratios.

With ``--data`` the judge of ``fromnoise evaluate`` says which caption each drawing was made for. Its questions' seed
differs from that of the evaluation. Both rows are asked the same questions with the same seeds.
"""

from __future__ import annotations

import argparse
import io
import statistics
from dataclasses import replace
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from drawing import PROMPT, STYLE, ours, seconds, theirs
from formats import machine
from fromnoise.data.pictures import load_folder
from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.request import Request
from fromnoise.evaluation.bench import asked_of
from fromnoise.evaluation.judge import features
from fromnoise.evaluation.retrieval import Gallery, Question, choose_questions, relevant, score
from fromnoise.ground.whole import write_atomically
from fromnoise.inspection.sheet import contact_sheet
from fromnoise.system.few_steps import with_few_steps
from fromnoise.system.opening import find_model
from fromnoise.system.text_to_image import TextToImage

SHOWN = ("red apple", "cat face", "sailboat", "tulip", "pizza", "house", "fish", "guitar", "mushroom", "automobile")


def speed(folder: Path, steps: int, rounds: int) -> Table:
    """Seconds of few steps, 20 steps and diffusers' 20 steps."""
    table = Table(title=f"prompt to PNG, warm, {machine()}: seconds, and share of the time")
    names = ("diffusers 20", "ours 20", f"plain {steps}", "of diffusers", f"fast {steps}", "of diffusers")
    for name in ("pictures", *names):
        table.add_column(name, justify="right")
    for count in (1, 4, 8):
        slow = Request(prompt=PROMPT, style=STYLE, seed=1, steps=20, count=count)
        quick = replace(slow, steps=steps)
        calls = {
            "peer": theirs(folder, slow),
            "slow": ours(folder, slow, "auto"),
            "hurried": ours(folder, quick, "auto"),
            "quick": ours(folder, quick, "auto", fast=True),
        }
        for call in calls.values():
            call()
        found = [{name: seconds(call) for name, call in calls.items()} for _ in range(rounds)]
        cells = [f"{statistics.median(r[name] for r in found):.3f}" for name in ("peer", "slow")]
        for name in ("hurried", "quick"):
            cells.append(f"{statistics.median(r[name] for r in found):.3f}")
            cells.append(f"{statistics.median(r[name] / r['peer'] for r in found):.3f}")
        table.add_row(str(count), *cells)
    return table


def retrieval(models: dict[str, TextToImage], data: str, concepts: int, seed: int) -> Table:
    """How often the judge finds the caption, for each model."""
    first = next(iter(models.values()))
    pictures = load_folder(data, first.latent_shape()[1] * first.vae.factor)
    keys, questions = choose_questions(asked_of(first, pictures), first.styles, concepts, seed)
    indices, records = relevant(pictures, keys)
    gallery = Gallery(keys, records, features(pictures.images[indices]))
    table = Table(title=f"which of {concepts} captions? {machine()}")
    for name in ("pictures", "top-1", "95 %", "top-5", "n"):
        table.add_column(name, justify="right")
    kinds = {"real (ceiling)": pictures.images[[q.real for q in questions]]}
    kinds |= {name: asked(model, questions, seed) for name, model in models.items()}
    for name, shown in kinds.items():
        s = score(gallery.ranks(features(shown), questions))
        table.add_row(name, f"{s.top1:.1%}", f"{s.low:.1%}–{s.high:.1%}", f"{s.top5:.1%}", str(s.n))
    return table


def asked(model: TextToImage, questions: list[Question], seed: int) -> Tensor:
    """One picture per question."""
    requests = [Request(prompt=q.text, style=q.style, seed=seed + 1000 * i) for i, q in enumerate(questions)]
    return torch.cat([draw_all(model, requests[i : i + 16]) for i in range(0, len(requests), 16)])


def sheet(models: dict[str, TextToImage], file: Path) -> None:
    """The same prompts and seeds side by side."""
    styles = next(iter(models.values())).styles or ("",)
    columns = [f"{name}, {style}" for style in styles[:3] for name in models]
    cells = [
        (model, Request(prompt=prompt, style=style or None, seed=i))
        for i, prompt in enumerate(SHOWN)
        for style in styles[:3]
        for model in models.values()
    ]
    buffer = io.BytesIO()
    drawn = torch.cat([draw_all(model, [request]) for model, request in cells])
    contact_sheet(drawn, SHOWN, columns, zoom=2).save(buffer, "PNG")
    write_atomically(file, buffer.getvalue())


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=4)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--data")
    parser.add_argument("--concepts", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    folder, console = find_model(options.model), Console()
    if options.rounds:
        console.print(speed(folder, options.steps, options.rounds))
    plain, quick = TextToImage.load(folder), with_few_steps(TextToImage.load(folder))
    quick = replace(quick, defaults=replace(quick.defaults, steps=options.steps))
    slow = plain.for_drawing()
    hurried = replace(slow, defaults=replace(slow.defaults, steps=options.steps))  # the same model, fewer steps
    models = {
        "20 steps": slow,
        f"{options.steps} steps, plain": hurried,
        f"{options.steps} steps, {'fitted' if quick.solvers else 'distilled'}": quick.for_drawing(),
    }
    if options.sheet:
        sheet(models, options.sheet)
    if options.data:
        console.print(retrieval(models, options.data, options.concepts, options.seed))


if __name__ == "__main__":
    main()
