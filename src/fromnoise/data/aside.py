"""Pictures that are kept aside where the data hold none out: enough to see whether a training learns by heart."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fromnoise.data.record import ASIDE, TRAIN, Entry, Record
from fromnoise.data.splits import hashed_share

SHARE = 0.05  # of the pictures, as a recipe has it where nobody says otherwise
FEWEST = 60  # files below which none is kept aside: a style of twenty to fifty pictures needs each of them
LEAST, MOST = 4, 64  # files that are kept aside


def kept_aside(records: Sequence[Record], share: float = SHARE) -> float:
    """Up to where in the order of :func:`place` pictures are kept aside; 0.0 where none is.

    It is told by a number, and not by names, so that whoever reads the pictures later divides them in the same way. A
    file with several captions is on one side with all of them.

    Args:
        records: all that a training would use, whatever their split.
        share: of their files, 0 and below 1; at least :data:`LEAST` and at most :data:`MOST` are taken.
    """
    places = sorted({place(record.file_name) for record in records})
    if share <= 0 or len(places) < FEWEST or any(record.split != TRAIN for record in records):
        return 0.0
    return places[min(MOST, max(LEAST, round(share * len(places)))) - 1]


def place(file_name: str) -> float:
    """The place of a file in an order that its name alone decides, above 0 and up to 1."""
    return 1.0 - hashed_share("aside", file_name)


def divided(entries: Sequence[Entry], up_to: float) -> list[Entry]:
    """Entries, of which those up to a place are of the split :data:`~fromnoise.data.record.ASIDE`; 0.0 keeps all."""
    return [_told(entry) if _is_aside(entry.record, up_to) else entry for entry in entries]


def _is_aside(record: Record, up_to: float) -> bool:
    return up_to > 0 and record.split == TRAIN and place(record.file_name) <= up_to


def _told(entry: Entry) -> Entry:
    return dataclasses.replace(entry, record=dataclasses.replace(entry.record, split=ASIDE))
