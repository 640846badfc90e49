"""What captions say: how long they are, which words are in them, and which of those a model does not know."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from fromnoise.data.record import Record
from fromnoise.ground.wording import styled
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.system.known_words import SMALL, KnownWords, words_of

SHOWN = 40  # words of each kind
LENGTHS = ((0, 2), (3, 5), (6, 10), (11, 20), (21, 40), (41, 80), (81, 10**9))


@dataclass(frozen=True)
class Hearer:
    """What a model understands.

    Attributes:
        name: the model's.
        tokenizer: cuts captions into tokens, of which it hears so many.
        known: the words of its own captions; none where it does not tell.
    """

    name: str
    tokenizer: Tokenizer
    known: KnownWords

    def unheard(self, text: str) -> str:
        """The end of a caption that the model does not hear; "" where it hears all."""
        return self.tokenizer.cut(text)


@dataclass(frozen=True)
class Words:
    """What the captions of a set say.

    Attributes:
        captions, distinct: how many, and how many different ones.
        lengths: (words, captions of that length), as "3 to 5".
        median: of words in a caption.
        frequent, rare: words with the number of captions that have them; small words such as "the" left aside.
        once: how many words only one caption has.
        most_said: captions that most pictures have, where any is said twice.
        unknown: words that the model does not know, with the number of captions.
    """

    captions: int
    distinct: int
    lengths: list[tuple[str, int]]
    median: float
    frequent: list[tuple[str, int]]
    rare: list[tuple[str, int]]
    once: int
    most_said: list[tuple[str, int]]
    unknown: list[tuple[str, int]]


def words(records: Sequence[Record], hearer: Hearer | None) -> Words:
    """Count the words of captions."""
    texts = Counter(styled(record.text, record.style) for record in records)
    counts: Counter[str] = Counter()
    unknown: Counter[str] = Counter()
    sizes: Counter[int] = Counter()
    for text, times in texts.items():
        said = words_of(text)
        sizes[len(said)] += times
        counts.update(dict.fromkeys((word for word in set(said) if word not in SMALL), times))
        if hearer is not None:
            unknown.update(dict.fromkeys((word.lower() for word in hearer.known.unknown(text)), times))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Words(
        captions=texts.total(),
        distinct=len(texts),
        lengths=[(_named(a, b), sum(n for size, n in sizes.items() if a <= size <= b)) for a, b in LENGTHS],
        median=statistics.median(sizes.elements()) if sizes else 0,
        frequent=ranked[:SHOWN],
        rare=ranked[: SHOWN - 1 : -1][:SHOWN],
        once=sum(n == 1 for n in counts.values()),
        most_said=[(text, n) for text, n in texts.most_common(10) if n > 1],
        unknown=sorted(unknown.items(), key=lambda item: (-item[1], item[0])),
    )


def _named(least: int, most: int) -> str:
    return f"{least} to {most}" if most < 10**9 else f"{least} or more"
