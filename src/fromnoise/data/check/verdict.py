"""What came out of a look at a set of pictures, in plain words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

# Reasons by what is to be done about them: how one file and how several are told of, the commonest kinds first. Some
# are a decoder's own, in letters of any kind: "Truncated File Read".
_KINDS = (
    (r"no caption|has no text", "has no caption", "have no caption"),
    (r"no picture of that name|has no picture$", "has a caption, but no picture", "have a caption, but no picture"),
    (r"caption is empty", "has an empty caption", "have an empty caption"),
    (r"^same picture and caption", "is there twice, with the same words", "are there twice, with the same words"),
    (r"no line of metadata", "is not named by the list of its folder", "are not named by the list of their folder"),
    (r"file is empty", "is empty", "are empty"),
    (r"file is missing|leads nowhere|no such file", "is missing", "are missing"),
    (r"too long", "has a caption that is too long", "have a caption that is too long"),
    (
        r"UTF-8|valid Unicode|is no text",
        "has a caption that is no text in UTF-8",
        "have a caption that is no text in UTF-8",
    ),
    (r"truncated|damaged|cut off|broken|^it cannot be read", "is damaged", "are damaged"),
    (r"far more than|the most is", "is too large", "are too large"),
    (r"not a picture|not read", "is no picture that can be read", "are no pictures that can be read"),
    (r"split is", "is of a split that nobody knows", "are of a split that nobody knows"),
)
_OTHER = ("cannot be used", "cannot be used")


def verdict(usable: int, left_out: Iterable[tuple[str, str]]) -> str:
    """How many pictures can be learnt from, and what is wrong with the others.

    >>> verdict(2, [("a.png", "no caption: a.txt is missing"), ("b.png", "the file is empty")])
    '2 of 4 pictures can be learnt from. 1 has no caption, 1 is empty.'
    """
    kinds = Counter(kind_of(reason) for _, reason in left_out)
    total = usable + kinds.total()
    if not total:
        return "There is no picture here."
    told = ", ".join(f"{n:,} {one if n == 1 else many}" for (one, many), n in kinds.most_common())
    can = "picture can" if total == 1 else "pictures can"
    every = "The" if total == 1 else f"All {total:,}"
    head = f"{every} {can} be learnt from." if usable == total else f"{usable:,} of {total:,} {can} be learnt from."
    return f"{head} {told}." if told else head


def kind_of(reason: str) -> tuple[str, str]:
    """What a reason says of one file, and of several."""
    return next(((one, many) for pattern, one, many in _KINDS if re.search(pattern, reason, re.IGNORECASE)), _OTHER)


def summed_up(noted: Iterable[tuple[str, str]]) -> list[tuple[str, int, list[str]]]:
    """Sentences about files with how many they are said of, and the first three of those; the commonest first."""
    files: dict[str, list[str]] = {}
    for file, sentence in noted:
        files.setdefault(sentence, []).append(file)
    return sorted(((said, len(names), names[:3]) for said, names in files.items()), key=lambda row: -row[1])
