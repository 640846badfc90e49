"""Does it draw what was said of things: how many, of which colour, where, how large, on what, with which face?"""

from __future__ import annotations

import torch
from torch import Tensor

from fromnoise.drawing.request import Request
from fromnoise.evaluation.attributes import IN_A_STYLE, KINDS, NO_STYLE, NUMBERS, Attribute, asked
from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.composed import composed
from fromnoise.evaluation.intervals import Mean, mean_of
from fromnoise.evaluation.nouns import real_of
from fromnoise.evaluation.retrieval import Gallery, rank
from fromnoise.evaluation.section import Headline, Picture, Section, Table
from fromnoise.evaluation.seen import LARGE, NEAR, SMALL, Seen, is_at, parts, seen
from fromnoise.evaluation.words import share, share_interval
from fromnoise.inspection.sheet import contact_sheet

FIRST = 3  # of the judge's choices: what a part of a picture shows
PARTS, WHOLE = ("two colours", "relation"), ("expression", NO_STYLE, IN_A_STYLE)
TITLE = "Does it draw what is said of things?"
TEXT = (
    "Prompts of a fixed list, the styles taking turns. By rules on pixels: count (pieces that hang together), colour "
    "(what covers most of the thing), size (the longest side of the box around it is at most "
    f"{SMALL:.0%} of the picture's for small things, at least {LARGE:.0%} for large ones), place (its centre lies that "
    "way from the middle, further than any other way), background (the colour of the picture's border). Two colours "
    "and relations: the picture is cut into its two largest pieces, or one piece in the middle; each has to lie where "
    f"it was asked, be of its colour, and be its thing among the judge's first {FIRST}. Expressions, and prompts "
    "without a style: the judge's first choice.",
    "The ceiling is pictures composed of real ones that show what is asked (tinted, placed, made smaller), measured in "
    "the same way. The floor is shuffled captions: the same drawings, asked whether they are right for the other "
    "questions of their kind that have another answer.",
    "Of counts, colours and relations a tenth of the combinations is kept from the training by a rule of the data; "
    "they stand beside those it may have seen. A model whose training did not know that rule may have seen them too.",
)


def attributes_section(bench: Bench) -> Section:
    """Measure every kind of attribute that the data has the things for."""
    kinds = asked(bench)
    lacking = [kind for kind in KINDS if kind not in kinds]
    left_out = f"Left out, since the training showed none of these things: {', '.join(lacking)}."
    text = (*TEXT, left_out) if lacking else TEXT
    if not kinds:
        return Section("attributes", TITLE, text)
    figures, split, shown = {}, {}, []
    for kind, questions in kinds.items():
        again = [q for q in questions for _ in range(bench.sizes.seeds)]
        figures[kind], split[kind], pictures = _kind(bench, again)
        shown.append((questions[0], pictures))
    columns = ("asked for", "real, composed (ceiling)", "drawn", "95 %", "shuffled (floor)", "n")
    rows = [_row(kind, f) for kind, f in figures.items()]
    tables = [Table(columns, tuple(rows), "Drawn as asked.")]
    if any(split.values()):
        beside = [(kind, *_cells(s["seen"]), *_cells(s["held out"])) for kind, s in split.items() if s]
        heads = ("asked for", "seen", "95 %", "n", "held out", "95 %", "n")
        said = "Combinations that the training may have shown, and those kept from it by rule."
        tables.append(Table(heads, tuple(beside), said))
    data = {kind: {k: m.to_dict() for k, m in {**f, **split[kind]}.items()} for kind, f in figures.items()}
    return Section("attributes", TITLE, text, tuple(tables), (_sheet(shown),), data, tuple(_headlines(figures)))


def _kind(bench: Bench, questions: list[Attribute]) -> tuple[dict[str, Mean], dict[str, Mean], Tensor]:
    """Figures of one kind; those of seen and held-out combinations; the first ceiling and the first drawing."""
    styles = [bench.styles[i % len(bench.styles)] for i in range(len(questions))]
    plain = questions[0].kind == NO_STYLE
    drawn = bench.draw(
        [Request(prompt=q.text, style=None if plain else style, seed=bench.seed + 1000 * i)
         for i, (q, style) in enumerate(zip(questions, styles, strict=True))],
        f"attributes: {questions[0].kind}",
    )  # fmt: skip
    real, real_styles = _real(bench, questions, styles)
    right = rightness(bench, questions, drawn, [""] * len(styles) if plain else styles)
    top = rightness(bench, questions, real, real_styles).diagonal()
    own, floor = right.diagonal(), shuffled(right, questions)
    held_out = torch.tensor([q.held_out for q in questions])
    split = {"seen": mean_of(own[~held_out]), "held out": mean_of(own[held_out])} if held_out.any() else {}
    found = {"ceiling": mean_of(top), "drawn": mean_of(own), "floor": mean_of(floor)}
    return found, split, torch.stack([real[0], drawn[0]])


def shuffled(right: Tensor, questions: list[Attribute]) -> Tensor:
    """How often each question is answered by drawings for others of another answer, [Q]; without such, left out.

    Args:
        right: whether question i is answered by drawing j, bool [Q,Q].
        questions: in that order.
    """
    found = []
    for i, question in enumerate(questions):
        others = [j for j, q in enumerate(questions) if _what(q) != _what(question)]
        if others:
            found.append(right[i, others].double().mean())
    return torch.stack(found) if found else torch.zeros(0)


