"""Which drawings may be counted, paired, coloured or turned. Whatever could make a caption untrue is left out.

* Nothing is shown whose name nobody would say: what is written on a key or a button, "black hole" in another colour.
* A *thing* is a drawing of one visible thing (it has a noun) with a plain singular name: no flag, no symbol, no
  letters or numbers, no face and no person, no clock that shows a time, nothing whose name is a plural, a number,
  several things, a size or a position.
* Only things are counted and paired. What has no plural ("rice") or what there is one of ("moon") is no thing.
* Coloured are things whose name has no colour in it, unless it is "<colour> <noun>" and no animal ("red apple" → "a
  blue apple", but a red panda stays red), and silhouettes of any kind. Faces, people, flags and what lies on a disc
  keep their colours.
* Turned are faces and things that stand (animals, vehicles, buildings, cups, trees), where it can be seen.
"""

from __future__ import annotations

import re

from fromnoise.data.world.drawing import Drawing
from fromnoise.data.world.words import in_full, one_thing

NO_THINGS = frozenset({"flags", "symbols", "component", "smileys-emotion", "people-body"})
NO_THING_SUBGROUPS = frozenset({"time", "place-map", "alphanum", "keycap", "money", "country-flag"})
_TIMEPIECES = frozenset({"clock", "watch", "hourglass", "stopwatch", "alarm clock", "timer"})
_COLOUR = re.compile(
    r"\b(red|orange|yellow|green|blue|purple|pink|brown|black|white|gr[ae]y|teal|golden|gold|silver|dark|light|beige|"
    r"violet|cyan|turquoise|magenta|crimson|scarlet|navy|maroon|tan|cream|colou?red|colou?rful|bronze|polar|rainbow)\b"
)
# Things that are named for their colour, or that are no such thing in another one.
_OWN_COLOUR = frozenset({"orange", "goldfish", "rainbow", "blackboard", "blueberry", "bluebird", "gold", "chocolate",
                         "whiteboard"})  # fmt: skip
# Names that nobody would say or type: what is on a key or a button, in brackets or in another script, and a slur.
_NOT_SAID = re.compile(r"[(“!#*]|^keycap |^input |^new hampshire|^slave$")
# Silhouettes are shown in any colour, but a hole that is black and a bar of gold have theirs.
_OF_ITS_COLOUR = re.compile(r"^(black|gold|silver) (?!mine)")
# Names as people say them, for those that a set of drawings words otherwise.
_SAID_AS = {
    "rolling on the floor laughing": "face rolling on the floor laughing",
    "umbrella on ground": "umbrella on the ground", "dices": "dice", "rolling dices": "rolling dice",
    "dice six faces": "six-sided dice", "dice twenty faces": "twenty-sided dice", "sushis": "sushi",
    "makeups": "makeup", "spoted flower": "spotted flower", "pestle mortar": "mortar and pestle",
    "hammer sickle": "hammer and sickle", "mirror mirror": "mirror", "skull crossed bones": "skull and crossbones",
    "copyright": "copyright sign", "registered": "registered sign", "trade mark": "trade mark sign",
    "high voltage": "high voltage sign", "wireless": "wireless sign", "cinema": "cinema sign",
    "currency exchange": "currency exchange sign", "mobile phone off": "mobile phone off sign",
    "cable stayed bridge": "cable-stayed bridge", "bridge tied arch": "tied-arch bridge", "trouser": "trousers",
    "fork crossing knife": "crossed fork and knife", "globe showing americas": "globe showing the americas",
}  # fmt: skip
_SHOWS_SIGNS = re.compile(
    r"\b(sign|button|elevator|calendar|keyboard|letter|number|abacus|ticket|newspaper|book|banknote|label)\b"
)
# Words that other sets use as names and that say nothing or more than is there.
_BAD_NAME = re.compile(r"\d|^(?:.{0,2}|.{40,})$|[^a-z '-]|\bsymbol\b|\bemoji\b|\bicon\b")
# Names that say size or position themselves, which ours would contradict.
_SAYS_ITSELF = re.compile(
    r"\b(tiny|small|little|medium|big|large|huge|giant|left|right|up|down|upside|tilted|top|bottom|behind|"
    r"single|double|pair|pile|bunch|group|stack)\b"
)
# What stands, so that one sees it lie or hang: no flower, no shovel.
_STANDS = re.compile(
    r"^(animal-|transport-|place-building|place-religious|food-sweet|drink|dishware|plant-other|household)"
)
_STANDING = frozenset(
    """house tree car bottle cup mug lamp chair table sofa dog cat horse cow pig bird fish rabbit bear lion tiger
    elephant bus truck bicycle motorcycle train boat ship tower castle church robot snowman teapot vase candle cake
    umbrella cactus mushroom pineapple penguin owl duck chicken frog fox wolf monkey mouse kangaroo
    giraffe camel""".split()  # noqa: SIM905
)
# Hands that put every thing on a disc in a colour, which would be taken for the thing's.
ON_A_DISC = frozenset({"kameleon", "kameleon-duo"})
_FACES = ("face", "cat-face", "monkey-face")
_FACE_WORD = re.compile(r"\b(face|head|poo|cat|monkey|skull|ghost|robot|alien|clown|devil|ogre|goblin|monster|imp)\b")


