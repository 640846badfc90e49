"""English for captions: articles, plurals, numbers, and which names one may count."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from fromnoise.ground.errors import missing_packages
from fromnoise.ground.wording import with_article

NUMBERS = ("no", "one", "two", "three", "four", "five")
_PLAIN = re.compile(r"^[a-z][a-z '-]*[a-z]$")
_MANY = re.compile(
    r"^(two|three|four|five|six|pair of|group of|bunch of|several|many) |\b(and|with|in|on|at|for|to|or|no)\b"
    r"|\b(above|behind)\b|^(men|women|people)\b(?!')"
)
# What comes after one of these says more of what stands before it.
_SAYS_MORE = re.compile(r" (?:of|without|wearing|holding|showing|from) ")
_FOLLOWS = re.compile(r" (?:of|with|without|wearing|holding|showing|from|in|on|at|for|to|by|above|behind|over|under) ")
# Before what comes after these, emoji's names leave out the article: "person getting haircut", "cup with straw".
_ARTICLE_LEFT_OUT = re.compile(
    r" (with|in|on|behind|wearing|getting|taking|feeding|bouncing|rowing|raising|holding)"
    r" (?!an? |the |one |all |fingers |skis )"
)
_NO_ARTICLE_INSIDE = frozenset({"tongue", "mouth", "water", "bed", "yen", "fear", "ground", "phlegm", "spittle",
                                 "stardust", "stink"})  # fmt: skip
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
    mathematics physics chemistry dna petrol pottery paint dynamite gauze confetti steam asparagus choy hemp cannabis
    barley flax sesame compost incense sauce oden voltage liquid powder mascara lotion liqueur liquor brandy champagne
    nectar pesticide detergent poison slime foam froth goo ink ammo ammunition cutlery silverware flatware lingerie
    armor moonlight mist drizzle sleet haze quicksand metal handball lego shellfish yeast ore charcoal tissue blood
    sum charcuterie sweat spray cash fear polish varnish zzz exchange""".split()  # noqa: SIM905
)
_UNCOUNTED_NAMES = frozenset({"barbed wire", "cotton candy", "broken glass", "shattered glass", "cracked glass",
                              "canned fruit", "canned fish", "dumping ash in bin"})  # fmt: skip
# Of these one says "a" all the same; they are no things, since a drawing of one is of something larger or of several.
_YET_ONE = frozenset(
    """fish sheep deer battery globe bridge tower beach desert football basketball baseball volleyball cricket sunrise
    sunset motorway railway landslide ceremony landscape cityscape parking slider score wedding""".split()  # noqa: SIM905
)
# And of these where more is said of them: "moon", but "a full moon"; "night", but "a foggy night".
_ONE_OF_A_KIND = frozenset({"moon", "sun", "day", "night", "sky", "light", "fruit"})
_NAMED_THE = frozenset({"statue of liberty", "eiffel tower", "milky way", "great wall", "earth"})
_NAMED = frozenset({"santa claus", "mount fuji", "mx claus", "tokyo tower", "tower bridge", "saint basil cathedral"})


def split_head(name: str) -> tuple[str, str, str]:
    """What stands before the word that gets the plural, that word, and what stands after it.

    >>> split_head("red slice of pizza")
    ('red ', 'slice', ' of pizza')
    """
    more = _SAYS_MORE.search(name)
    front = name[: more.start()] if more else name
    before, space, head = front.rpartition(" ")
    return before + space, head, name[len(front) :]


@lru_cache(8192)
def plural(name: str) -> str:
    """The plural of a name, irregular ones too: "mouse" → "mice", "woman's hat" → "women's hats"."""
    before, head, after = split_head(name)
    return _OWNER.sub(lambda owner: owner[0].replace("man's", "men's"), before) + _plural_word(head) + after


@lru_cache(8192)
def one_thing(name: str) -> bool:
    """Whether "a" may stand before a name: plain words, singular, countable, one thing."""
    if name in _UNCOUNTED_NAMES or name in _NAMED or name in _NAMED_THE:
        return False
    head = split_head(name)[1]
    return bool(_PLAIN.match(name)) and not _MANY.search(name) and head not in _UNCOUNTED and not _is_plural(head)


@lru_cache(8192)
def article(name: str) -> str:
    """What is said before a name of which there is one: "a", "the", or "" as before "rice" and "scissors".

    >>> article("apple"), article("cloud with rain"), article("eiffel tower"), article("grapes")
    ('a', 'a', 'the', '')
    """
    if name in _NAMED_THE:
        return "the"
    if one_thing(name):
        return "a"
    follows = _FOLLOWS.search(name)
    front = name[: follows.start()] if follows else name
    head = front.rpartition(" ")[2]
    if name in _UNCOUNTED_NAMES | _NAMED or not _PLAIN.match(front) or _SEVERAL.search(front) or _is_plural(head):
        return ""
    if head in _YET_ONE or (head in _ONE_OF_A_KIND and head != name):
        return "a"
    return "" if head in _UNCOUNTED else "a"


@lru_cache(8192)
def in_full(name: str) -> str:
    """A name with the articles that emoji's names leave out.

    >>> in_full("person getting haircut"), in_full("cloud with rain"), in_full("face with raised eyebrow")
    ('person getting a haircut', 'cloud with rain', 'face with a raised eyebrow')
    """
    front, *rest = _ARTICLE_LEFT_OUT.split(name)
    for word, what in zip(rest[::2], rest[1::2], strict=True):
        one = one_thing(what) and what not in _NO_ARTICLE_INSIDE
        front += f" {word} {with_article(what) if one else what}"
    return front


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


# Not said with "a": "fork and knife", "two hearts", "men wrestling".
_SEVERAL = re.compile(r"^(two|three|four|five|six|pair of|several|many) |\band\b|^(men|women|people)\b(?!')")
_OWNER = re.compile(r"\b(wo)?man's ")
# Where the tables differ from how people speak.
_PLURALS = {"ox": "oxen", "octopus": "octopuses", "cactus": "cacti", "hippopotamus": "hippopotamuses",
            "platypus": "platypuses",
            "walrus": "walruses", "crocus": "crocuses", "fungus": "fungi", "trophy": "trophies", "person": "people",
            "dwarf": "dwarfs", "yo-yo": "yo-yos", "squid": "squids", "shrimp": "shrimps", "bison": "bison",
            "die": "dice", "reindeer": "reindeer", "rhinoceros": "rhinoceroses", "dodo": "dodos", "radar": "radars",
            "blowfish": "blowfish", "angelfish": "angelfish", "porcupinefish": "porcupinefish", "halo": "halos",
            "flamingo": "flamingos", "tuba": "tubas", "casino": "casinos", "pimiento": "pimientos",
            "sarcophagus": "sarcophagi", "trouser": "trousers"}  # fmt: skip
_SINGULAR = frozenset(
    """bus gas lens cactus octopus bonus compass canvas iris walrus christmas dress glass abacus fleur-de-lis""".split()  # noqa: SIM905
)
_PLURAL = frozenset(
    """scissors pants trousers shorts jeans glasses goggles binoculars headphones dice pliers tongs shears clothes
    cattle bacteria maracas frames vapors sweatpants underpants barracks bolas pincers crossroads letters""".split()  # noqa: SIM905
)
