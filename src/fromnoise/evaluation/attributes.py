"""The questions about attributes: a small file of prompts, each with what would be right.

``assets/evaluation/attributes.tsv`` has a line for each: kind, prompt, answer, things. Things are captions of real
pictures, by which the judge knows them and from which the ceiling is composed. Which of the combinations were kept from
the training is decided by the rule of the data (:mod:`fromnoise.data.world.held_out`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from fromnoise.data.world.held_out import held_out_colour, held_out_count, held_out_relation
from fromnoise.evaluation.bench import Bench
from fromnoise.evaluation.nouns import real_of

FILE = Path(__file__).parent.parent / "assets" / "evaluation" / "attributes.tsv"
NO_STYLE, IN_A_STYLE = "no style", "the same in a style"
KINDS = ("count", "colour", "two colours", "relation", "size", "place", "background", "expression", NO_STYLE)
# As the world calls them: a thing on the right of another has the other on its left.
_RELATIONS = {
    "left": ("left of", False), "right": ("left of", True), "above": ("above", False), "below": ("above", True),
    "on": ("on", False),
}  # fmt: skip
NUMBERS = ("one", "two", "three", "four", "five")


@dataclass(frozen=True)
class Attribute:
    """One question.

    Attributes:
        kind: one of :data:`KINDS`.
        text: the prompt.
        answer: what is to be seen: "three", "blue", "red, green", "left"; "" where it is the thing itself.
        things: captions of real pictures of what is named.
    """

    kind: str
    text: str
    answer: str
    things: tuple[str, ...]

    @property
    def held_out(self) -> bool:
        """Whether its combination, or one of them, is kept from the training by rule."""
        things = [name.split()[-1] for name in self.things]  # combinations are told by nouns: "red apple" is an apple
        if self.kind in ("colour", "two colours"):
            return any(map(held_out_colour, self.answer.split(", "), things))
        if self.kind == "count":
            return held_out_count(NUMBERS.index(self.answer) + 1, things[0])
        if self.kind == "relation":
            relation, turned = _RELATIONS[self.answer]
            return held_out_relation(relation, *(reversed(things) if turned else things))
        return False


def attributes(file: Path = FILE) -> list[Attribute]:
    """All questions of the file, in its order."""
    rows = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines())
    return [Attribute(kind, text, answer, tuple(things.split(", "))) for kind, text, answer, things in rows]


def asked(bench: Bench, every: Sequence[Attribute] | None = None) -> dict[str, list[Attribute]]:
    """The questions whose things the training showed in two styles or more, by kind: of each kind as many as the
    sizes say, seen and held-out combinations in turn as long as there are both.
    """
    found: dict[str, list[Attribute]] = {}
    known = {thing: len(real_of(bench, thing)) > 1 for q in every or attributes() for thing in q.things}
    for kind in KINDS:
        of = [q for q in every or attributes() if q.kind == kind and all(known[thing] for thing in q.things)]
        chosen = _in_turn([q for q in of if not q.held_out], [q for q in of if q.held_out])
        if chosen:
            found[kind] = chosen[: bench.sizes.attributes]
    if NO_STYLE in found:
        found[IN_A_STYLE] = [replace(q, kind=IN_A_STYLE) for q in found[NO_STYLE]]
    return found


def _in_turn(first: list[Attribute], second: list[Attribute]) -> list[Attribute]:
    both = [q for pair in zip(first, second, strict=False) for q in pair]
    return both + first[len(second) :] + second[len(first) :]
