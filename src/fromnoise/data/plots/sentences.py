"""Real sentences for the story game: WordNet's examples and definitions (Princeton University, its own free licence).

A definition of a noun is no sentence ("a small boat"), but its words go together as words do, which is what there is
to learn from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fromnoise.data.plots.grammar import REAL, Line
from fromnoise.data.wordnet import Synset, synsets
from fromnoise.story.vocabulary import DEFINITION, EXAMPLE, KINDS_OF_WORDS

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
    kind = KINDS_OF_WORDS[meaning.kind]
    definition = _ASIDE.sub("", _QUOTED.sub("", meaning.note)).partition(";")[0].strip()
    if definition:
        yield Line(definition, DEFINITION, kind, "", REAL)
    for example in _QUOTED.findall(meaning.note):
        yield Line(example.strip(), EXAMPLE, kind, "", REAL)
