"""One-line plots that were written by hand for this project: tales, novels, plays, films and others, a sentence each.

The files of ``told/`` have a plot a line: ``genre|place|sentence``; the place is one of the grammar's, or nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from fromnoise.data.plots.grammar import TOLD, Line
from fromnoise.story.examples import puzzles
from fromnoise.story.vocabulary import words_of

HERE = Path(__file__).parent / "told"
ALIKE = 0.5  # of the words that mean something, shared by two sentences that are near each other
# Words that say nothing of what a sentence is about.
FUNCTION = frozenset(
    """
    a an the and or but nor so yet to of in on at by for from with without into onto over under after before when while
    until as than that which who whom whose this these those it its he his him she her they their them is are was were
    be been being has have had do does did not no never only must can could will would may might should there then too
    all each every some any one two both more most other another out up down off through between 's ,
    """.split()  # noqa: SIM905  (a list of them would be forty lines)
)


@cache
def told_lines() -> tuple[Line, ...]:
    """All of them, but those that are near a puzzle, which no model may learn from."""
    found = [line for file in sorted(HERE.glob("*.txt")) for line in _lines(file)]
    asked = [content(puzzle[side]) for puzzle in puzzles() for side in ("right", "wrong")]
    near = set(near_ones([content(line.text) for line in found], asked))
    return tuple(line for i, line in enumerate(found) if i not in near)


def content(text: str) -> frozenset[str]:
    """The words of a sentence that mean something, in small letters and without the endings of plurals and verbs."""
    return frozenset(_stem(word.casefold()) for word in words_of(text) if word.casefold() not in FUNCTION)


def near_ones(some: Sequence[frozenset[str]], others: Iterable[frozenset[str]], alike: float = ALIKE) -> list[int]:
    """Which of some sentences share as much with one of the others: their common words over all words of both.

    Two that are near share at least one of the rarest words of each, so only those are looked up (prefix filtering,
    Chaudhuri et al. 2006).

    Args:
        some: words that mean something, of each.
        others: the same.
        alike: the share from which on two are near.
    """
    others = list(others)
    common = Counter(word for words in (*some, *others) for word in words)

    def rarest(words: frozenset[str]) -> list[str]:
        fewest = len(words) - math.ceil(alike * len(words)) + 1
        return sorted(words, key=lambda word: (common[word], word))[: max(0, fewest)]

    having: dict[str, list[frozenset[str]]] = {}
    for other in others:
        for word in rarest(other):
            having.setdefault(word, []).append(other)
    found = []
    for i, words in enumerate(some):
        near = (other for word in rarest(words) for other in having.get(word, ()))
        if any(len(words & other) >= alike * len(words | other) for other in near):
            found.append(i)
    return found


def _lines(file: Path) -> list[Line]:
    rows = [row.split("|") for row in file.read_text(encoding="utf-8").splitlines() if row]
    return [Line(text.rstrip("."), genre, place, "", TOLD) for genre, place, text in rows]


def _stem(word: str) -> str:
    for ending, least in (("ing", 6), ("ed", 5), ("s", 4)):
        if word.endswith(ending) and len(word) >= least and not word.endswith("ss"):
            return word[: -len(ending)]
    return word
