"""Description → captions in several wordings, all of them true. What a picture does not show is never said.

Full captions say everything: what, how many, in what colour, size and position, how to each other, before what. The
others say less, as people do; none says anything else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import accumulate

from fromnoise.data.world.chance import Chance
from fromnoise.data.world.description import Description, Ground, Thing
from fromnoise.data.world.held_out import held_out_colour
from fromnoise.data.world.rules import names_a_colour
from fromnoise.data.world.words import NUMBERS, article, one_thing, plural
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.ground.wording import styled, with_article

_SIZES = {"tiny": ("tiny", "tiny", "very small"), "small": ("small", "little"), "big": ("big", "large"),
          "huge": ("huge", "huge", "very big", "giant")}  # fmt: skip
_COLOURS = {"gray": ("gray", "grey"), "dark blue": ("dark blue", "navy blue"), "light blue": ("light blue", "sky blue")}
_TURNS_BEFORE = {"upside down": ("upside-down",), "tilted": ("tilted", "slanted")}
_TURNS_AFTER = {
    "upside down": ("upside down", "turned upside down"),
    "tilted": ("that is tilted", "tilted to one side"),
}
_SCENES = {
    "sky": ("in the sky", "in front of a cloudy sky", "against a blue sky with clouds"),
    "night": ("at night", "under the stars", "in front of a starry night sky"),
    "grass": ("on the grass", "in a meadow", "on green grass"),
    "sea": ("by the sea", "on the beach", "at the seaside"),
    "snow": ("in the snow", "on snow", "in a snowy landscape"),
    "desert": ("in the desert", "on desert sand"),
    "street": ("on a street", "in the street", "on a city street"),
    "room": ("in a room", "inside a room", "indoors"),
}  # fmt: skip
# Of a picture in which the first is so to the second: {a} and {b} are the two, as phrases.
_RELATIONS = {
    "left of": ("{a} to the left of {b}", "{a} left of {b}", "{b} to the right of {a}",
                "{a} on the left and {b} on the right"),
    "above": ("{a} above {b}", "{b} below {a}", "{a} over {b}", "{a} at the top and {b} at the bottom"),
    "on": ("{a} on {b}", "{a} on top of {b}", "{b} with {a} on top", "{a} standing on {b}"),
    "in front of": ("{a} in front of {b}", "{b} behind {a}"),
    "beside": ("{a} next to {b}", "{a} beside {b}", "{b} next to {a}", "{a} and {b} side by side"),
    "and": ("{a} and {b}", "{a} and {b}", "{b} and {a}", "{a} with {b}"),
}  # fmt: skip
_WITH = ("skin", "hair", "glasses", "hat", "beard", "moustache", "earrings", "eyes", "mouth", "tears")
_PEOPLE = frozenset({"person", "man", "woman", "boy", "girl", "baby", "child"})
_GENDERED = re.compile(r"\b(men|women|prince|princess|mermaid|mrs|santa)\b")
_BEFORE = frozenset({"man", "woman", "boy", "girl", "male", "female", "young", "old", "older"})


@dataclass(frozen=True)
class WorldCaptions(Config):
    """Shares of the kinds of caption, which sum to 1, and how they are worded.

    Attributes:
        full: everything, exactly.
        less: the same without some of the facts.
        keywords: words that fit.
        style_only: only the hand.
        empty: nothing, for classifier-free guidance.
        style: share of the captions that name the hand; where there are two hands they are always named.
        synonym: share of the names that are another true one.
        own_colour: share of things in their own colour of which it is said.
    """

    full: float = 0.68
    less: float = 0.12
    keywords: float = 0.06
    style_only: float = 0.04
    empty: float = 0.10
    style: float = 0.6
    synonym: float = 0.25
    own_colour: float = 0.15

    def __post_init__(self) -> None:
        shares, rest = self.shares(), (self.style, self.synonym, self.own_colour)
        if min(shares) < 0 or abs(sum(shares) - 1) > 1e-6 or not all(0 <= share <= 1 for share in rest):
            raise UserError("WorldCaptions needs shares >= 0 that sum to 1, and style, synonym, own_colour within 0…1")

    def shares(self) -> tuple[float, ...]:
        """The five shares, in the order of the fields."""
        return (self.full, self.less, self.keywords, self.style_only, self.empty)


def caption(described: Description, mix: WorldCaptions | None = None, again: int = 0) -> str:
    """A caption of a picture; ``again`` counts how often it was asked for before, for other words each time."""
    mix = mix or WorldCaptions()
    chance = Chance(described.seed, described.number, "caption", again)
    kind = chance.weighted(("full", "less", "keywords", "style", "empty"), list(accumulate(mix.shares())))
    if kind == "empty":
        return ""
    if kind == "style" and len(described.styles) == 1 and described.styles[0]:
        return styled("", described.styles[0])
    if kind == "keywords" and len(described.things) == 1 and described.things[0].keywords:
        words = chance.shuffled(described.things[0].keywords)[: chance.pick((1, 2, 3, 4))]
        return styled(", ".join(words), described.styles[0] if chance(0.5) else "")
    return exact(_with_less(described, chance) if kind == "less" else described, chance, mix)


def exact(described: Description, chance: Chance | None = None, mix: WorldCaptions | None = None) -> str:
    """Everything that a description says, in words; without ``chance`` in the usual words and with the style."""
    phrases = Phrases(chance, mix or WorldCaptions())
    both = len(described.styles) > 1
    things = [phrases.thing(thing, "one" if described.kind == "counts" else "") for thing in described.things]
    if both:
        things = [styled(text, t.style) for text, t in zip(things, described.things, strict=True)]
    text = things[0] if len(things) == 1 else _related(described.relation, things, phrases, both)
    text = phrases.somewhere(text, described.things[0].place if len(things) == 1 else "")
    text = phrases.before(f"{text}," if both and described.ground.kind else text, described.ground)
    named = not both and (chance is None or chance(phrases.mix.style))
    return styled(text, described.styles[0] if named else "")


class Phrases:
    """Words for facts: the usual ones without ``chance``, others with it."""

    def __init__(self, chance: Chance | None, mix: WorldCaptions) -> None:
        self.chance, self.mix = chance, mix

    def pick(self, options: tuple[str, ...]) -> str:
        """One of several wordings, the first being the usual."""
        return self.chance.pick(options) if self.chance else options[0]

    def often(self, share: float) -> bool:
        """Whether something unusual is said."""
        return self.chance is not None and self.chance(share)

    def thing(self, thing: Thing, one: str = "") -> str:
        """ "a tiny blue cat upside down", "three cats"; ``one`` is said of a single one instead of "a"."""
        name = self.pick(thing.names[1:]) if len(thing.names) > 1 and self.often(self.mix.synonym) else thing.names[0]
        before, after = self._words(thing)
        if thing.count > 1:
            number = self.pick((NUMBERS[thing.count],) * 2 + (str(thing.count),))
            return " ".join([number, *before, plural(name), *after])
        phrase = " ".join([*before, name])
        if one:
            phrase = f"{self.pick(('one', 'one', '1', 'a single'))} {phrase}"
        elif article(name) == "the":
            phrase = f"the {phrase}"
        elif article(name) or _is_one_person(name):
            phrase = with_article(phrase)
        return " ".join([phrase, *after])

    def _words(self, thing: Thing) -> tuple[list[str], list[str]]:
        """What is said before the name and what after it."""
        before = [self.pick(_SIZES[thing.size])] if thing.size else []
        after = []
        if thing.turn and self.often(0.5):
            before.append(self.pick(_TURNS_BEFORE[thing.turn]))
        elif thing.turn:
            after.append(self.pick(_TURNS_AFTER[thing.turn]))
        if colour := thing.colour or self._own_colour(thing):
            word = self.pick(_COLOURS.get(colour, (colour,)))
            before.append(word)
        for fact in thing.attributes:
            _say(fact, thing.names[0], before, after)
        return before, after

    def _own_colour(self, thing: Thing) -> str:
        colour = thing.own_colour
        named = any(names_a_colour(name) for name in thing.names) if colour else True
        if named or not one_thing(thing.names[0]) or held_out_colour(colour, thing.thing):
            return ""
        return colour if self.often(self.mix.own_colour) else ""

    def somewhere(self, text: str, place: str) -> str:
        """With where in the picture it is."""
        if not place:
            return text
        other = place.replace("in the middle", "in the centre")
        return self.pick((f"{text} {place}", f"{place}, {text}", f"{text} {other}"))

    def before(self, text: str, ground: Ground) -> str:
        """With what is behind it."""
        if not ground.kind:
            return text
        if ground.kind == "scene":
            return f"{text} {self.pick(_SCENES[ground.scene])}"
        colours = [self.pick(_COLOURS.get(colour, (colour,))) for colour in ground.colours]
        if ground.kind == "gradient":
            a, b = colours
            return f"{text} {self.pick((f'on {with_article(a)} to {b} gradient', f'on a gradient from {a} to {b}'))}"
        name = with_article(f"{colours[0]} background")
        return self.pick((f"{text} on {name}", f"{text} on {name}", f"{text} against {name}", f"{text} with {name}"))


def _related(relation: str, things: list[str], phrases: Phrases, hands: bool) -> str:
    """Two phrases in one; with a hand named for each, a comma ends the first."""
    wording = phrases.pick(_RELATIONS[relation])
    if hands:
        first, second = sorted(("{a}", "{b}"), key=wording.index)
        wording = wording.replace(first, f"{first},", 1)
        wording = wording if wording.endswith(second) else wording.replace(second, f"{second},", 1)
    return wording.format(a=things[0], b=things[1])


def _say(fact: str, name: str, before: list[str], after: list[str]) -> None:
    """Say a fact that the name does not tell: plurals tell of several things, "women" of a woman, "hazy" of haze.

    "Several" would be untrue of a pair, and no thunderstorm is mostly clear.
    """
    if fact in name or fact in ("several", "mostly clear") or f"{fact.removesuffix('e')}y" in name:
        return
    if fact in _PEOPLE and _GENDERED.search(name):
        return
    if fact in _BEFORE:
        before.append(fact)
    elif fact.split()[-1] in _WITH:
        after.append(f"{'and' if any(a.startswith('with') for a in after) else 'with'} {fact}")
    else:
        before.append(fact) if " " not in fact else after.append(fact)


def _is_one_person(name: str) -> bool:
    """Whether a name that no rule of things allows is yet one person's or one face's: "face with tears of joy"."""
    words = name.split()
    if ":" in name or "and" in words or words[0] in ("two", "three"):
        return False
    return "face" in words or (not name.endswith("s") and (words[0] in _PEOPLE or "cat" in words))


def _with_less(described: Description, chance: Chance) -> Description:
    """The same picture, of which less is told. Colours in pairs stay or go together."""
    drops = chance.shuffled(("ground", "size", "colour", "place", "turn"))[: chance.pick((1, 2, 3))]
    things = described.things
    for name in drops:
        if name != "ground":
            things = tuple(Thing.from_dict({**thing.to_dict(), name: ""}) for thing in things)
    return replace(described, things=things, ground=Ground() if "ground" in drops else described.ground)
