"""Sentences to numbers and back. Words are whole: the game is about words, so one noisy thing must be one word."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from fromnoise.ground.errors import UserError
from fromnoise.ground.json_file import expect, read_object
from fromnoise.ground.pieces import Relatives
from fromnoise.ground.whole import write_atomically

END, MASK, UNKNOWN = 0, 1, 2
SPECIAL = ("[end]", "[mask]", "[unknown]")
# What real sentences say instead of a genre and a place: they are WordNet's, and about a kind of word. A network
# learns these labels beside the others, but nobody looks for a story that takes place in "adverb".
DEFINITION, EXAMPLE, BOOK = "definition", "example", "book"
KINDS_OF_WORDS = (
    "adjective", "relation", "adverb", "top", "act", "animal", "artifact", "attribute", "body", "cognition",
    "communication", "event", "feeling", "food", "group", "location", "motive", "natural_object", "person",
    "phenomenon", "plant", "possession", "process", "quantity", "relation", "shape", "state", "substance", "time",
    "being", "changing", "thinking", "talking", "competing", "eating", "touching", "making", "feeling", "moving",
    "seeing", "owning", "social", "staying", "weather", "participle",
)  # fmt: skip  # by the number of WordNet's lexicographer file (lexnames(5WN))
WRITTEN = {"Pole": "North Pole"}  # labels of one word that mean a place of two
_PIECE = re.compile(r"(?<!\w)[^\W\d_]+(?:['’-][^\W\d_]+)*(?!\w)|[,;:]")
_OWNER = re.compile(r"['’]s$")
_CLOSE = {",", "'s"}  # written without a space before them


def words_of(text: str) -> list[str]:
    """The words of a sentence; commas and the 's of an owner are words of their own, numbers and other signs are left
    out.

    >>> words_of("Gold, the king's 3rd gold!")
    ['Gold', ',', 'the', 'king', "'s", 'gold']
    """
    return [word for word, _, _ in places_of(text)]


def places_of(text: str) -> list[tuple[str, int, int]]:
    """The words of a sentence, and where in the text each begins and ends."""
    found: list[tuple[str, int, int]] = []
    for match in _PIECE.finditer(text):
        piece, begin, end = match[0], match.start(), match.end()
        if piece in ";:":
            found.append((",", begin, end))
        elif len(piece) > 2 and _OWNER.search(piece):
            found += [(piece[:-2], begin, end - 2), ("'s", end - 2, end)]
        else:
            found.append((piece.replace("’", "'"), begin, end))
    return found


def readable(text: str, longest: int) -> list[str]:
    """The words of a sentence that somebody typed.

    Raises:
        UserError: it has none, or too many.
    """
    words = words_of(text)
    if not words:
        raise UserError("there are no words in it that can be read (numbers and signs are left out)")
    if len(words) > longest:
        raise UserError(f"a sentence has 1 to {longest} words, not {len(words)}")
    return words


def sentence_of(words: Sequence[str]) -> str:
    """Words as a sentence: a capital at the beginning, a period at the end.

    >>> sentence_of(["gold", ",", "the", "king", "'s", "gold"])
    "Gold, the king's gold."
    """
    text = "".join(word if word in _CLOSE else f" {word}" for word in words).strip()
    return text[:1].upper() + text[1:] + ("." if text else "")


@dataclass(frozen=True)
class Vocabulary:
    """Which words there are, and which genres and places a sentence can be asked for.

    Attributes:
        words: entry → how it is written; the first three are :data:`SPECIAL`. One may be written as nothing
            (:attr:`empty`).
        genres: names of genres, as labels of the network.
        places: names of places, as labels of the network.
    """

    words: tuple[str, ...]
    genres: tuple[str, ...]
    places: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def collect(
        cls, sentences: Sequence[Sequence[str]], others: Sequence[Sequence[str]], size: int, genres: Iterable[str],
        places: Iterable[str], empty: bool = False,
    ) -> Vocabulary:  # fmt: skip
        """The most frequent words of sentences; what room is left is for those of other sentences.

        A word is written as it mostly is after a sentence's first word. With ``empty`` one is written as nothing.
        """
        written: dict[str, Counter[str]] = {}
        ranked: dict[str, None] = {}
        for group in (sentences, others):
            seen: Counter[str] = Counter()
            for words in group:
                for place, word in enumerate(words):
                    seen[word.casefold()] += 1
                    if place or word.islower():
                        written.setdefault(word.casefold(), Counter())[word] += 1
            ranked |= dict.fromkeys(sorted(seen, key=lambda word: (-seen[word], word)))
        kept = [*([""] if empty else ()), *ranked][: size - len(SPECIAL)]
        shown = [written[word].most_common(1)[0][0] if word in written else word for word in kept]
        return cls((*SPECIAL, *shown), _one_of_each(genres), _one_of_each(places))

    @property
    def empty(self) -> int | None:
        """The entry of a place where no word stands, so that a sentence may become shorter or longer; None without."""
        return self._entries.get("")

    @cached_property
    def story_genres(self) -> tuple[str, ...]:
        """The genres that a story can be asked for: those of plots, not those of real sentences."""
        return tuple(name for name in self.genres if name not in (DEFINITION, EXAMPLE, BOOK))

    @cached_property
    def story_places(self) -> tuple[str, ...]:
        """The places that a story can be asked for: those of plots, not the kinds of words of real sentences.

        Lines of one's own may well take place in "weather": only a vocabulary with real sentences has kinds of words.
        """
        kinds = KINDS_OF_WORDS if self.story_genres != self.genres else ()
        return tuple(WRITTEN.get(name, name) for name in self.places if name not in kinds)

    @property
    def labels(self) -> int:
        """Entries of the table of labels; 0 is "not said"."""
        return 1 + len(self.genres) + len(self.places)

    def ids(self, words: Iterable[str]) -> list[int]:
        """The entries of words, upper and lower case alike; unknown ones are :data:`UNKNOWN`."""
        return [self._entries.get(word.casefold(), UNKNOWN) for word in words]

    def read(self, words: Iterable[str]) -> list[int]:
        """The same, but unknown ones are read as the word that they are written most like, where there is one."""
        return [
            self._alike(word) if entry == UNKNOWN else entry for word, entry in zip(words, self.ids(words), strict=True)
        ]

    def _alike(self, word: str) -> int:
        near = self._relatives.of(word)
        return self._entries[near[0][0]] if near else UNKNOWN

    @cached_property
    def _relatives(self) -> Relatives:
        return Relatives([word for word in self._entries if word])

    def unknown(self, text: str) -> list[str]:
        """The words of a text that are not among its words."""
        return [word for word in words_of(text) if word.casefold() not in self._entries]

    def read_as(self, text: str) -> dict[str, str]:
        """Which unknown words of a text are read as which others; "" where nothing is written like them."""
        unknown = self.unknown(text)
        read = (self._alike(word) for word in unknown)
        return {word: "" if entry == UNKNOWN else self.words[entry] for word, entry in zip(unknown, read, strict=True)}

    def find(self, word: str) -> int:
        """The entry of one word.

        Raises:
            UserError: it is not one of the words.
        """
        entry = self._entries.get(word.casefold())
        if entry is None:
            raise UserError(f"the story game does not know the word '{word}'; it knows {len(self):,} common words")
        return entry

    def text(self, ids: Iterable[int]) -> list[str]:
        """How entries are written, up to the end of the sentence; places without a word are left out."""
        return [word for word in self.places_in(ids) if word]

    def places_in(self, ids: Iterable[int]) -> list[str]:
        """The same, with "" where a place has no word."""
        return [self.words[entry] for entry in itertools.takewhile(lambda entry: entry != END, ids)]

    def label(self, genre: str | None, place: str | None) -> tuple[int, int]:
        """The entries of a genre and a place, 0 for what is not said.

        Raises:
            UserError: an unknown genre or place; near ones are named.
        """
        return self._label("genre", genre, self.story_genres), self._label("place", place, self.story_places)

    def known_label(self, genre: str, place: str) -> tuple[int, int]:
        """The same for training lines: what is unknown is not said."""
        return self._labels["genre"].get(_plain(genre), 0), self._labels["place"].get(_plain(place), 0)

    def named(self, labels: Sequence[int]) -> tuple[str, str]:
        """Genre and place of two labels, "" for what is not said."""
        names = ("", *self.genres, *self.places)
        return names[labels[0]], names[labels[1]]

    def save(self, file: Path) -> None:
        """Write it as JSON, whole or not at all.

        Raises:
            UserError: it cannot be written.
        """
        known = {"words": self.words[len(SPECIAL) :], "genres": self.genres, "places": self.places}
        write_atomically(file, json.dumps(known, ensure_ascii=False, separators=(",", ":")) + "\n")

    @classmethod
    def load(cls, file: Path) -> Vocabulary:
        """Read what :meth:`save` wrote.

        Raises:
            UserError: not such a file.
        """
        known = read_object(file)
        words, genres, places = (expect(known, name, list[str], file) for name in ("words", "genres", "places"))
        return cls((*SPECIAL, *words), tuple(genres), tuple(places))

    def _label(self, kind: str, name: str | None, known: tuple[str, ...]) -> int:
        if not name:
            return 0
        wanted = _plain(name)
        if wanted in self._labels[kind]:
            return self._labels[kind][wanted]
        lowered = {other.casefold(): other for other in known}
        near = difflib.get_close_matches(wanted, lowered, 3)
        if near:
            raise UserError(f"there is no {kind} '{name}'; did you mean {', '.join(lowered[n] for n in near)}?")
        some = ", ".join(known[:20]) + (", … (--list names all)" if len(known) > 20 else "")
        raise UserError(f"there is no {kind} '{name}' in this model; known: {some}")

    @cached_property
    def _labels(self) -> dict[str, dict[str, int]]:
        genres = {_plain(name): 1 + i for i, name in enumerate(self.genres)}
        places = {_plain(name): 1 + len(genres) + i for i, name in enumerate(self.places)}
        places |= {_plain(long): places[_plain(name)] for name, long in WRITTEN.items() if _plain(name) in places}
        return {"genre": genres, "place": places}

    @cached_property
    def _entries(self) -> dict[str, int]:
        return {word.casefold(): i for i, word in enumerate(self.words) if i >= len(SPECIAL)}


def _plain(name: str) -> str:
    """What counts of a label: upper and lower case, spaces and underscores do not."""
    return name.casefold().replace(" ", "_")


def _one_of_each(names: Iterable[str]) -> tuple[str, ...]:
    """Names in their order, those that mean the same once."""
    found = {_plain(name): name for name in sorted(set(names), reverse=True)}
    return tuple(found[key] for key in sorted(found))
