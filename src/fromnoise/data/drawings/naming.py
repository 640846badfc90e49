"""What an icon shows, in natural English: its name, noun, concept, class and exact facts."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from fromnoise.data.drawings.nouns import Nouns
from fromnoise.data.drawings.people import PEOPLE_GROUPS, person_facts, person_name
from fromnoise.data.drawings.sets import DrawingSet
from fromnoise.data.drawings.weather import weather_name
from fromnoise.data.stickers.names import Names, slug
from fromnoise.data.stickers.render import PALETTE
from fromnoise.data.world.drawing import Drawing

# Words that no drawing in one colour can be true to.
_COLOUR = re.compile(rf"^(?:(?:{'|'.join(sorted([*PALETTE, 'grey'], key=len, reverse=True))}) )+(?=\w)")
_COLOURS = re.compile(rf"\b({'|'.join([*PALETTE, 'grey', 'blond', 'rainbow flag', 'transgender flag'])})\b")
# Signs drawn beside, around or over the thing.
_ABSTRACT = re.compile(
    r"\b(circle|square|triangle|diamond|hexagon|octagon|pentagon|arrows?|outline|shape|letter|symbol|sign|emblem|number|"
    r"[a-z]|[0-9]+[a-z]*|top|bottom|left|right|up|down|slash|stripes?|lines?|dots?|pin|route|street|checkmark|cross|"
    r"flag|text|check|plus|minus|wifi|pound|dollar|yen|yuan|euro|baht|rupee|won|paragraph|list|question|exclamation|pixel|wide|under|beside|curb|genitalia|transit|dispenser|asterisk|droplet|prompt|"
    r"impacts?|shot|bite|breath|freeze|force|swing|drain|slices?|ally|figure|targets?|path|screen|card|pips|venus|mars|"
    r"(?:coffin|briefcase|stone|bag|machine|cover|terminal|mountain|hut) with)\b"
)
_GENDER = re.compile("(^|-)(1f468|1f469|1f9d1|2640|2642|200d)(?=-|$)")
_NO_COLOUR_OF_ITS_OWN = ("white board", "black hole", "black cat", "orange juice", "red cross", "orange")


@cache
def rules() -> dict[str, Any]:
    """Hand-made names: what words that are no noun, or the wrong one, should say; null drops an icon."""
    found: dict[str, Any] = json.loads((resources.files(__package__) / "rules.json").read_text(encoding="utf-8"))
    return found


def nouns_of(wordnet: Path) -> Nouns:
    """WordNet's visible things, and what the rules say of them."""
    return Nouns(wordnet, frozenset(rules()["not_seen"]), frozenset(rules()["seen"]))


class LeftOutError(Exception):
    """An icon without a true name; the message says why."""


