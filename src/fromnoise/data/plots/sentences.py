"""Real sentences for the story game: WordNet's examples and definitions (Princeton University, its own free licence).

A definition of a noun is no sentence ("a small boat"), but its words go together as words do, which is what there is
to learn from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fromnoise.data.plots.grammar import Line
from fromnoise.data.wordnet import Synset, synsets

EXAMPLE, DEFINITION = "example", "definition"
# Kinds of meanings by the number of their lexicographer file (lexnames(5WN)).
KINDS = (
    "adjective", "relation", "adverb", "top", "act", "animal", "artifact", "attribute", "body", "cognition",
    "communication", "event", "feeling", "food", "group", "location", "motive", "natural_object", "person",
    "phenomenon", "plant", "possession", "process", "quantity", "relation", "shape", "state", "substance", "time",
    "being", "changing", "thinking", "talking", "competing", "eating", "touching", "making", "feeling", "moving",
    "seeing", "owning", "social", "staying", "weather", "participle",
)  # fmt: skip
FILES = ("data.noun", "data.verb", "data.adj", "data.adv")
_QUOTED = re.compile(r'"([^"]+)"')
_ASIDE = re.compile(r"\([^)]*\)|`|'(?=\s|$)|(?<=\s)'")


def sentences(folder: Path) -> Iterator[Line]:
    """All examples and definitions of WordNet's ``dict`` folder; the place of a line is what kind of word it is about.

    Raises:
        UserError: the folder has no WordNet in it.
    """
    for _, meaning in synsets(folder, *FILES):
        yield from _of_meaning(meaning)


def _of_meaning(meaning: Synset) -> Iterator[Line]:
    kind = KINDS[meaning.kind]
    definition = _ASIDE.sub("", _QUOTED.sub("", meaning.note)).partition(";")[0].strip()
    if definition:
        yield Line(definition, DEFINITION, kind, "", True)
    for example in _QUOTED.findall(meaning.note):
        yield Line(example.strip(), EXAMPLE, kind, "", True)