def may_be_said(drawing: Drawing) -> bool:
    """Whether a drawing has a name that a person might say of it as it is shown."""
    if drawing.kind == "silhouette" and _OF_ITS_COLOUR.search(drawing.name):
        return False
    return drawing.group == "flags" or not _NOT_SAID.search(drawing.name)


def names_a_colour(name: str) -> bool:
    """Whether a name says a colour itself: "red apple"."""
    return bool(_COLOUR.search(name))


def is_face(drawing: Drawing) -> bool:
    """Whether a drawing shows a face with an expression."""
    return drawing.kind == "face" or (drawing.kind == "colour" and drawing.subgroup.startswith(_FACES))


def is_thing(drawing: Drawing) -> bool:
    """Whether a drawing shows one countable thing."""
    name = _said_as(drawing)
    if not drawing.noun or drawing.kind not in ("colour", "silhouette") or not one_thing(name):
        return False
    if drawing.group in NO_THINGS or _SAYS_ITSELF.search(drawing.name):
        return False
    return drawing.subgroup not in NO_THING_SUBGROUPS or drawing.name in _TIMEPIECES


def may_recolour(drawing: Drawing) -> bool:
    """Whether a drawing may be shown in a named colour."""
    if not drawing.body or drawing.style in ON_A_DISC:
        return False
    return drawing.kind == "silhouette" or (is_thing(drawing) and bool(names(drawing, True)))


def may_turn(drawing: Drawing) -> bool:
    """Whether a drawing may be turned; whether one sees it is measured."""
    if is_face(drawing):
        return not _SAYS_ITSELF.search(drawing.name)
    if not is_thing(drawing) or _SHOWS_SIGNS.search(drawing.name):
        return False
    return bool(_STANDS.match(drawing.subgroup)) or (not drawing.subgroup and drawing.noun in _STANDING)


def names(drawing: Drawing, recoloured: bool = False) -> tuple[str, ...]:
    """The names that are true of a drawing, its own first; () where it cannot be named in another colour."""
    own = _said_as(drawing)
    if recoloured and drawing.kind != "silhouette":
        own = _without_colour(drawing)
    good = [name for name in drawing.alt if not _BAD_NAME.search(name) and one_thing(name) == one_thing(own)]
    if is_face(drawing):  # "smiling" alone names no face, and neither does "star-struck"
        own = own if _FACE_WORD.search(own) else f"{own} face"
        good = [name for name in good if _FACE_WORD.search(name)]
    if recoloured:
        good = [name for name in good if not _COLOUR.search(name)]
    return tuple(dict.fromkeys([own, *good])) if own else ()


def words(drawing: Drawing, recoloured: bool = False) -> tuple[str, ...]:
    """The keywords that are true of a drawing."""
    return tuple(word for word in drawing.keywords if not (recoloured and _COLOUR.search(word)))


def _said_as(drawing: Drawing) -> str:
    """A drawing's own name, in full and as people say it."""
    if drawing.subgroup == "zodiac":  # "gemini" alone may be twins, and "cancer" an illness
        return f"{drawing.name} zodiac sign"
    return _SAID_AS.get(drawing.name) or in_full(drawing.name)


def thing_of(drawing: Drawing) -> str:
    """What combinations are told by: equal for drawings of one thing by any hand."""
    return drawing.noun or drawing.name


def _without_colour(drawing: Drawing) -> str:
    name, noun = _said_as(drawing), drawing.noun
    if noun in _OWN_COLOUR or name in _OWN_COLOUR:
        return ""
    if not _COLOUR.search(name):
        return name
    first, _, rest = name.partition(" ")
    return rest if rest and rest == noun and _COLOUR.fullmatch(first) and drawing.group != "animals-nature" else ""
