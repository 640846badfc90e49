"""What a model says of the pictures it learnt from, for everybody who asks where it comes from."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fromnoise.data.pictures import PictureSet
from fromnoise.data.record import Record

MOST_REASONS = 20  # kinds of reasons that are told one by one


def statement(pictures: PictureSet, held_out: PictureSet, drawings: Sequence[Record], name: str) -> dict[str, Any]:
    """A data statement.

    Args:
        pictures, held_out: what was learnt from, and what was kept aside.
        drawings: what the pictures were made from, where they are made; else empty.
        name: hex digits that name the pictures and their captions
            (:func:`fromnoise.training.identity.fingerprint`): two models that say the same learnt from the same.

    Returns:
        ``sources``: for each set, its licence, its author and how many of its pictures; ``pictures``, ``held_out``:
        how many; ``captioned``: how many different captions; ``left_out``: how many files for which reason; ``name``.
    """
    counted = Counter((r.style, r.licence, r.author) for r in (drawings or pictures.records))
    left = Counter(_kind(reason) for _, reason in dict.fromkeys((*pictures.quarantine, *held_out.quarantine)))
    said = dict(left.most_common(MOST_REASONS))
    if rest := left.total() - sum(said.values()):
        said["for other reasons"] = rest
    return {
        "sources": [
            {"set": style, "licence": licence, "author": author, "pictures": count}
            for (style, licence, author), count in sorted(counted.items())
        ],
        "pictures": len(pictures.records),
        "held_out": len(held_out.records),
        "captioned": len({r.text for r in pictures.records}),
        "left_out": said,
        "name": name,
    }


def _kind(reason: str) -> str:
    """A reason without what differs from file to file."""
    return re.sub(r"[\d.,]*\d", "…", reason.split(":")[0].split(" (")[0]).strip()
