"""Does "a cat and a guitar" show both? Two concepts in one prompt, judged."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from fromnoise.drawing.request import Request
from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.intervals import mean_of
from fromnoise.evaluation.nouns import PAIRED, real_of
from fromnoise.evaluation.retrieval import Gallery
from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.evaluation.things import side_by_side
from fromnoise.evaluation.words import share, share_interval
from fromnoise.ground.wording import with_article
from fromnoise.inspection.sheet import contact_sheet

FIRST = 5  # of the judge's choices
TEXT = (
    'Two things are asked together ("a cat and a guitar"). The judge puts all concepts of the list in order; a '
    f"picture counts when both are among its first {FIRST}. None of the captions of the training had two things in "
    "this way.",
    "The ceiling is two real pictures side by side in one: the judge knows single things only, so even that is "
    "not always right. The floor is the drawing of the first thing alone, from the same noise.",
)


def pairs_section(bench: Bench) -> Section:
    """Measure prompts of two things."""
    title = "Does it draw two different things together?"
    whole = [w for w in PAIRED if len(real_of(bench, w)) == len(bench.styles)]
    if len(whole) <= FIRST:
        return Section("pairs", title, ("The data has too few of the things that are asked for in pairs.",))
    pairs = chosen_pairs(bench, len(whole))
    styles = [bench.styles[i % len(bench.styles)] for i in range(len(pairs))]
    real = _composed(bench, whole, pairs, styles)
    names = [with_article(word) for word in whole]
    both = bench.draw(_requests(bench, [f"{names[a]} and {names[b]}" for a, b in pairs], styles), "two things")
    alone = bench.draw(_requests(bench, [names[a] for a, _ in pairs], styles), "one of two things")
    gallery = bench.gallery([bench.records[real_of(bench, word)[bench.styles[0]]].key for word in whole])
    shown = {"real side by side (ceiling)": real, "drawn together": both, "first thing alone (floor)": alone}
    hits = {kind: found_of(gallery, bench.judge(p), pairs, styles) for kind, p in shown.items()}
    figures = {
        kind: (mean_of(h.all(1)), mean_of(h.any(1)), mean_of(h[:, 0]), mean_of(h[:, 1])) for kind, h in hits.items()
    }
    rows = tuple((kind, share(f[0].value), share_interval(f[0]), *(share(m.value) for m in f[1:]), str(f[0].n))
                 for kind, f in figures.items())  # fmt: skip
    ceiling, own, floor = (f[0] for f in figures.values())
    columns = ("pictures", "both", "95 %", "at least one", "the first", "the second", "n")
    return Section(
        "pairs",
        title,
        TEXT,
        (Table(columns, rows, f"Among the judge's first {FIRST} of {len(whole)}."),),
        (_sheet(whole, pairs, (real, both, alone)),),
        {kind: {n: m.to_dict() for n, m in zip(("both", "any", "first", "second"), f, strict=True)}
         for kind, f in figures.items()},
        (Headline("two things together", own.value, floor.value, ceiling.value, own.low, own.high, own.n),),
    )  # fmt: skip


def chosen_pairs(bench: Bench, count: int) -> list[tuple[int, int]]:
    """Pairs of different things by their places, chosen by the seed; none twice."""
    every = list(itertools.combinations(range(count), 2))
    return [every[i] for i in bench.some(list(range(len(every))), bench.sizes.pairs, salt=3)]


def found_of(gallery: Gallery, features: Tensor, pairs: list[tuple[int, int]], styles: list[str]) -> Tensor:
    """Whether each of the two things is among the judge's first choices, bool [N,2]."""
    near = gallery.similarities(features, styles)
    first = near.topk(FIRST, dim=1).indices
    return (first[:, None, :] == torch.tensor(pairs)[:, :, None]).any(2)


def _requests(bench: Bench, texts: list[str], styles: list[str]) -> list[Request]:
    return [
        Request(prompt=text, style=style, seed=bench.seed + 1000 * i)
        for i, (text, style) in enumerate(zip(texts, styles, strict=True))
    ]


def _composed(bench: Bench, whole: list[str], pairs: list[tuple[int, int]], styles: list[str]) -> Tensor:
    images = bench.pictures.images
    chosen = [[real_of(bench, whole[i])[style] for i in pair] for pair, style in zip(pairs, styles, strict=True)]
    return torch.stack([side_by_side([images[i] for i in pair]) for pair in chosen])


def _sheet(whole: list[str], pairs: list[tuple[int, int]], shown: tuple[Tensor, Tensor, Tensor]) -> Picture:
    count = min(10, len(pairs))
    pictures = torch.stack([p[:count] for p in shown], 1).flatten(0, 1)
    names = [f"{whole[a]} and {whole[b]}" for a, b in pairs[:count]]
    sheet = contact_sheet(pictures, names, ("real", "drawn", "first alone"), zoom=1)
    alt = f"Three columns: real pictures side by side, drawn together, the first alone. Rows: {', '.join(names)}."
    return Picture("pairs", sheet, alt, "Unselected: the first pairs.")
