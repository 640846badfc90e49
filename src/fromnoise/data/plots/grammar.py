"""One-line plots from a grammar: a frame, and what a genre has to fill it with.

The frames (``frames.txt``) are shared; heroes, goals, events, obstacles and twists are each genre's own, written by
hand. Verbs are stored in their base form and put into the form that hero and place in the sentence ask for; articles
are put in last, when the next word is known.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random

from fromnoise.ground.errors import UserError, missing_packages
from fromnoise.ground.wording import with_article

HERE = Path(__file__).parent
SHARED = "shared"
_SLOT = re.compile(r"\{([^{}]+)\}")
_VERB = re.compile(r"\[([^\[\]]+)\]")
_COUNT = re.compile(r"^(two|three|four|five|six|seven|eight|nine|ten|a (?:group|pair|team|crew|band|gang) of) ")
_HEROES = ("he", "she")
_PRONOUNS = {
    "he": {"he": "he", "him": "him", "his": "his", "himself": "himself"},
    "she": {"he": "she", "him": "her", "his": "her", "himself": "herself"},
    "they": {"he": "they", "him": "them", "his": "their", "himself": "themselves"},
}
_KINDS = {"m": "he", "f": "she", "p": "they"}
TRAIT = 0.55  # how often a hero has one


# Who made a line: the grammar, somebody who tells a plot, or somebody who said something else.
MADE, TOLD, REAL = KINDS = ("made", "told", "real")


@dataclass(frozen=True)
class Line:
    """A line to learn from.

    Attributes:
        text: the sentence without a period.
        genre: what kind of story, or of sentence.
        place: where it takes place; "" where it does not say.
        template: the frame or sentence it was made from.
        kind: who made it: :data:`MADE`, :data:`TOLD` or :data:`REAL`.
    """

    text: str
    genre: str
    place: str = ""
    template: str = ""
    kind: str = "made"

    @property
    def real(self) -> bool:
        """Whether it is a sentence from elsewhere, and no plot."""
        return self.kind == REAL


@cache
def sections(name: str) -> Mapping[str, tuple[str, ...]]:
    """The entries of a genre's file, by section."""
    found: dict[str, list[str]] = {}
    entries: list[str] = []
    for line in (HERE / f"{name}.txt").read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line.strip()):
            entries = found.setdefault(heading[1], [])
        elif line.strip():
            entries.append(line.strip())
    return {key: tuple(values) for key, values in found.items()}


def genres() -> tuple[str, ...]:
    """Names of all genres."""
    return tuple(sorted(file.stem for file in HERE.glob("*.txt") if file.stem not in (SHARED, "frames")))


def places() -> dict[str, str]:
    """Label → phrase of all places ("France" → "in France")."""
    pairs = [entry.rsplit("|", 1) for entry in sections(SHARED)["place"]]
    return {label.strip(): phrase.strip() for phrase, label in pairs}


def templates(genre: str) -> list[str]:
    """Everything a plot of the genre can be made from: frames, and its own headlines and whole plots."""
    frames = (HERE / "frames.txt").read_text(encoding="utf-8").splitlines()
    return [*filter(None, frames), *sections(genre)["headline"], *sections(genre)["plot"]]


@cache
def inflected(verb: str, tag: str) -> str:
    """A verb's form by its Penn tag: "VBZ" after "he" (carries), "VBG" (carrying).

    Raises:
        UserError: the package that knows them is missing.
    """
    try:
        from lemminflect import getInflection
    except ImportError as error:
        raise missing_packages("making plots needs more packages", "train") from error
    if verb == "be":  # the dictionary has all of its present forms
        return {"VBZ": "is", "VBG": "being"}[tag]
    return str(getInflection(verb, tag, inflect_oov=True)[0])


