"""Words that no caption has, and what each is: evaluation asks for them, and the task ``text`` leaves them out."""

from __future__ import annotations

from pathlib import Path

FILE = Path(__file__).parent.parent / "assets" / "evaluation" / "synonyms.tsv"


def unheard() -> list[tuple[str, str]]:
    """(word, name of the concept it means), alphabetically."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return [(word, concept) for word, concept in (line.split("\t") for line in lines)]
