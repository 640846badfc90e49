"""Which pictures are held out: decided by hashes of the concept's key, so that every machine agrees."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable

CONCEPTS_HELD_OUT = 0.02
PAIRS_HELD_OUT = 0.05
FAMILIES_NEEDED = 4

# These show the same drawings in another dress; what is held out in one must not be trained on in another.
_FAMILY = {
    **{f"fluent-emoji{dress}": "fluent" for dress in ("", "-flat", "-3d", "-high-contrast")},
    "emojione-monotone": "emojione",
    **{f"{name}-flat": name for name in ("streamline", "plump", "flex", "sharp", "meteocons")},
    **{f"{name}-duo": name for name in ("kameleon", "stickies")},
}


def family(style: str) -> str:
    """The family of a style: styles of one family share their drawings."""
    return _FAMILY.get(style, style)


def split_of(key: str, style: str, families: int) -> str:
    """The split of one picture.

    Args:
        key: the concept.
        style: the picture's style.
        families: how many style families drew this concept.

    Returns:
        "test_concept" for 2 % of the concepts, "test_pair" for 5 % of the (concept, style family) pairs among
        concepts of at least four families, else "train".
    """
    if hashed_share("concept", key) < CONCEPTS_HELD_OUT:
        return "test_concept"
    if families >= FAMILIES_NEEDED and hashed_share("pair", key, family(style)) < PAIRS_HELD_OUT:
        return "test_pair"
    return "train"


def splits(pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """The split of every (key, style) pair of a set."""
    pairs = list(pairs)
    families: dict[str, set[str]] = defaultdict(set)
    for key, style in pairs:
        families[key].add(family(style))
    return {(key, style): split_of(key, style, len(families[key])) for key, style in pairs}


def hashed_share(*parts: str) -> float:
    """A number from 0 up to 1 that belongs to these words, on every machine."""
    digest = hashlib.sha256(":".join(parts).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
