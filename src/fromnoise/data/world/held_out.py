"""Combinations that are kept for tests: whoever draws them has combined, not copied. Decided by hash, everywhere alike.

Concepts (2 %) and pairs of concept and style (5 %) are held out by the drawings' own ``split``
(:mod:`fromnoise.data.splits`); the combinations by what is here.
"""

from __future__ import annotations

from fromnoise.data.splits import hashed_share
from fromnoise.data.world.description import Description

COMBINATIONS_HELD_OUT = 0.10
_SAME_BOTH_WAYS = frozenset({"and", "beside"})


def held_out_colour(colour: str, thing: str) -> bool:
    """Whether a thing is never given this colour in training."""
    return hashed_share("colour", colour, thing) < COMBINATIONS_HELD_OUT


def held_out_count(count: int, thing: str) -> bool:
    """Whether this many of a thing, two or more, are never shown in training."""
    return count > 1 and hashed_share("count", str(count), thing) < COMBINATIONS_HELD_OUT


def held_out_relation(relation: str, first: str, second: str) -> bool:
    """Whether two things never stand so to each other in training; "and" and "beside" are one, either way round."""
    if relation in _SAME_BOTH_WAYS:
        relation, (first, second) = "and", sorted((first, second))
    return bool(relation) and hashed_share("relation", relation, first, second) < COMBINATIONS_HELD_OUT


def held_out(description: Description) -> list[tuple[str, ...]]:
    """The held-out combinations in a picture, e.g. ("colour", "blue", "dog")."""
    found: list[tuple[str, ...]] = []
    for thing in description.things:
        if thing.colour and held_out_colour(thing.colour, thing.thing):
            found.append(("colour", thing.colour, thing.thing))
        if held_out_count(thing.count, thing.thing):
            found.append(("count", str(thing.count), thing.thing))
    if len(description.things) == 2:
        first, second = (thing.thing for thing in description.things)
        if held_out_relation(description.relation, first, second):
            found.append(("relation", description.relation, first, second))
    return found
