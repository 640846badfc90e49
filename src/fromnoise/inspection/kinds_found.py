"""Which kinds of things are told apart, and on whose pictures, where nobody names them: what the model was shown most
often, else the starter set.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.data.decoding import decode, reason
from fromnoise.data.places import entries_of
from fromnoise.ground.errors import UserError
from fromnoise.inspection.kinds import FEWEST, FEWEST_KINDS, KINDS, SIDE, Drawings, Pictures, carried_pictures, showing
from fromnoise.system.known_words import SMALL
from fromnoise.system.text_to_image import TextToImage

STARTER = "starter"
STARTER_KINDS = ("lemon", "tomato", "pear")  # it has no banana and no pea
USUAL = 3  # kinds, where nobody names them
TRIED = 60  # of the most frequent captions, and words
SHORTEST, LONGEST = 3, 64  # letters of a kind's name


@dataclass(frozen=True, eq=False)
class Found:
    """The pictures to tell apart.

    Attributes:
        drawings: of each kind.
        why: why these, a sentence or two; "" where they are the usual ones or those that were named.
        data: the set that they are from; None for what the model carries.
    """

    drawings: Drawings
    why: str = ""
    data: str | None = None


def found_kinds(model: TextToImage, kinds: Sequence[str] | None = None, data: str | None = None) -> Found:
    """Pictures of some kinds: of the data that is named; else of what the model carries; else of the starter set.

    Args:
        model: whose pictures are told apart.
        kinds: as :func:`fromnoise.inspection.kinds.check_kinds` returns them; None takes bananas, tomatoes and peas, or
            what is there most often.
        data: a set of captioned pictures.

    Raises:
        UserError: a kind is not there, the set cannot be read, or what the model carries is damaged.
    """
    if data is not None:
        named = _of(data_pictures(data), kinds, STARTER_KINDS, data)
        if named is None:
            raise UserError(f"of no two things are there several different pictures in {data}; name two with --kinds")
        return named
    if model.copies is None:
        return _starter("This model carries no pictures of its training, so these are of the starter set.", kinds)
    own = _of(carried_pictures(model), kinds, KINDS, None)
    return own or _starter(
        "Of no two things does this model carry several different pictures, so these are of the starter set."
    )


def _of(pictures: Pictures, kinds: Sequence[str] | None, usual: Sequence[str], data: str | None) -> Found | None:
    """The kinds that are named, else the usual ones, else the most frequent ones; None where these are too few."""
    if kinds is not None:
        return Found(pictures.of(kinds), data=data)
    missing = [kind for kind in usual if not showing(pictures.captions, kind)]
    if not missing:
        return Found(pictures.of(usual), data=data)
    frequent = frequent_kinds(pictures)
    if len(frequent) < FEWEST_KINDS:
        return None
    said = " and no ".join(missing)
    return Found(pictures.of(frequent), f"There is no {said} here, so these are what there is most often.", data)


def _starter(why: str, kinds: Sequence[str] | None = None) -> Found:
    return Found(_starter_pictures().of(kinds or STARTER_KINDS), why, STARTER)


def frequent_kinds(pictures: Pictures, count: int = USUAL) -> tuple[str, ...]:
    """The most frequent captions, else the most frequent words in them, of which there are several different pictures
    and no picture shows two; at most ``count``.
    """
    lower = [" ".join(caption.lower().split()) for caption in pictures.captions]
    for names in (_repeated(lower), _repeated(word for caption in lower for word in _words(caption))):
        chosen = _apart(pictures, names, count)
        if len(chosen) >= FEWEST_KINDS:
            return chosen
    return ()


def _words(caption: str) -> set[str]:
    return {word for word in re.findall(r"[^\W\d_]+", caption) if len(word) >= SHORTEST and word not in SMALL}


def _repeated(names: Iterable[str]) -> list[str]:
    counts = Counter(name for name in names if name)
    return sorted((name for name, n in counts.items() if n >= FEWEST), key=lambda name: (-counts[name], name))[:TRIED]


def _apart(pictures: Pictures, names: Sequence[str], count: int) -> tuple[str, ...]:
    chosen: list[str] = []
    taken: set[int] = set()
    for name in names:
        own = set(showing(pictures.captions, name))
        if not own or taken & own or len(own) > len(pictures.captions) // 2:  # what half of all show sets nothing apart
            continue
        if len(name) <= LONGEST and pictures.of([name]).count(0) >= FEWEST:
            chosen.append(name)
            taken |= own
        if len(chosen) == count:
            break
    return tuple(chosen)


@functools.cache
def _starter_pictures() -> Pictures:
    return data_pictures(STARTER)


def data_pictures(data: str) -> Pictures:
    """The pictures of a set; only those that show one of the kinds are opened.

    Raises:
        UserError: there is no such set, or a picture cannot be read.
    """
    records = entries_of(data).entries

    def opened(i: int) -> Tensor:
        name = records[i].record.file_name
        try:
            return torch.from_numpy(decode(records[i].read(), SIDE).copy())
        except (OSError, ValueError) as error:
            raise UserError(f"{name} cannot be read as a picture: {reason(error, name)}") from None

    origin = "of the starter set" if data == STARTER else f"of {data}"
    names = [entry.record.file_name for entry in records]
    return Pictures([entry.record.text for entry in records], names, opened, origin)
