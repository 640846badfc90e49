"""What does a LoRA from a few pictures bring, and what does it cost? A style that no model saw, before and after.

    fromnoise data stickers --share-alike --out data/stickers
    python benchmarks/lora.py --data data/stickers --style openmoji --out runs/openmoji [--pictures 40] [--minutes 20]

As a user would do it: ``--pictures`` of the style, with their names as captions, are put into a folder, and the recipe
``lora`` learns them beside the model, with the style's name as trigger; ``--recipe finetune`` teaches the model itself
in the same way. Then things are drawn that are not among those
pictures, in that style, without and with the LoRA:

- style: the share that a judge of styles takes for it, among the model's own and this one; beside it what it takes of
  real pictures of the style that it did not learn from;
- found: how often another judge finds the thing that was asked for among all things, by real pictures of other sets;
- known: the same of what the model knew before, in its own styles, without and with the LoRA: what is forgotten.

``--weights`` draws with several weights of the LoRA.

``before_after.png`` shows the drawings beside the real ones. No judge has a part in the training.
"""

from __future__ import annotations

import argparse
import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.cli.train import load_recipe
from fromnoise.data.pictures import PictureSet, load_folder, some
from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.drawing.picture_file import to_image
from fromnoise.drawing.request import Request
from fromnoise.evaluation.damage import damaged
from fromnoise.evaluation.intervals import Mean, mean_of, sign_test
from fromnoise.evaluation.judge import features
from fromnoise.evaluation.retrieval import Gallery, Question, relevant
from fromnoise.evaluation.style import StyleJudge, style_features
from fromnoise.ground.contact_sheet import contact_sheet
from fromnoise.ground.wording import styled
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.adapting import FILE
from fromnoise.training.continuing import Call
from fromnoise.training.distilling import recipe_for
from fromnoise.training.run import train
from fromnoise.training.situation import situation_of

OF_EACH_STYLE = 300  # real pictures that the judge of styles learns from


