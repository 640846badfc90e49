"""Does "a green car" come out green? Colours measured from the drawn pixels."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.drawing.request import Request
from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.colours import colour_shares, main_colour
from fromnoise.evaluation.intervals import Mean, mean_of
from fromnoise.evaluation.nouns import COLOURED, Noun, known, real_of
from fromnoise.evaluation.retrieval import Question, score
from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.evaluation.words import share, share_interval
from fromnoise.ground.wording import with_article
from fromnoise.inspection.sheet import contact_sheet

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple")
TEXT = (
    'Things are asked in six colours ("a green car"), the styles taking turns. A drawing counts as right when the '
    "asked colour covers more of its pixels than any other colour; white pixels do not count, since every picture "
    "stands on white. Shades count as their colour: light blue is blue.",
    "The ceiling is real pictures that are known to be mostly of that colour, measured in the same way. The floor "
    "is how often a drawing shows a colour that was asked of the same thing in another prompt.",
    "Whether the thing is still recognised is the judge's choice among all the things asked for here, beside what "
    "is drawn without a colour.",
)


@dataclass(frozen=True)
class Tint:
    """One prompt: a noun, a colour ("" for none), and how it is drawn."""

    noun: Noun
    colour: str
    request: Request


def colours_section(bench: Bench) -> Section:
    """Measure colours of things asked in colours."""
    title = "Does it draw the colour that was asked for?"
    nouns = known(bench, COLOURED, bench.sizes.colours)
    if not nouns:
        return Section("colours", title, ("The data has none of the things that are asked for in colours.",))
    tints = prompts(bench, nouns)
    coloured = [t for t in tints if t.colour]
    drawn = bench.draw([t.request for t in tints], "colours")
    mains = main_colour(colour_shares(drawn[[bool(t.colour) for t in tints]]))
    right = torch.tensor([main == t.colour for main, t in zip(mains, coloured, strict=True)])
    other = torch.tensor([main in COLOURS for main in mains]) & ~right
    own, floor = mean_of(right), mean_of(other.double() / (len(COLOURS) - 1))
    ceiling = _real_colours(bench)
    rows = [
        ("real pictures of that colour (ceiling)", ceiling),
        ("drawn", own),
        ("another prompt's colour (floor)", floor),
    ]
    columns = ("pictures", "colour right", "95 %", "n")
    by_colour = {c: mean_of(right[[t.colour == c for t in coloured]]) for c in COLOURS}
    by_noun = {n.word: mean_of(right[[t.noun == n for t in coloured]]) for n in nouns}
    found = _recognised(bench, nouns, tints, drawn)
    return Section(
        "colours",
        title,
        TEXT,
        (
            Table(columns, tuple(_row(*row) for row in rows), "The asked colour covers more than any other."),
            Table(("colour", *columns[1:]), tuple(_row(*row) for row in by_colour.items()), "By colour."),
            Table(("thing", *columns[1:]), tuple(_row(*r) for r in sorted(by_noun.items(), key=lambda r: r[1].value)),
                  "By thing, the worst first."),
            Table(("pictures", "thing found", "95 %", "n"), tuple(_row(*row) for row in found.items()),
                  f"Thing recognised by the judge among {len(nouns)}."),
        ),
        (_sheet(nouns, tints, drawn),),
        {name: mean.to_dict() for name, mean in {**dict(rows), **by_colour, **by_noun, **found}.items()},
        (Headline("colours as asked", own.value, floor.value, ceiling.value, own.low, own.high, own.n),),
    )  # fmt: skip


def prompts(bench: Bench, nouns: list[Noun]) -> list[Tint]:
    """Every noun in every colour and in none, the same noise for all colours of a noun."""
    found = []
    for i, noun in enumerate(nouns):
        for again in range(bench.sizes.seeds):
            style = bench.styles[(i + again) % len(bench.styles)]
            seed = bench.seed + 1000 * i + again
            for colour in ("", *COLOURS):
                text = with_article(f"{colour} {noun.word}".strip())
                found.append(Tint(noun, colour, Request(prompt=text, style=style, seed=seed)))
    return found


def _real_colours(bench: Bench, most: int = 40) -> Mean:
    """How often the measure agrees with what is known of real pictures, for at most ``most`` of each colour."""
    hits: list[bool] = []
    for salt, colour in enumerate(COLOURS):
        of = [i for i in bench.trained() if _named(bench.records[i].colours, colour)]
        chosen = bench.some(of, most, salt=20 + salt)
        hits += [main == colour for main in main_colour(colour_shares(bench.pictures.images[chosen]))] if chosen else []
    return mean_of(torch.tensor(hits))


def _named(colours: tuple[str, ...], colour: str) -> bool:
    return bool(colours) and colours[0].split()[-1] == colour


def _recognised(bench: Bench, nouns: list[Noun], tints: list[Tint], drawn: Tensor) -> dict[str, Mean]:
    """How often the judge finds the noun, with and without a colour."""
    places = [next(iter(real_of(bench, noun.caption).values())) for noun in nouns]
    gallery = bench.gallery([bench.records[i].key for i in places])
    asked = [
        Question(nouns.index(t.noun), t.request.prompt, t.request.style or "", places[nouns.index(t.noun)])
        for t in tints
    ]
    found = gallery.ranks(bench.judge(drawn), asked) == 0
    plain = torch.tensor([not t.colour for t in tints])
    noise = gallery.ranks(bench.judge(bench.noise(len(asked))), asked)
    floor = score(noise)
    return {
        "drawn without a colour": mean_of(found[plain]),
        "drawn in a colour": mean_of(found[~plain]),
        "noise (floor)": Mean(floor.top1, floor.low, floor.high, floor.n),
    }


def _row(name: str, mean: Mean) -> tuple[str, ...]:
    return name, share(mean.value), share_interval(mean), str(mean.n)


def _sheet(nouns: list[Noun], tints: list[Tint], drawn: Tensor) -> Picture:
    first = {(t.noun.word, t.colour): i for i, t in reversed(list(enumerate(tints)))}
    columns = ("", *COLOURS)
    pictures = drawn[[first[n.word, c] for n in nouns for c in columns]]
    sheet = contact_sheet(pictures, [n.word for n in nouns], ["no colour", *COLOURS], zoom=1)
    alt = f"Drawings of {', '.join(n.word for n in nouns)} in rows, asked in {', '.join(COLOURS)} in columns."
    return Picture("colours", sheet, alt, "Unselected: one noise per row, only the colour word changes.")