class Writer:
    """Makes plots of one genre.

    Args:
        genre: its name.
        rng: everything random comes from it.
    """

    def __init__(self, genre: str, rng: Random) -> None:
        self.genre, self.rng = genre, rng
        self.own, self.shared, self.everywhere = sections(genre), sections(SHARED), places()

    def write(self, template: str) -> Line:
        """A plot from a template.

        Raises:
            UserError: a slot that does not exist.
        """
        story = _Story(self, self.rng)
        text = story.fill(template)
        text = re.sub(r"\s+", " ", text).strip().replace(" ,", ",").replace(":", ",")
        return Line(text[:1].upper() + text[1:], self.genre, story.place, template)


class _Story:
    """One plot in the making: who the hero is, where it takes place."""

    def __init__(self, writer: Writer, rng: Random) -> None:
        self.writer, self.rng = writer, rng
        entry, kind = _of_a_kind(rng.choice(writer.own["hero"]))
        self.hero, self.who = entry, _KINDS.get(kind) or rng.choice(_HEROES)
        self.place = ""

    def fill(self, text: str, form: str = "") -> str:
        """A text with its slots filled and its verbs in the hero's form, or in the one asked for."""
        while slot := _SLOT.search(text):  # from the left: "{pair}" changes who "{he}" is
            before = self._verbs(text[: slot.start()], form)
            text = before + self._value(slot[1]) + text[slot.end() :]
        return self._verbs(text, form)

    def _verbs(self, text: str, form: str) -> str:
        return _VERB.sub(lambda verb: self._inflected(verb[1], form), text)

    def _inflected(self, verb: str, form: str) -> str:
        if form == "base":
            return verb
        if form == "ing":
            return inflected(verb, "VBG")
        if self.who == "they":
            return "are" if verb == "be" else verb
        return inflected(verb, "VBZ")

    def _value(self, slot: str) -> str:
        article, _, name = slot.rpartition(" ")
        if name in _PRONOUNS["he"]:
            return _PRONOUNS[self.who][name]
        special = {
            "hero": self._hero,
            "pair": self._pair,
            "place": self._where,
            "Place": self._where,
            "town": self._town,
        }
        if name in special:
            return special[name]()
        if name in ("goal", "goals", "going"):
            return self._goal({"goal": "base", "goals": "", "going": "ing"}[name])
        entry = _of_a_kind(self.fill(self._pick(name)))[0]
        return with_article(entry) if article in ("a", "an") else entry

    def _goal(self, form: str) -> str:
        goal = self._pick("goal")
        verb, _, rest = goal.partition(" ")
        return f"{self._inflected(verb, form)} {self._with_subjects(rest, form)}"

    def _with_subjects(self, text: str, form: str) -> str:
        """Verbs right behind "{he}" are the hero's own, whatever form the goal is in."""
        parts = re.split(r"(\{he\} (?:\w+ )?\[[^\]]+\])", text)
        return "".join(self.fill(part, "" if part.startswith("{he}") else form) for part in parts)

    def _pick(self, name: str) -> str:
        entries: Sequence[str] | None = self.writer.own.get(name) or self.writer.shared.get(name)
        if not entries:
            raise UserError(f"the plots of {self.writer.genre} have no slot '{name}'")
        return self.rng.choice(entries)

    def _hero(self) -> str:
        hero, trait = self.hero, self._pick("trait") if self.rng.random() < TRAIT else ""
        count = _COUNT.match(hero)
        if self.who == "they":
            front, rest = (count[0], hero[count.end() :]) if count else ("", hero)
            return f"{front}{trait} {rest}" if trait else hero
        return with_article(f"{trait} {hero}".strip())

    def _pair(self) -> str:
        hero = self._hero()
        companion = f"{_PRONOUNS[self.who]['his']} {self._pick('companion')}"
        self.who = "they"
        return f"{hero} and {companion}"

    def _where(self) -> str:
        if self.place:
            return ""  # a sentence says it once
        self.place = self.rng.choice(list(self.writer.everywhere))
        return self.writer.everywhere[self.place]

    def _town(self) -> str:
        if self.place:
            return "another town"
        names = [label for label in self.writer.everywhere if label[0].isupper()]
        self.place = self.rng.choice(names)
        return self.place


def _of_a_kind(entry: str) -> tuple[str, str]:
    name, _, kind = entry.partition("|")
    return name.strip(), kind.strip()
