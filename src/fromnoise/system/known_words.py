"""Which words a model has seen in its training captions, to say so when a prompt has others.

A network draws something for any letters: for a word that no caption had, a blob. Only the captions know which words
those are, so their words are kept beside the model, in ``known_words.json``.
"""

from __future__ import annotations

import difflib
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fromnoise.ground.errors import UserError
from fromnoise.ground.json_file import expect, read_object, shown
from fromnoise.ground.whole import write_atomically

FILE = "known_words.json"
FORMAT = 1  # of the file
NEAR = 0.7  # how alike two spellings must be, 0…1
# Letters behind a figure ("3d", "2nd", "90's") are no word of their own.
WORD = re.compile(r"(?<![^\W_])(?<!\d['’])[^\W\d_]+(?:['’][^\W\d_]+)*")
# What holds a sentence together and is in no picture.
SMALL = frozenset(
    (
        "a an the of and or with without in on at to from for by as is are be it its this that under over above "
        + "below behind beside before between near next into out up down style"
    ).split()
)
LIKE = re.compile(r"-([^\W\d_]+)")  # what stands behind a hyphen, as in "blue-eyed"
MOST_KEPT = 4096  # words whose neighbours are remembered
ENDINGS = (("ies", "y"), ("es", ""), ("s", ""), ("'s", ""), ("’s", ""))


@dataclass(frozen=True)
class KnownWords:
    """The words of a model's captions; without any, every word passes.

    Attributes:
        counts: how many captions had each word, in lower case.
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    _near: dict[str, list[str]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __bool__(self) -> bool:
        return bool(self.counts)

    @classmethod
    def of(cls, captions: Iterable[str]) -> KnownWords:
        """The words of captions."""
        return cls(dict(sorted(Counter(word for text in captions for word in set(words_of(text))).items())))

    def and_also(self, others: KnownWords) -> KnownWords:
        """These words and others, of a model that learnt from both."""
        return KnownWords(dict(sorted((Counter(self.counts) + Counter(others.counts)).items())))

    def unknown(self, text: str) -> tuple[str, ...]:
        """The words of a text that no caption had, as they are written, each once.

        Plurals of known words are known, and so is "eyed" in "blue-eyed" where "eye" is.
        """
        if not self.counts:
            return ()
        written = {word.lower(): word for word in reversed(WORD.findall(_plain(text)))}
        like = {word.lower() for word in LIKE.findall(_plain(text)) if self._has_one(word.lower())}
        return tuple(written[word] for word in dict.fromkeys(words_of(text)) if not (self._knows(word) or word in like))

    def near(self, word: str, most: int = 3) -> tuple[str, ...]:
        """Known words that are spelt almost so, the nearest first; of equally near ones the most frequent."""
        key = _plain(word).lower()
        if key not in self._near:
            if len(self._near) >= MOST_KEPT:
                self._near.clear()
            self._near[key] = self._all_near(key)
        return tuple(self._near[key][:most])

    def _all_near(self, word: str) -> list[str]:
        matcher = difflib.SequenceMatcher()
        matcher.set_seq2(word)
        found = []
        for other, count in self.counts.items():
            matcher.set_seq1(other)
            if other not in SMALL and matcher.quick_ratio() >= NEAR and matcher.ratio() >= NEAR:
                found.append((-matcher.ratio(), -count, other))
        return [other for _, _, other in sorted(found)]

    def _has_one(self, word: str) -> bool:
        """Whether a word says that something has what a known word names: "eyed", "winged"."""
        return word.endswith("ed") and any(word.removesuffix(end) in self.counts for end in ("d", "ed"))

    def _knows(self, word: str) -> bool:
        if word in self.counts or word in SMALL:
            return True
        return any(word.endswith(end) and word.removesuffix(end) + other in self.counts for end, other in ENDINGS)

    def save(self, folder: Path) -> None:
        """Write ``known_words.json`` into a model's folder, if there is anything to write."""
        if self.counts:
            text = json.dumps({"format": FORMAT, "words": dict(self.counts)}, ensure_ascii=False)
            write_atomically(folder / FILE, text + "\n")

    @classmethod
    def load(cls, folder: Path) -> KnownWords:
        """Read what :meth:`save` wrote; a folder without it knows of no words.

        Raises:
            UserError: the file is damaged.
        """
        file = folder / FILE
        if not file.is_file():
            return cls()
        stored = read_object(file)
        if (form := stored.get("format", FORMAT)) != FORMAT or isinstance(form, bool):
            raise UserError(f"{file} has format {shown(form, 20)}; this version reads {FORMAT}: update fromnoise")
        try:
            return cls(expect(stored, "words", dict[str, int], file))
        except UserError as error:
            raise UserError(f"{error}; remove it to draw without it") from None


def words_of(text: str) -> list[str]:
    """The words of a text, in lower case, in order: letters only, so no numbers; "t-shirt" is two."""
    return [word.lower() for word in WORD.findall(_plain(text))]


def _plain(text: str) -> str:
    return unicodedata.normalize("NFKC", text)