def folder_of(pictures: PictureSet, chosen: Sequence[int], folder: Path) -> None:
    """A folder as people have them: pictures, and beside each a caption."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for i in chosen:
        name = f"{i:05d}"
        to_image(pictures.images[i]).save(folder / f"{name}.png")
        (folder / f"{name}.txt").write_text(pictures.records[i].text, encoding="utf-8")


def drawn(model: TextToImage, asked: Sequence[tuple[str, str]]) -> Tensor:
    """Pictures uint8 [N,3,P,P] of (text, style), each with a seed of its own; a style may be one it does not know."""
    requests = [Request(prompt=styled(text, style), seed=i) for i, (text, style) in enumerate(asked)]
    return draw_all(model, requests)


def shown(mean: Mean) -> str:
    """A share with its 95 % interval."""
    return f"{mean.value:.0%} ({mean.low:.0%}–{mean.high:.0%})"


def main() -> None:
    """Train, draw, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="data/stickers")
    parser.add_argument("--style", default="openmoji")
    parser.add_argument("--model", default="stickers-64")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--minutes", type=float, default=20.0, help="the most that the training may take")
    parser.add_argument("--count", type=int, default=96, help="things that are drawn of each kind")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--recipe", choices=("lora", "finetune"), default="lora")
    parser.add_argument("--weights", default="1", help="of the LoRA, a row for each: 1,0.7")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="changes the recipe")
    options = parser.parse_args()
    plain = open_model(Opening(options.model, precision="fp32"))[1]
    own = tuple(style for style in plain.styles if style != options.style)
    groups = recipe_for(plain).data.groups or None  # of things that it was taught
    pictures = load_folder(options.data, plain.pixels, styles=[*own, options.style], groups=groups)
    records = pictures.records

    # Which pictures are learnt from, which things are asked for.
    known = {r.key for r in records if r.style in own and r.split == "train"}
    of_style = [i for i, r in enumerate(records) if r.style == options.style and r.key in known]
    rng = random.Random(options.seed)
    rng.shuffle(of_style)
    learnt, asked = of_style[: options.pictures], of_style[options.pictures :][: options.count]
    keys = sorted({records[i].key for i in asked})
    hands = [i for i, r in enumerate(records) if r.style in own and r.key in set(keys) and r.split == "train"]
    rng.shuffle(hands)
    hands = hands[: options.count]

    # Train.
    folder, run = options.out / "pictures", options.out / "run"
    if not run.exists():
        folder_of(pictures, learnt, folder)
    suited = load_recipe(options.recipe, lambda: situation_of(str(folder), options.model, options.style))
    begin = time.monotonic()
    settings = dict(each.split("=", 1) for each in options.set)
    train(suited.recipe.with_overrides(settings), folder, run, None, Call(options.minutes, settings))
    minutes = (time.monotonic() - begin) / 60

    # Draw.
    new = [(records[i].text, options.style) for i in asked]
    old = [(records[i].text, records[i].style) for i in hands]
    shows = {"without": (drawn(plain, new), drawn(plain, old))}
    for weight in options.weights.split(","):
        beside = Opening(options.model, loras=(f"{run / FILE}:{weight}",), precision="fp32")
        whole = Opening(str(run / "model"), precision="fp32")
        adapted = open_model(beside if options.recipe == "lora" else whole)[1]
        shows[f"{weight} x" if options.recipe == "lora" else "after"] = drawn(adapted, new), drawn(adapted, old)

    # Judge.
    by_style = {name: [i for i, r in enumerate(records) if r.style == name] for name in (*own, options.style)}
    taught = [i for name in by_style for i in rng.sample(by_style[name], min(OF_EACH_STYLE, len(by_style[name])))]
    taught = [i for i in taught if i not in set(asked)]
    real = some(pictures, asked)
    shapes = pictures.images[taught]  # as they are, and damaged, as the evaluation's judge of styles learns
    learnt_from = torch.cat([style_features(shapes), style_features(damaged(shapes, taught))])
    judge = StyleJudge(learnt_from, 2 * [records[i].style for i in taught], (*own, options.style))
    near, about = relevant(pictures, keys)
    gallery = Gallery(keys, about, features(pictures.images[near]))
    questions = [Question(keys.index(records[i].key), records[i].text, options.style, i) for i in asked]
    familiar = [Question(keys.index(records[i].key), records[i].text, records[i].style, i) for i in hands]

    table = Table(title=f"{options.style}, {options.pictures} pictures, {minutes:.1f} minutes; {machine()}")
    for column in ("drawn", "in the style", "thing found", "what was known, found"):
        table.add_column(column)
    found = {}
    for which, (in_style, of_known) in shows.items():
        found[which] = gallery.ranks(features(of_known), familiar) == 0
        style = mean_of(judge.right(style_features(in_style), [options.style] * len(in_style)))
        thing = mean_of(gallery.ranks(features(in_style), questions) == 0)
        table.add_row(which, shown(style), shown(thing), shown(mean_of(found[which])))
    style = mean_of(judge.right(style_features(real.images), [options.style] * len(asked)))
    thing = mean_of(gallery.ranks(features(real.images), questions) == 0)
    table.add_row("real pictures", shown(style), shown(thing), "")
    Console(width=140).print(table)
    before = found.pop("without")
    for which, after in found.items():
        lost, won = int((before & ~after).sum()), int((after & ~before).sum())
        p = sign_test(won, lost)
        net = mean_of(before.double() - after.double())
        print(
            f"{which}: of {len(hands)} known {lost} found without only, {won} with only (sign test p = {p:.2f}): "
            f"{net.value:.1%} lost ({net.low:.1%} to {net.high:.1%}), "
            f"{net.value / before.double().mean():.0%} of what was found"
        )
    rows = [[*(each[i] for each, _ in shows.values()), real.images[i]] for i in range(min(12, len(asked)))]
    sheet = contact_sheet(
        [[to_image(p) for p in row] for row in rows],
        [text for text, _ in new[:12]],
        [*shows, "real"],
        2,
    )
    sheet.save(options.out / "before_after.png")


if __name__ == "__main__":
    main()
