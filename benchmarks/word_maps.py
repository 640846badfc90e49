"""Do the words' maps lie on the things that the words name, and what does looking cost?

    python benchmarks/word_maps.py [MODEL] --data data/stickers [--pairs 60] [--drawn 40]

Real pictures: two things side by side, cut from real pictures of one style that the model was trained on, noised, and
seen once by the U-Net with the caption "A and B, STYLE style"; every pair also the other way round. A map is right when
the first thing's word has more of its own listening in that thing's half than the second thing's word has there: 50 %
is chance. Told for each block alone and for all together, and for noise levels from much to little. "needed" is where
the guess gets worse without the word (``fromnoise.inspection.words.helped``, at its own level, where it gets better
counting as 0): the same question, answered by leaving the word out instead of by attention.

Drawn pictures: the model draws "A and B"; a judge that has no part in the drawing says of each half whether it looks
more like real pictures of A or of B. Only where it finds one on each side there is something to be right about.

Cost: the same drawings with and without maps in turn, alone and as a guided batch of one; "more" is in percent.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import defaultdict
from dataclasses import dataclass

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from formats import machine
from fromnoise.cli.opened import Opening, load
from fromnoise.data.pictures import PictureSet, load_folder
from fromnoise.data.scenes import PLACES, compose
from fromnoise.drawing.generate import draw_plans, generate
from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request
from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.intervals import share_of
from fromnoise.evaluation.sizes import Sizes
from fromnoise.ground.pictures import from_bytes
from fromnoise.inspection.subject import Subject
from fromnoise.inspection.watch import watching
from fromnoise.inspection.words import HELPFUL, WordPicture, WordStep, helped, resized, within, word_maps, words_of
from fromnoise.system.text_to_image import TextToImage

LEVELS = (-2.0, 0.0, 2.0)  # log-SNR
LEFT, RIGHT = (0.0, 0.0, 0.5, 1.0), (0.5, 0.0, 1.0, 1.0)
ALL, NEEDED = "all blocks", "needed"


@dataclass(frozen=True)
class Pair:
    """Two things of one style, by name and by number of the picture."""

    names: tuple[str, str]
    style: str
    pictures: tuple[int, int]


def pairs_of(pictures: PictureSet, styles: tuple[str, ...], count: int, seed: int) -> list[Pair]:
    """Pairs of things whose names are one word each."""
    rng = torch.Generator().manual_seed(seed)
    by_style: dict[str, list[int]] = defaultdict(list)
    for i, record in enumerate(pictures.records):
        if record.split == "train" and record.style in styles and record.text.isalpha() and len(record.text) > 2:
            by_style[record.style].append(i)
    found = []
    for number in range(count):
        own = by_style[styles[number % len(styles)]]
        one, two = (own[int(k)] for k in torch.randperm(len(own), generator=rng)[:2])
        if pictures.records[one].text != pictures.records[two].text:
            found.append(
                Pair((pictures.records[one].text, pictures.records[two].text), styles[number % len(styles)], (one, two))
            )
    return found


def on_its_half(maps: Tensor, first: int, second: int, first_is_left: bool) -> bool:
    """Whether the first word listens more to its own half than the second word does."""
    shares = within(maps, LEFT if first_is_left else RIGHT)
    return bool(shares[first] > shares[second])


def number_of(model: TextToImage, made: Plan, name: str) -> int:
    """Which of a plan's words is a name."""
    texts = [word.text for word in words_of(model, made)]
    return texts.index(name.lower())


def real(model: TextToImage, pictures: PictureSet, pairs: list[Pair]) -> dict[str, dict[float, list[bool]]]:
    """By block and level, which maps were right."""
    found: dict[str, dict[float, list[bool]]] = defaultdict(lambda: defaultdict(list))
    rng = torch.Generator().manual_seed(0)
    for pair in pairs:
        made = plan(model, Request(" and ".join(pair.names), style=pair.style))
        numbers = [number_of(model, made, name) for name in pair.names]
        words = words_of(model, made)
        for first_is_left in (True, False):
            order = pair.pictures if first_is_left else pair.pictures[::-1]
            scene = compose(pictures.images[list(order)], PLACES[2][0])
            latents = model.vae.encode(from_bytes(scene[None])).mean
            noise = torch.randn(latents.shape, generator=rng)
            with watching(model, made, attention=True) as (watched, seen):
                cond = model.read_tokens([made.words.wanted])
                for level in LEVELS:
                    t = int(model.schedule.nearest(torch.tensor(level)))
                    x = float(model.schedule.alpha(t)) * latents + float(model.schedule.sigma(t)) * noise
                    watched.denoiser()(x, torch.tensor([t]), cond)
                    blocks = {}
                    for look in seen.take():
                        assert look.attention is not None
                        blocks[look.block] = torch.stack([look.attention[list(w.places)].sum(0) for w in words])
                    size = model.latent_shape()[1:]
                    blocks[ALL] = torch.stack([resized(maps, size) for maps in blocks.values()]).mean(0)
                    for name, maps in blocks.items():
                        found[name][level].append(on_its_half(maps, numbers[0], numbers[1], first_is_left))
            needed = helped(model, made, scene).clamp(min=0) + 1e-9  # a map of nothing has no side
            found[NEEDED][HELPFUL].append(on_its_half(needed, numbers[0], numbers[1], first_is_left))
    return found


