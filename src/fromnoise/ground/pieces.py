"""Words by their pieces: which known words a word is written like, so that one that is not known can be read all the
same. "scissor" is read as "scissors" is, "headphone" as "headphones", or as "phone" where that is all there is.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

LETTERS = 3  # of a piece
LEAST = 0.45  # of its pieces that a word must share with another one to be read like it
MOST = 4  # relatives


def pieces(word: str) -> Counter[str]:
    """Runs of three letters, with the word's beginning and end marked.

    >>> sorted(pieces("cat"))
    ['<ca', 'at>', 'cat']
    """
    marked = f"<{word.casefold()}>"
    return Counter(marked[i : i + LETTERS] for i in range(max(1, len(marked) - LETTERS + 1)))


class Relatives:
    """Which words of some a word is written like.

    Args:
        words: the known ones.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = words
        self._sizes = [0] * len(words)
        self._having: dict[str, list[int]] = defaultdict(list)
        for i, word in enumerate(words):
            for piece in pieces(word):
                self._having[piece].append(i)
                self._sizes[i] += 1

    def of(self, word: str) -> list[tuple[str, float]]:
        """The nearest ones, with the share of pieces that both have (Dice 1945): the nearest first, at most four."""
        own, shared = pieces(word), Counter[int]()
        for piece in own:
            shared.update(self._having.get(piece, ()))
        scored = [(2 * n / (len(own) + self._sizes[i]), -i) for i, n in shared.items()]
        best = sorted(scored, reverse=True)[:MOST]
        return [(self._words[-i], score) for score, i in best if score >= LEAST]
