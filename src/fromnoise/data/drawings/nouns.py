"""The word for the thing itself: "apple" in "red apple", "glass" in "glass of milk", "cat" in "cat face"."""

from __future__ import annotations

import re
from pathlib import Path

from fromnoise.data.wordnet import NEAR, THINGS, Synset, WordNet, synsets

PERSON, ANIMAL, _ARTIFACT = 18, 5, 6  # lexicographer files
VISIBLE = THINGS | {PERSON}
# What stands behind one of these tells more of the thing, but is not the thing.
_MORE = re.compile(
    r"(?:,| (?:of|with|without|in|on|at|by|for|from|to|over|under|behind|near|inside|beside|between|showing|facing|"
    r"holding|wearing|feeding|being|getting|doing|playing|making|not))\b"
)
_PEOPLE = ("man", "woman", "person", "people", "men", "women", "boy", "girl", "child", "adult", "baby")
_IRREGULAR = {
    "people": ["person"], "men": ["man"], "women": ["woman"], "children": ["child"], "mice": ["mouse"],
    "feet": ["foot"], "teeth": ["tooth"],
}  # fmt: skip
_GROUPS = {5: "animals-nature", 20: "animals-nature", 13: "food-drink", 18: "people-body", 8: "people-body",
           17: "travel-places", 19: "travel-places"}  # fmt: skip


class Nouns:
    """Nouns for things that can be seen.

    Args:
        wordnet: WordNet's ``dict`` folder.
        not_seen: words that WordNet counts among things, but that no drawing shows ("asset", "import").
        seen: things that WordNet lacks or knows as something else ("coin" is a possession, "medal" a sign).
    """

    def __init__(
        self, wordnet: Path, not_seen: frozenset[str] = frozenset(), seen: frozenset[str] = frozenset()
    ) -> None:
        self._wordnet = WordNet(wordnet)
        self._not_seen = not_seen
        self._seen = {word: Synset(_ARTIFACT, (word,), (), False, "") for word in sorted(seen)}
        self._adjectives = {word for _, synset in synsets(wordnet, "data.adj") for word in synset.words}

    def thing(self, words: str) -> Synset | None:
        """The meaning of these words as a visible thing, singular or plural; None if they have none."""
        word = self.singular(words)
        return (self._wordnet.thing(word, VISIBLE) or self._seen.get(word)) if word else None

    def singular(self, words: str) -> str:
        """The words as WordNet lists them: "swords" → "sword", "scissors" → "scissors"; "" if it does not."""
        for guess in _singulars(words):
            if guess in self._seen or (guess not in self._not_seen and self._wordnet.thing(guess, VISIBLE, NEAR)):
                return guess
        return ""

    def is_several(self, words: str) -> bool:
        """Whether these words say more than one: "cherries", but not "scissors"."""
        last = self.head(words)
        return bool(last) and re.search(rf"\b{re.escape(last)}\b", words) is None and last not in _PEOPLE

    def is_description(self, words: str) -> bool:
        """Whether these words plainly describe a thing: "rusty sword", "house with flag", but not "skull crack"."""
        front = _MORE.split(words, maxsplit=1)[0].split()
        if not 1 <= len(front) <= 3 or "and" in words.split() or not self._wordnet.thing(_bare(front[-1]), VISIBLE, 2):
            return False
        return all(self._tells(word) for word in front[:-1]) and self.head(words) != ""

    def _tells(self, word: str) -> bool:
        """Whether a word may stand before a noun: an adjective, a participle, or a thing it is like or made of."""
        return word in self._adjectives or bool(re.search("(ed|ing)$", word)) or self.singular(word) == word

    def concept(self, noun: str) -> str:
        """One word for all synonyms: "car" for "automobile"."""
        found = self.thing(noun)
        return found.words[0].lower() if found else noun

    def group(self, noun: str) -> str:
        """The class of a thing, as emoji are classed."""
        found = self.thing(noun)
        return _GROUPS.get(found.kind, "objects") if found else "objects"

    def head(self, name: str) -> str:
        """The noun for the thing itself, or "" where no part of the name is one."""
        name = name.lower()
        if self.singular(name):
            return self.singular(name)
        front = _MORE.split(name, maxsplit=1)[0].strip()
        words = front.split()
        if not words or "and" in words:
            return ""
        if words[0] in (*_PEOPLE, "face", "head") and any(word.endswith("ing") for word in words[1:]):
            return self.singular(words[0])
        if words[-1] == "face" and len(words) > 1 and (animal := self._last(words[:-1])) and self._has_face(animal):
            return animal
        return self._last(words)

    def _last(self, words: list[str]) -> str:
        """The longest end of the words that names a thing."""
        return next((noun for i in range(len(words)) if (noun := self.singular(" ".join(words[i:])))), "")

    def _has_face(self, noun: str) -> bool:
        found = self.thing(noun)
        return found is not None and (found.kind == ANIMAL or noun in ("moon", "sun", "clown", "dragon", "unicorn"))


def _bare(word: str) -> str:
    return word.removesuffix("s") if not word.endswith("ss") else word


def _singulars(words: str) -> list[str]:
    guesses = [words]
    for plural, one in (("s", ""), ("es", ""), ("ies", "y"), ("ves", "f"), ("ves", "fe"), ("men", "man")):
        if words.endswith(plural) and len(words) > len(plural) + 1 and not words.endswith("ss"):
            guesses.append(words.removesuffix(plural) + one)
    return _IRREGULAR.get(words, guesses)