def drawn(model: TextToImage, pictures: PictureSet, bench: Bench, pairs: list[Pair]) -> dict[str, list[bool]]:
    """Of the drawings that show both things side by side: whether all blocks' maps, and where words are needed, are
    right."""
    found: dict[str, list[bool]] = {ALL: [], NEEDED: []}
    for number, pair in enumerate(pairs):
        subject = Subject(" and ".join(pair.names), pair.style, seed=number)
        *steps, end = word_maps(model, subject)
        assert isinstance(end, WordPicture)
        half = end.picture.shape[2] // 2
        sides = torch.stack([padded(end.picture[:, :, :half]), padded(end.picture[:, :, half:])])
        sides_like = bench.judge(sides) @ bench.judge(pictures.images[list(pair.pictures)]).T
        left_is_first = sides_like[0, 0] > sides_like[0, 1]
        if left_is_first == (sides_like[1, 0] > sides_like[1, 1]):
            continue  # one thing on both sides, as far as the judge sees
        numbers = [number_of(model, subject.plan(model), name) for name in pair.names]
        own = [step for step in steps if isinstance(step, WordStep)]
        maps = torch.stack([step.mean(model.latent_shape()[1:]) for step in own]).mean(0)
        needed = helped(model, subject.plan(model), end.picture).clamp(min=0) + 1e-9
        for name, shown in ((ALL, maps), (NEEDED, needed)):
            found[name].append(on_its_half(shown, numbers[0], numbers[1], bool(left_is_first)))
    return found


def padded(half: Tensor) -> Tensor:
    """Half a picture in the middle of a white square."""
    side = half.shape[1]
    square = torch.full((3, side, side), 255, dtype=torch.uint8)
    at = (side - half.shape[2]) // 2
    square[:, :, at : at + half.shape[2]] = half
    return square


def cost(model: TextToImage, rounds: int = 9) -> tuple[float, float]:
    """Median seconds of a drawing, without and with maps."""
    made = plan(model, Request("a red apple", seed=1))
    times: tuple[list[float], list[float]] = ([], [])
    for turn in range(rounds + 1):
        for kind in (0, 1):
            begin = time.perf_counter()
            if kind:
                with watching(model, made, attention=True) as (watched, seen):
                    for _ in generate(watched, made):
                        seen.take()
            else:
                draw_plans(model, [made])
            if turn:  # the first finds out about batch sizes
                times[kind].append(time.perf_counter() - begin)
    return statistics.median(times[0]), statistics.median(times[1])


def cell(right: list[bool]) -> str:
    """A share with its interval."""
    share = share_of(sum(right), len(right))
    return f"{share.value:.0%} ({share.low:.0%}–{share.high:.0%})"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?")
    parser.add_argument("--data", default="data/stickers")
    parser.add_argument("--pairs", type=int, default=60)
    parser.add_argument("--drawn", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    name, model = load(Opening(options.model))
    pictures = load_folder(options.data, model.pixels)
    pairs = pairs_of(pictures, model.styles, options.pairs, options.seed)
    console = Console(width=120)
    table = Table(
        title=f"{name}: the word's map lies on its thing, {len(pairs)} real pairs, both ways round. {machine()}"
    )
    for head in ("block", *(f"log-SNR {level:g}" for level in LEVELS)):
        table.add_column(head, justify="right")
    with torch.no_grad():
        for block, levels in real(model, pictures, pairs).items():
            table.add_row(block, *(cell(levels[level]) if level in levels else "" for level in LEVELS))
    console.print(table)
    if options.drawn:
        bench = Bench(model, pictures, options.seed, Sizes())
        found = drawn(model, pictures, bench, pairs_of(pictures, model.styles, options.drawn, options.seed + 1))
        shares = ", ".join(f"{name} {cell(right)}" for name, right in found.items())
        console.print(f"drawn: {len(found[ALL])} of {options.drawn} show one on each side; right by {shares}")
    plain, watched = cost(model)
    console.print(f"a drawing takes {plain:.3f} s, with maps {watched:.3f} s: {watched / plain - 1:+.1%}")


if __name__ == "__main__":
    main()
