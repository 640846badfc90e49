"""Random choices that are a pure function of words and numbers, on every machine and every version of Python."""

from __future__ import annotations

import hashlib
import random
from bisect import bisect_right
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Chance:
    """A stream of choices that belongs to its names, e.g. ``Chance(seed, number, "ground")``.

    Only ``random()`` of Python's generator is used: it alone is promised to stay the same.
    """

    def __init__(self, *names: object) -> None:
        digest = hashlib.sha256(":".join(map(str, names)).encode()).digest()
        self._random = random.Random(int.from_bytes(digest[:16], "big")).random

    def __call__(self, share: float) -> bool:
        """True in this share of the cases."""
        return self._random() < share

    def between(self, low: float, high: float) -> float:
        """A number of [low, high)."""
        return low + (high - low) * self._random()

    def pick(self, options: Sequence[T]) -> T:
        """One of the options, all as likely."""
        return options[int(self._random() * len(options))]

    def weighted(self, options: Sequence[T], edges: Sequence[float]) -> T:
        """One of the options; ``edges`` are the running sums of their weights."""
        return options[min(bisect_right(edges, self._random() * edges[-1]), len(options) - 1)]

    def shuffled(self, options: Sequence[T]) -> list[T]:
        """All options in another order."""
        return [option for _, option in sorted(((self._random(), i), o) for i, o in enumerate(options))]
