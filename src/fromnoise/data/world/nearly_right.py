"""Captions that are nearly right: one thing in them is said wrong. CLIP learns to tell them from the right ones.

Contrast within a batch seldom asks for colours, counts or order: naming the thing is enough to find a picture among
128. So CLIP may read a caption as a bag of words (Yuksekgonul et al. 2023, arXiv 2210.01936, who add such captions).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fromnoise.data.stickers.render import PALETTE
from fromnoise.data.world.chance import Chance
from fromnoise.ground.wording import with_article

_SAME = {"grey": "gray", "navy blue": "dark blue", "sky blue": "light blue"}
# One of a group's words for another of its words is wrong.
_GROUPS: tuple[tuple[str, ...], ...] = (
    (*PALETTE, *_SAME),
    ("two", "three", "four", "five"),
    ("2", "3", "4", "5"),
    ("on the left", "on the right", "at the top", "at the bottom", "in the middle"),
    (
        "in the sky",
        "at night",
        "on the grass",
        "by the sea",
        "in the snow",
        "in the desert",
        "on a street",
        "in a room",
    ),
)
# Each of these for the other, both ways.
_OPPOSITES = (
    ("tiny", "huge"), ("very small", "very big"), ("small", "big"), ("little", "large"),
    ("to the left of", "to the right of"), (" left of", " right of"), ("above", "below"),
    ("in front of", "behind"), ("happy", "sad"), ("young", "old"),
)  # fmt: skip
_SWAPS = {**dict(_OPPOSITES), **{b: a for a, b in _OPPOSITES}, "on top of": "under"}  # "under the stars" is a place
_WRONG = {word: group for group in _GROUPS for word in group}
_FACT = re.compile(
    r"(?<![\w-])(?:" + "|".join(sorted(map(re.escape, {**_SWAPS, **_WRONG}), key=len, reverse=True)) + r")(?![\w-])"
)
_ARTICLE = re.compile(r"\b(an?) $")


def nearly_right(caption: str, chance: Chance) -> str:
    """A caption in which one fact is another one, or the colours of two things are exchanged; "" where it has none.

    >>> nearly_right("two red apples", Chance(3)), nearly_right("a cat", Chance(0))
    ('four red apples', '')
    """
    options: list[str | re.Match[str]] = [*_exchanged(caption), *_facts(caption)]
    if not options:
        return ""
    found = chance.pick(options)
    if isinstance(found, str):
        return found
    word = found.group()
    return _put(caption, found, _SWAPS[word] if word in _SWAPS else chance.pick(_others(word)))


def _facts(caption: str) -> list[re.Match[str]]:
    return list(_FACT.finditer(caption))


def _exchanged(caption: str) -> Iterator[str]:
    """Two things with each other's colours; which end of a gradient is which hardly matters."""
    found = [match for match in _facts(caption) if match.group() in _GROUPS[0]]
    if len(found) == 2 and "gradient" not in caption and _same(found[0].group()) != _same(found[1].group()):
        later = _put(caption, found[1], found[0].group())
        yield _put(later, found[0], found[1].group())


def _others(word: str) -> list[str]:
    """What may stand for a word; "red" is no mistake for "dark red"."""
    return [other for other in _WRONG[word] if _same(other).split()[-1] != _same(word).split()[-1]]


def _same(word: str) -> str:
    return _SAME.get(word, word)


def _put(caption: str, found: re.Match[str], word: str) -> str:
    """The caption with another word in a place, and the article before it as that word wants it."""
    before, after = caption[: found.start()], caption[found.end() :]
    article = _ARTICLE.search(before)
    if article is None:
        return before + word + after
    return before[: article.start()] + with_article(word) + after
