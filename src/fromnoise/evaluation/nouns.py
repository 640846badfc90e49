"""The words that are asked in combination: plain nouns, each with the caption of its real pictures."""

from __future__ import annotations

from dataclasses import dataclass

from fromnoise.evaluation.bench import Bench


@dataclass(frozen=True)
class Noun:
    """A word for a thing.

    Attributes:
        word, plural: as asked.
        caption: of its real pictures.
    """

    word: str
    plural: str
    caption: str


def _noun(word: str, caption: str = "", plural: str = "") -> Noun:
    return Noun(word, plural or f"{word}s", caption or word)


COLOURED = (  # things that come in any colour
    _noun("car", "automobile"), _noun("apple", "red apple"), _noun("bird"), _noun("umbrella"), _noun("fish"),
    _noun("flower", "tulip"), _noun("balloon"), _noun("house"), _noun("butterfly"), _noun("book", "closed book"),
    _noun("dress"), _noun("backpack"),
)  # fmt: skip
COUNTED = (  # things of one piece
    _noun("apple", "red apple"), _noun("star"), _noun("fish", plural="fish"), _noun("balloon"), _noun("cat"),
    _noun("car", "automobile"), _noun("ball", "soccer ball"), _noun("flower", "tulip"), _noun("bird"),
    _noun("cookie"),
)  # fmt: skip
PAIRED = (
    "banana", "basketball", "bell", "butterfly", "cactus", "camera", "carrot", "cat", "crab", "guitar", "hammer",
    "house", "key", "lemon", "mushroom", "penguin", "pizza", "red apple", "rocket", "sailboat", "snail", "sunflower",
    "turtle", "umbrella",
)  # fmt: skip


def real_of(bench: Bench, caption: str) -> dict[str, int]:
    """Indices of the real pictures with a caption that the model was trained on, by style."""
    found: dict[str, int] = {}
    for i, r in enumerate(bench.records):
        if r.split == "train" and r.text.lower() == caption and r.style in bench.styles:
            found.setdefault(r.style, i)
    return found


def known(bench: Bench, nouns: tuple[Noun, ...], count: int) -> list[Noun]:
    """The first ``count`` nouns that the data has pictures of."""
    return [noun for noun in nouns if real_of(bench, noun.caption)][:count]
