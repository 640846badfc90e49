"""Does "three stars" show three? Things counted in the drawn pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from fromnoise.drawing.request import Request
from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.intervals import Mean, mean_of
from fromnoise.evaluation.nouns import COUNTED, Noun, known, real_of
from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.evaluation.things import count_things, side_by_side
from fromnoise.evaluation.words import share, share_interval
from fromnoise.ground.wording import with_article
from fromnoise.inspection.sheet import contact_sheet

NUMBERS = ("one", "two", "three")
TEXT = (
    'Things are asked once, twice and three times ("a star", "two stars", "three stars") from the same noise. '
    "What hangs together in the pixels that are not white counts as one thing; pieces smaller than a quarter of "
    "the largest are parts of it. A drawing is right when that count is the number asked for.",
    "The ceiling is real pictures, alone or as many as asked side by side, counted in the same way. The floor is "
    "how often drawings for another number show this one. Two things that touch count as one: that is counted "
    "against the model.",
)


def counts_section(bench: Bench) -> Section:
    """Count what is drawn for one, two and three of a thing."""
    title = "Does it draw as many as were asked for?"
    nouns = known(bench, COUNTED, bench.sizes.counts)
    if not nouns:
        return Section("counts", title, ("The data has none of the things that are asked for in numbers.",))
    asked = [(noun, number) for noun in nouns for _ in range(bench.sizes.seeds) for number in (1, 2, 3)]
    drawn = bench.draw(_requests(bench, nouns), "counts")
    numbers = torch.tensor([number for _, number in asked])
    counts, real = _counted(drawn), _counted(_composed(bench, asked))
    figures = {n: _figures(counts, real, numbers, n) for n in (1, 2, 3)}
    rows = [
        (NUMBERS[n - 1], *(share(f[k].value) for k in ("ceiling", "drawn")), share_interval(f["drawn"]),
         share(f["floor"].value), str(f["drawn"].n))
        for n, f in figures.items()
    ]  # fmt: skip
    many = numbers > 1
    several, top = mean_of((counts == numbers)[many]), mean_of((real == numbers)[many])
    floor = mean_of(torch.cat([(counts[numbers != n] == n).double() for n in (2, 3)]))
    by_noun = {n.word: mean_of((counts == numbers)[[a[0] == n and a[1] > 1 for a in asked]]) for n in nouns}
    nouns_rows = tuple((w, share(m.value), str(m.n)) for w, m in sorted(by_noun.items(), key=lambda r: r[1].value))
    return Section(
        "counts",
        title,
        TEXT,
        (
            Table(("number", "real (ceiling)", "drawn", "95 %", "asked for another (floor)", "n"), tuple(rows),
                  "Count is the number asked for."),
            _what_came(counts, numbers),
            Table(("thing", "two or three right", "n"), nouns_rows, "By thing, the worst first."),
        ),
        (_sheet(nouns, asked, drawn),),
        {
            "by number": {NUMBERS[n - 1]: {k: m.to_dict() for k, m in f.items()} for n, f in figures.items()},
            "two or three": {k: m.to_dict() for k, m in {"drawn": several, "ceiling": top, "floor": floor}.items()},
            "by thing": {word: mean.to_dict() for word, mean in by_noun.items()},
        },
        (
            Headline("two or three as asked", several.value, floor.value, top.value,
                     several.low, several.high, several.n),
        ),
    )  # fmt: skip


def _requests(bench: Bench, nouns: list[Noun]) -> list[Request]:
    found = []
    for i, noun in enumerate(nouns):
        for again in range(bench.sizes.seeds):
            style = bench.styles[(i + again) % len(bench.styles)]
            for text in (with_article(noun.word), f"two {noun.plural}", f"three {noun.plural}"):
                found.append(Request(prompt=text, style=style, seed=bench.seed + 1000 * i + again))
    return found


def _composed(bench: Bench, asked: list[tuple[Noun, int]]) -> Tensor:
    """Real pictures of each noun, as many as asked side by side; the styles take turns."""
    found = []
    for turn, (noun, number) in enumerate(asked):
        there = list(real_of(bench, noun.caption).values())
        real = bench.pictures.images[there[turn // 3 % len(there)]]
        found.append(real if number == 1 else side_by_side([real] * number))
    return torch.stack(found)


def _counted(pictures: Tensor) -> Tensor:
    return torch.tensor([count_things(picture) for picture in pictures])


def _figures(counts: Tensor, real: Tensor, numbers: Tensor, n: int) -> dict[str, Mean]:
    return {
        "ceiling": mean_of(real[numbers == n] == n),
        "drawn": mean_of(counts[numbers == n] == n),
        "floor": mean_of(counts[numbers != n] == n),
    }


def _what_came(counts: Tensor, numbers: Tensor) -> Table:
    columns = ("asked for", "none", "one", "two", "three", "more")
    rows = []
    for n in (1, 2, 3):
        of = counts[numbers == n].clamp(max=4)
        rows.append((NUMBERS[n - 1], *(str(int((of == c).sum())) for c in range(5))))
    return Table(columns, tuple(rows), "How many things the drawings show.")


def _sheet(nouns: list[Noun], asked: list[tuple[Noun, int]], drawn: Tensor) -> Picture:
    first = {(noun.word, number): i for i, (noun, number) in reversed(list(enumerate(asked)))}
    pictures = drawn[[first[noun.word, number] for noun in nouns for number in (1, 2, 3)]]
    sheet = contact_sheet(pictures, [noun.word for noun in nouns], NUMBERS, zoom=1)
    alt = f"Drawings of {', '.join(noun.plural for noun in nouns)} in rows, asked for one, two and three in columns."
    return Picture("counts", sheet, alt, "Unselected: one noise per row, only the number changes.")
