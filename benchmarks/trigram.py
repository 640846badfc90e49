"""An interpolated Kneser-Ney trigram (Chen & Goodman 1998), what a network of words is measured beside."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import Any


class Trigram:
    """Interpolated Kneser-Ney with one discount: p(c|ab) falls back to how many different words c follows."""

    def __init__(self, rows: Iterable[Sequence[int]], size: int, discount: float = 0.75) -> None:
        self.size, self.discount = size, discount
        pairs: Counter[tuple[int, int]] = Counter()
        triples: Counter[tuple[int, int, int]] = Counter()
        for row in rows:
            padded = [-1, -1, *row]
            triples.update(zip(padded, padded[1:], padded[2:], strict=False))
        for _, b, c in triples:
            pairs[b, c] += 1  # in how many different contexts
        self.orders: list[tuple[Any, dict[Any, int], dict[Any, int]]] = []
        singles: Counter[int] = Counter()
        for _, c in pairs:
            singles[c] += 1
        self.singles, self.total = singles, sum(singles.values())
        for counts in (pairs, triples):
            sums: dict[Any, int] = defaultdict(int)
            kinds: dict[Any, int] = defaultdict(int)
            for key, count in counts.items():
                sums[key[:-1]] += count
                kinds[key[:-1]] += 1
            self.orders.append((counts, sums, kinds))

    def probability(self, a: int, b: int, c: int) -> float:
        """p(c | a b)."""
        d = self.discount
        p = (max(self.singles[c] - d, 0) + d * len(self.singles) / self.size) / self.total
        for context, (counts, sums, kinds) in zip(((b,), (a, b)), self.orders, strict=True):
            if context in sums:
                p = (max(counts.get((*context, c), 0) - d, 0) + d * kinds[context] * p) / sums[context]
        return p

    def perplexity(self, rows: Sequence[Sequence[int]]) -> float:
        """Of sentences, per word."""
        said = [self.probability(*w) for row in rows for w in zip([-1, -1, *row], [-1, *row], row, strict=False)]
        return math.exp(-sum(map(math.log, said)) / len(said))
