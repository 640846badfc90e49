"""Words without pictures: does the model know what else a thing is called?

A fixed list of everyday words (``assets/evaluation/synonyms.tsv``) that occur in no caption, keyword or other name of
the stickers, each with the concept it means. What is drawn for "tomcat" is judged as a "cat", beside what is drawn,
from the same noise, for "cat".
"""

from __future__ import annotations

import re
from collections import defaultdict

from fromnoise.data.record import Record
from fromnoise.data.unheard import unheard
from fromnoise.evaluation.retrieval import Question


def vocabulary(records: list[Record]) -> set[str]:
    """Every word that some caption, keyword or other name has, in lower case."""
    texts = (text for r in records for text in (r.text, *r.keywords, *r.alt))
    return {word for text in texts for word in re.findall(r"[^\W\d_]+", text.lower())}


def synonym_questions(
    records: list[Record], styles: tuple[str, ...]
) -> tuple[list[str], list[Question], list[Question]]:
    """Ask for concepts of the training by words that were never seen, and by their own names.

    Args:
        records: of the data, all splits. Words that do occur in them are left out.
        styles: the model's; they take turns.

    Returns:
        The concepts' keys; a question for each word; and the same questions with the concept's own name.
    """
    seen = vocabulary(records)
    places: dict[str, dict[str, int]] = defaultdict(dict)
    for i, r in enumerate(records):
        if r.split == "train" and r.style in styles:
            places[r.text.lower()].setdefault(r.style, i)
    asked = [(w, c) for w, c in unheard() if c in places and not {w, f"{w}s"} & seen]
    keys = sorted({records[i].key for _, c in asked for i in places[c].values()})
    words, names = [], []
    for turn, (word, concept) in enumerate(asked):
        there = [style for style in styles if style in places[concept]]
        style = there[turn % len(there)]
        real = places[concept][style]
        place = keys.index(records[real].key)
        words.append(Question(place, word, style, real))
        names.append(Question(place, concept, style, real))
    return keys, words, names
