"""The narrower the description, the more alike the drawings? Diversity within a prompt against its specificity."""

from __future__ import annotations

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.drawing.request import Request
from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.intervals import Mean, mean_of, sign_test
from fromnoise.evaluation.plots import Axes, Line, line_plot
from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.evaluation.words import share, share_interval
from fromnoise.inspection.sheet import contact_sheet

CHAINS: tuple[tuple[str, ...], ...] = (  # every word is in some caption, keyword or measured colour of the training
    ("animal", "cat", "cat face", "orange cat face"),
    ("animal", "bird", "owl", "brown owl"),
    ("food", "fruit", "apple", "red apple"),
    ("plant", "flower", "tulip", "pink tulip"),
    ("vehicle", "car", "racing car", "red racing car"),
    ("food", "dessert", "cake", "birthday cake"),
    ("music", "instrument", "guitar"),
    ("building", "house", "house with garden"),
    ("animal", "dog", "dog face", "brown dog face"),
    ("sport", "ball", "basketball", "orange basketball"),
    ("weather", "cloud", "cloud with rain"),
    ("clothing", "shoe", "running shoe"),
)
SHEETS = 3  # chains on the sheet
TEXT = (
    'A chain of descriptions narrows from step to step ("animal", "cat", "cat face", "orange cat face"). Each is '
    "drawn from the same noises in the same style. Spread is the mean distance (1 − cosine, of the judge's "
    "features about the mean of real pictures) between all pairs of drawings of one description: the wider a "
    "word's meaning, the more should its drawings differ.",
    "The floor is one picture compared with itself: 0. The ceiling is real pictures of different concepts. A step "
    "counts when the spread shrinks from a description to the next narrower one; a coin would score half of the "
    "steps. Blurred drawings of a word that the model hardly knows can look alike or differ for no reason: that "
    "works against the order.",
)


def specificity_section(bench: Bench) -> Section:
    """Measure how the spread shrinks along the chains."""
    chains = CHAINS[: bench.sizes.chains]
    style = {chain: bench.styles[i % len(bench.styles)] for i, chain in enumerate(chains)}
    every = [(chain, text) for chain in chains for text in chain]
    drawn = bench.draw(_requests(bench, [(text, style[chain]) for chain, text in every]), "chains")
    centre, ceiling = _real_spread(bench)
    grouped = bench.judge(drawn).split(bench.sizes.spread)
    spreads = {key: spread(of - centre) for key, of in zip(every, grouped, strict=True)}
    values = {chain: [spreads[chain, text] for text in chain] for chain in chains}
    steps = torch.tensor([b < a for v in values.values() for a, b in pairwise(v)])
    ends = torch.tensor([v[-1] < v[0] for v in values.values()])
    found, found_ends = mean_of(steps), mean_of(ends)
    data = {
        "chains": [{"style": style[c], "descriptions": list(c), "spread": values[c]} for c in chains],
        "steps": {**found.to_dict(), "sign test": _chance(steps)},
        "ends": {**found_ends.to_dict(), "sign test": _chance(ends)},
        "ceiling": ceiling,
        "seeds": bench.sizes.spread,
    }
    return Section(
        "specificity",
        "Do the drawings become more alike as the description narrows?",
        TEXT,
        (_summary(found, found_ends, steps, ends), _table(values)),
        (_plot(values, ceiling), _sheet(bench, chains, drawn)),
        data,
        (Headline("narrower words, less spread (steps)", found.value, 0.5, 1.0, found.low, found.high, found.n),),
    )


def spread(features: Tensor) -> float:
    """Mean cosine distance between all pairs of features [N,D]."""
    unit = F.normalize(features, dim=1).double()
    near = unit @ unit.T
    n = len(unit)
    return float(1 - (near.sum() - near.diagonal().sum()) / (n * (n - 1)))


def _requests(bench: Bench, asked: list[tuple[str, str]]) -> list[Request]:
    return [
        Request(prompt=text, style=style, seed=bench.seed + i)
        for text, style in asked
        for i in range(bench.sizes.spread)
    ]


def _real_spread(bench: Bench) -> tuple[Tensor, float]:
    """Mean of the features of real pictures, and their spread within one style, concepts all different."""
    real = bench.judge(bench.main.shown["real"])
    centre = real.mean(0)
    by_style = [real[[q.style == style for q in bench.main.questions]] for style in bench.styles]
    return centre, sum(spread(f - centre) for f in by_style) / len(by_style)


def _chance(shrunk: Tensor) -> float:
    return sign_test(int(shrunk.sum()), int((~shrunk).sum()))


def _summary(steps: Mean, ends: Mean, each: Tensor, whole: Tensor) -> Table:
    rows = (
        ("steps to the next narrower description", share(steps.value), share_interval(steps), f"{_chance(each):.2g}",
         str(steps.n)),
        ("whole chains, widest against narrowest", share(ends.value), share_interval(ends), f"{_chance(whole):.2g}",
         str(ends.n)),
    )  # fmt: skip
    caption = (
        "How often the spread shrinks; floor 50% (a coin), ceiling 100%. Chance: of so many by a coin (sign test)."
    )
    return Table(("compared", "shrinks", "95 %", "chance", "n"), rows, caption)


def _table(values: dict[tuple[str, ...], list[float]]) -> Table:
    rows = tuple(
        (chain[0], " → ".join(f"{text} {v:.2f}" for text, v in zip(chain, found, strict=True)))
        for chain, found in values.items()
    )
    return Table(("chain", "spread of each description"), rows, "All chains, unselected.")


def _plot(values: dict[tuple[str, ...], list[float]], ceiling: float) -> Picture:
    longest = max(len(v) for v in values.values())
    lines = [Line("", range(1, len(v) + 1), v, quiet=True) for v in values.values()]
    by_level = [[v[i] for v in values.values() if i < len(v)] for i in range(longest)]
    lines.append(Line("mean of the chains", range(1, longest + 1), [sum(v) / len(v) for v in by_level]))
    ticks = tuple(float(i) for i in range(1, longest + 1))
    names = ("widest word", *(f"step {i}" for i in range(2, longest + 1)))
    axes = Axes("description", "spread", ticks, names, level=(("different real things", ceiling),))
    alt = "Spread of the drawings against how narrow their description is, one thin line per chain and their mean."
    return Picture("specificity", line_plot(lines, axes), alt, "Thin lines are the chains, the thick one their mean.")


def _sheet(bench: Bench, chains: tuple[tuple[str, ...], ...], drawn: Tensor) -> Picture:
    texts = [text for chain in chains[:SHEETS] for text in chain]
    count = min(8, bench.sizes.spread)
    by_text = drawn.view(-1, bench.sizes.spread, *drawn.shape[1:])[: len(texts), :count]
    sheet = contact_sheet(by_text.flatten(0, 1), texts, [f"seed {i + 1}" for i in range(count)], zoom=1)
    alt = f"Drawings of {', '.join(texts)} in rows, {count} noises in columns."
    return Picture("chains", sheet, alt, f"The first {SHEETS} chains, the same {count} noises in every row.")
