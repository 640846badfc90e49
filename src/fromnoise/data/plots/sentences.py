"""Real sentences for the story game: WordNet's examples and definitions (Princeton University, its own free licence).

A definition of a noun is no sentence ("a small boat"), but its words go together as words do, which is what there is
to learn from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fromnoise.data.plots.grammar import Line
from fromnoise.ground.errors import UserError
from fromnoise.story.vocabulary import DEFINITION, EXAMPLE, KINDS_OF_WORDS

FILES = ("data.noun", "data.verb", "data.adj", "data.adv")
_QUOTED = re.compile(r'"([^"]+)"')
_ASIDE = re.compile(r"\([^)]*\)|`|'(?=\s|$)|(?<=\s)'")


def sentences(folder: Path) -> Iterator[Line]:
    """All examples and definitions of WordNet's ``dict`` folder; the place of a line is what kind of word it is about.

    Raises:
        UserError: the folder has no WordNet in it.
    """
    try:
        for file in FILES:
            for line in _lines(folder / file):
                yield from _of_meaning(line)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise UserError(f"{folder} holds no readable WordNet: {error}") from None


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        yield from (line for line in lines if not line.startswith("  ") and line.strip())  # the licence is indented


def _of_meaning(line: str) -> Iterator[Line]:
    fields, _, gloss = line.partition("|")
    kind = KINDS_OF_WORDS[int(fields.split()[1])]
    definition = _ASIDE.sub("", _QUOTED.sub("", gloss)).partition(";")[0].strip()
    if definition:
        yield Line(definition, DEFINITION, kind, "", True)
    for example in _QUOTED.findall(gloss):
        yield Line(example.strip(), EXAMPLE, kind, "", True)
