"""People of the emoji: names without colons, and gender, age and hair as exact facts."""

from __future__ import annotations

import re

PEOPLE_GROUPS = (
    "person",
    "person-gesture",
    "person-role",
    "person-fantasy",
    "person-activity",
    "person-sport",
    "person-resting",
    "family",
    "person-symbol",
)
_GENDERS = {
    "man": "man", "men": "man", "boy": "boy", "merman": "man", "mermaid": "woman", "prince": "man", "princess": "woman",
    "woman": "woman", "women": "woman", "girl": "girl", "mrs.": "woman", "baby": "baby", "child": "child",
    "children": "child",
}  # fmt: skip
_HAIR = ("blond hair", "red hair", "curly hair", "white hair", "bald", "beard")
_COUPLE = {"kiss": "kissing", "couple with heart": "with a heart between them"}
_SEVERAL = {"man": "men", "woman": "women", "person": "people"}
_NUMBERS = ("", "a", "two", "three", "four")


def person_name(called: str) -> str:
    """CLDR's name of an emoji as people say it, lower case.

    "man: red hair" → "man with red hair", "family: man, woman, boy" → "family of a man, a woman and a boy".
    """
    front, colon, rest = called.partition(": ")
    if not colon:
        return called
    if front in _COUPLE:
        return f"{_pair(rest.split(', '))} {_COUPLE[front]}"
    if front == "family":
        return f"family of {_members(rest.split(', '))}"
    if front == "keycap":
        return f"keycap {rest}"
    if rest == "bald":
        return f"bald {front}"
    if rest == "beard":
        return f"{front} with a beard"
    return f"{front} {rest}" if rest.startswith("facing") else f"{front} with {rest}"


def person_facts(key: str, name: str) -> tuple[str, ...]:
    """Gender, age and hair, as far as the emoji says them.

    Args:
        key: code points; the signs for female and male count as much as the words.
        name: of :func:`person_name`.
    """
    words = re.findall(r"[a-z.]+", name)
    facts = [_GENDERS[word] for word in words if word in _GENDERS]
    parts = key.split("-")
    facts += ["woman"] * ("2640" in parts) + ["man"] * ("2642" in parts)
    facts += [hair for hair in _HAIR if hair in name]
    return tuple(dict.fromkeys(facts))


def _pair(people: list[str]) -> str:
    first, second = people
    return f"two {_SEVERAL.get(first, first)}" if first == second else f"{first} and {second}"


def _members(people: list[str]) -> str:
    found = []
    for one in dict.fromkeys(people):
        count = people.count(one)
        plural = "children" if one == "child" else _SEVERAL.get(one, f"{one}s")
        article = "an" if one[0] in "aeiou" else "a"
        found.append(f"{article} {one}" if count == 1 else f"{_NUMBERS[count]} {plural}")
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}"