def _what(question: Attribute) -> tuple[str, str | tuple[str, ...]]:
    return question.answer, question.answer or question.things


def _real(bench: Bench, questions: list[Attribute], styles: list[str]) -> tuple[Tensor, list[str]]:
    """A composed picture for each question, and its style: the one asked for, or else one that has all its things."""
    images, found = [], []
    for question, style in zip(questions, styles, strict=True):
        places = [real_of(bench, thing) for thing in question.things]
        common = [s for s in bench.styles if all(s in there for there in places)]
        of = style if style in common or not common else common[0]
        chosen = [there.get(of, next(iter(there.values()))) for there in places]
        images.append(composed(question, bench.pictures.images[chosen]))
        found.append(of)
    return torch.stack(images), found


def rightness(bench: Bench, questions: list[Attribute], pictures: Tensor, styles: list[str]) -> Tensor:
    """Whether question i is answered by picture j, bool [Q,N].

    Args:
        bench: to judge with.
        questions: all of one kind.
        pictures: uint8 [N,3,P,P].
        styles: of the pictures, [N]; "" for none.
    """
    kind = questions[0].kind
    if kind in WHOLE:
        names = list(dict.fromkeys(q.things[0] for q in questions))
        first = _gallery(bench, names).similarities(bench.judge(pictures), styles)
        return torch.stack([
            torch.tensor([rank(row, names.index(q.things[0])) == 0 for row in first]) for q in questions
        ])  # fmt: skip
    if kind in PARTS:
        cut = _cut(bench, questions, pictures, styles)
        return torch.tensor([[_together(q, ways) for ways in cut] for q in questions])
    found = [seen(picture) for picture in pictures]
    return torch.tensor([[fits(q, s) for s in found] for q in questions])


def fits(question: Attribute, found: Seen) -> bool:
    """Whether what is seen in a picture is what a question asks for, by the rules of its kind."""
    answer = question.answer
    if question.kind == "count":
        return found.count == NUMBERS.index(answer) + 1
    if question.kind == "size":
        return 0 < found.extent <= SMALL if answer == "small" else found.extent >= LARGE
    if question.kind == "place":
        return is_at(found, answer)
    return answer == (found.border if question.kind == "background" else found.colour)


Way = tuple[tuple[str, set[str]], tuple[str, set[str]], float]  # (colour, names) of both parts, and the gap


def _cut(bench: Bench, questions: list[Attribute], pictures: Tensor, styles: list[str]) -> list[dict[str, Way]]:
    """What the two parts of each picture show, cut across (left and right) and down (upper and lower)."""
    names = list(dict.fromkeys(thing for q in questions for thing in q.things))
    gallery = _gallery(bench, names)
    found: list[dict[str, Way]] = []
    for picture, style in zip(pictures, styles, strict=True):
        ways: dict[str, Way] = {}
        for name, down in (("across", False), ("down", True)):
            if (cut := parts(picture, down)) is None:
                continue
            both = torch.stack(cut[:2])
            near = gallery.similarities(bench.judge(both), [style, style])
            named = [{thing for n, thing in enumerate(names) if rank(row, n) < FIRST} for row in near]
            one, other = zip([seen(part).colour for part in both], named, strict=True)
            ways[name] = (one, other, cut[2])
        found.append(ways)
    return found


def _together(question: Attribute, ways: dict[str, Way]) -> bool:
    """Whether two parts are the things asked for, each where it was asked, or each of its colour."""
    a, b = question.things
    if question.kind == "two colours":
        first, second = question.answer.split(", ")
        orders = [pair for one, other, _ in ways.values() for pair in ((one, other), (other, one))]
        return any((x[0], y[0]) == (first, second) and a in x[1] and b in y[1] for x, y in orders)
    way = ways.get("across" if question.answer in ("left", "right") else "down")
    if way is None:
        return False
    one, other, gap = way
    if question.answer in ("right", "below"):
        one, other = other, one
    return a in one[1] and b in other[1] and (question.answer != "on" or gap <= NEAR)


def _gallery(bench: Bench, names: list[str]) -> Gallery:
    return bench.gallery([bench.records[next(iter(real_of(bench, name).values()))].key for name in names])


def _row(kind: str, f: dict[str, Mean]) -> tuple[str, ...]:
    own = f["drawn"]
    return kind, share(f["ceiling"].value), share(own.value), share_interval(own), share(f["floor"].value), str(own.n)


def _cells(mean: Mean) -> tuple[str, ...]:
    return share(mean.value), share_interval(mean), str(mean.n)


def _headlines(figures: dict[str, dict[str, Mean]]) -> list[Headline]:
    return [
        Headline(f"{kind} as asked", f["drawn"].value, f["floor"].value, f["ceiling"].value, f["drawn"].low,
                 f["drawn"].high, f["drawn"].n)
        for kind, f in figures.items()
    ]  # fmt: skip


def _sheet(shown: list[tuple[Attribute, Tensor]]) -> Picture:
    names = [question.text for question, _ in shown]
    sheet = contact_sheet(torch.cat([pictures for _, pictures in shown]), names, ("real", "drawn"), zoom=1)
    alt = f"Two columns: composed of real pictures, drawn. Rows: {', '.join(names)}."
    return Picture("attributes", sheet, alt, "Unselected: the first question of each kind.")