class Naming:
    """Gives icons their names.

    Args:
        names: what code points are called.
        nouns: WordNet's nouns for visible things.
    """

    def __init__(self, names: Names, nouns: Nouns) -> None:
        self._names, self._nouns = names, nouns
        self._key_of_concept = self._concepts_of_emoji()

    def emoji(self, key: str, one_colour: bool) -> Drawing:
        """What an emoji shows.

        Raises:
            LeftOutError: it is no picture of its own (a letter of a flag, a skin tone).
        """
        group, subgroup = self._names.groups.get(key, ("component", ""))
        if group == "component":
            raise LeftOutError("part of an emoji")
        called = self._names.caption(key).lower().replace("’", "'")
        said = {k.replace("’", "'"): v for k, v in rules()["emoji"].items()}
        name = said[called] if called in said else _flag(called) if group == "flags" else person_name(called)
        if one_colour:
            name = uncoloured(name)
            if _COLOURS.search(name) and name not in _NO_COLOUR_OF_ITS_OWN:
                raise LeftOutError("told by its colour")
        kind = _kind(group, subgroup, name)
        noun = "" if kind == "symbol" else self._nouns.head(name)
        return Drawing(
            name, noun, self._alternatives(key, name), tuple(dict.fromkeys(self._names.keywords.get(key, []))), key=key,
            group=group, subgroup=subgroup, kind=kind, attributes=self._facts(key, kind, name),
        )  # fmt: skip

    def clip_art(self, words: str, chosen: DrawingSet) -> Drawing:
        """What an icon of this name shows.

        Raises:
            LeftOutError: the name is not that of a visible thing.
        """
        said = {**rules()["clip_art"], **rules()["styles"].get(chosen.style, {})}
        name = said.get(words, words)
        if name is None:
            raise LeftOutError("says something else")
        if chosen.one_colour:
            name = uncoloured(name)
        key = self._names.exact(name)
        if key and self._names.groups.get(key, ("symbols",))[0] in ("symbols", "flags", "component"):
            raise LeftOutError("sign")
        if key and words not in said:
            if name in rules()["emoji"]:  # the emoji's name says something else, or more than an icon shows
                raise LeftOutError("no noun")
            return self.emoji(key, chosen.one_colour)
        if words not in said and not self._nouns.thing(name) and not (chosen.described and self._describes(name)):
            raise LeftOutError("no noun")
        return self._thing(name)

    def _describes(self, name: str) -> bool:
        return len(name.split()) <= 5 and not _ABSTRACT.search(name) and self._nouns.is_description(name)

    def weather(self, words: str) -> Drawing:
        """What a drawing of the weather shows.

        Raises:
            LeftOutError: a sign, a chart or a scale.
        """
        name, facts = weather_name(words, rules()["weather"])
        if not name:
            raise LeftOutError("sign")
        found = self._thing(name)
        return Drawing(
            name, found.noun, key=found.key, group="travel-places", subgroup="sky-weather", attributes=facts,
        )  # fmt: skip

    def concept(self, drawing: Drawing) -> str:
        """What must not be trained on in one drawing when another one is held out: all that shows the same thing."""
        if drawing.subgroup in PEOPLE_GROUPS:
            return f"person:{_GENDER.sub('', drawing.key).strip('-') or drawing.noun}"
        is_sign = drawing.kind in ("face", "symbol") or drawing.subgroup.startswith(("face-", "cat-", "monkey-"))
        return f"thing:{self._nouns.concept(drawing.noun)}" if drawing.noun and not is_sign else drawing.key

    def _thing(self, name: str) -> Drawing:
        noun = self._nouns.head(name)
        whole = self._nouns.thing(name)
        concept = slug(whole.words[0] if whole else name)
        key = self._names.exact(name) or self._key_of_concept.get(concept, f"name:{concept}")
        group, subgroup = self._names.groups.get(key, (self._nouns.group(noun), ""))
        several = ("several",) if noun and self._nouns.is_several(name) else ()
        return Drawing(
            name, noun, self._alternatives(key, name), tuple(dict.fromkeys(self._names.keywords.get(key, []))), key=key,
            group=group, subgroup=subgroup, attributes=several,
        )  # fmt: skip

    def _concepts_of_emoji(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for key, name in self._names.names.items():
            if self._names.groups.get(key, ("symbols",))[0] in ("symbols", "flags", "component"):
                continue
            if (thing := self._nouns.thing(name.lower())) and not self._names.is_toned(key):
                found.setdefault(slug(thing.words[0]), key)
        return found

    def _alternatives(self, key: str, name: str) -> tuple[str, ...]:
        """Other names of a code point that WordNet takes for the same thing."""
        own = self._nouns.thing(name)
        if own is None:
            return ()
        others = (other.lower() for other in [self._names.caption(key), *self._names.alternatives(key)])
        return tuple(dict.fromkeys(o for o in others if o != name and self._nouns.thing(o) is own))

    def _facts(self, key: str, kind: str, name: str) -> tuple[str, ...]:
        if kind == "person":
            return person_facts(key, name)
        if kind == "face":
            return _face_facts(name)
        return ("several",) if kind != "symbol" and self._nouns.is_several(name) else ()


def uncoloured(name: str) -> str:
    """A name without the colour that a drawing in one colour cannot show: "red apple" → "apple"."""
    return name if name in _NO_COLOUR_OF_ITS_OWN else _COLOUR.sub("", name)


def _kind(group: str, subgroup: str, name: str) -> str:
    if group == "symbols" or (group == "flags" and subgroup != "flag") or subgroup == "emotion":
        return "symbol"
    if subgroup in ("cat-face", "monkey-face") or (subgroup.startswith("face-") and re.search(r"face|head\b", name)):
        return "face"
    if (
        group == "smileys-emotion"
        and subgroup.startswith("face-")
        and subgroup not in ("face-costume", "face-negative")
    ):
        return "face"
    return "person" if subgroup in PEOPLE_GROUPS else "colour"


def _face_facts(name: str) -> tuple[str, ...]:
    """What a face looks like: "smiling face with halo" → ("smiling", "halo")."""
    front, _, rest = name.partition(" with ")
    look = re.sub(r"\b(face|cat|monkey|head)\b", "", front).strip()
    return tuple(fact for fact in (" ".join(look.split()), *rest.split(" and ")) if fact)


def _flag(called: str) -> str:
    return f"flag of {called.removeprefix('flag: ')}" if called.startswith("flag: ") else called
