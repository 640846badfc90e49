"""Captions of a place of pictures, when no picture need be looked at."""

from __future__ import annotations

import random
from collections.abc import Collection
from pathlib import Path

from fromnoise.data.places import entries_of
from fromnoise.data.world.drawing import chosen_drawings, is_drawings, record_of_drawing


def captions_in(data: Path | str, styles: Collection[str], count: int, seed: int = 0) -> list[str]:
    """Different captions of a place in an order that follows from the seed, at most so many.

    Args:
        data: a folder of captioned pictures, a packed file, drawings, or "starter".
        styles: captions of these styles alone, where there are any.
        count: how many at most.
        seed: which, and in which order.

    Raises:
        UserError: nothing there.
    """
    if is_drawings(data):
        records = [record_of_drawing(drawing) for drawing in chosen_drawings(data)]
    else:
        records = [entry.record for entry in entries_of(data).entries]
    known = [record for record in records if record.style in styles] or records
    texts = sorted({record.text for record in known if record.text})
    random.Random(seed).shuffle(texts)
    return texts[:count]
