"""English for captions: articles, plurals, numbers, and which names one may count."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from fromnoise.ground.errors import missing_packages

NUMBERS = ("no", "one", "two", "three", "four", "five")
_PLAIN = re.compile(r"^[a-z][a-z '-]*[a-z]$")
_MANY = re.compile(
    r"^(two|three|four|five|six|pair of|group of|bunch of|several|many) |\b(and|with|in|on|at|for|to|or|no)\b"
)
# What has no plural, what there is one of, and what a drawing of it shows several of.
_UNCOUNTED = frozenset(
    """rice bread money water hair fog wind moon sun earth globe world fire smoke snow rain lightning sand honey butter
    milk sugar salt soup tea coffee wine beer juice sake meat bacon beef pork ham poultry fish sheep deer seafood
    pasta spaghetti cheese chocolate popcorn corn garlic ginger tofu sushi toast lettuce spinach broccoli cabbage
    celery parsley grass wheat straw cotton wool silk leather paper cash music sound light darkness dust dirt mud
    ice hail weather sky space air gas oil wood lava equipment furniture luggage baggage jewelry clothing underwear
    news information mail traffic litter garbage trash waste laundry makeup sunscreen toothpaste soap shampoo
    medicine sunrise sunset dawn dusk night day noon midnight landscape beach desert mountains ocean sea sport
    sports tennis golf hockey football soccer basketball baseball volleyball rugby cricket lacrosse badminton chess
    bowling archery fishing judo karate surfing skiing dancing swimming cycling love peace luck death health food
    fruit poop ramen curry dough flour yogurt jam ketchup mustard mayonnaise tempura odango dango software data
    hardware yarn thread rope cityscape foggy wedding camping fireworks firework decreasing increasing departure
    arrival landing art construction pong ceremony fuji liberty tower way bridge railway volume mode battery signal
    slider motorway landslide score seaweed bamboo coral ivy moss parking shopping help search settings analytics
    mathematics physics chemistry""".split()  # noqa: SIM905
)


def split_head(name: str) -> tuple[str, str, str]:
    """What stands before the word that gets the plural, that word, and what stands after it.

    >>> split_head("red slice of pizza")
    ('red ', 'slice', ' of pizza')
    """
    front, of, rest = name.partition(" of ")
    before, space, head = front.rpartition(" ")
    return before + space, head, of + rest


@lru_cache(8192)
def plural(name: str) -> str:
    """The plural of a name, irregular ones too: "mouse" → "mice", "glass of milk" → "glasses of milk"."""
    before, head, after = split_head(name)
    return before + _plural_word(head) + after


@lru_cache(8192)
def one_thing(name: str) -> bool:
    """Whether "a" may stand before a name: plain words, singular, countable, one thing."""
    head = split_head(name)[1]
    return bool(_PLAIN.match(name)) and not _MANY.search(name) and head not in _UNCOUNTED and not _is_plural(head)


def _forms() -> Any:
    """The package that knows the forms of words; it reads its tables when first asked.

    Raises:
        UserError: it is missing.
    """
    try:
        import lemminflect
    except ImportError as error:
        raise missing_packages("telling plurals needs more packages", "train") from error
    return lemminflect


def _plural_word(word: str) -> str:
    if word in _PLURALS:
        return _PLURALS[word]
    stem, hyphen, last = word.rpartition("-")
    found = _forms().getInflection(last, "NNS")
    return stem + hyphen + (found[0] if found else f"{last}s")


def _is_plural(word: str) -> bool:
    if word in _SINGULAR:
        return False
    if word in _PLURAL:
        return True
    last = word.rpartition("-")[2]
    lemma = _forms().getLemma(last, "NOUN")
    return bool(lemma) and last not in lemma and last != lemma[0] and last[-2:] != "ss"


# Where the tables differ from how people speak.
_PLURALS = {"ox": "oxen", "octopus": "octopuses", "cactus": "cacti", "hippopotamus": "hippopotamuses",
            "platypus": "platypuses",
            "walrus": "walruses", "crocus": "crocuses", "fungus": "fungi", "trophy": "trophies", "person": "people",
            "dwarf": "dwarfs", "yo-yo": "yo-yos", "squid": "squids", "shrimp": "shrimps", "bison": "bison"}  # fmt: skip
_SINGULAR = frozenset(
    """bus gas lens cactus octopus bonus compass canvas iris walrus christmas dress glass abacus""".split()  # noqa: SIM905
)
_PLURAL = frozenset(
    """scissors pants trousers shorts jeans glasses goggles binoculars headphones dice pliers tongs""".split()  # noqa: SIM905
)
