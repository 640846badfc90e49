"""Prompts as people type them, and what a picture for each may be taken for.

``assets/evaluation/free.tsv`` has a line for each: kind, prompt, and captions of real pictures, any of which is right
("dog|dog face|poodle"); none where nobody could say what is right.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path

FILE = Path(__file__).parent.parent / "assets" / "evaluation" / "free.tsv"


@dataclass(frozen=True)
class FreePrompt:
    """One of them.

    Attributes:
        kind: of prompt, for the table.
        text: as it is typed.
        right: captions of real pictures that would be right; none where that cannot be said.
    """

    kind: str
    text: str
    right: tuple[str, ...] = ()


def free_prompts(count: int | None = None, file: Path = FILE) -> list[FreePrompt]:
    """The first ``count`` prompts, the kinds taking turns, in the order of the file where all are asked for."""
    rows = (line.split("\t") for line in file.read_text(encoding="utf-8").splitlines())
    every = [FreePrompt(kind, text, tuple("".join(right).split("|")) if right else ()) for kind, text, *right in rows]
    if count is None or count >= len(every):
        return every
    kinds: dict[str, list[FreePrompt]] = defaultdict(list)
    for prompt in every:
        kinds[prompt.kind].append(prompt)
    in_turn = chain.from_iterable(zip_longest(*kinds.values()))
    return [prompt for prompt in in_turn if prompt is not None][:count]
