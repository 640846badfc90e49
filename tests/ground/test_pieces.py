"""Words that are not known are read as those they are written like."""

from __future__ import annotations

import pytest

from fromnoise.ground.pieces import LEAST, Relatives, pieces
from fromnoise.story.vocabulary import SPECIAL, UNKNOWN, Vocabulary

WORDS = ["scissors", "phone", "telephone", "neat", "seat", "king", "kingdom", "a"]


def test_pieces_mark_where_a_word_begins_and_ends() -> None:
    assert dict(pieces("Cats")) == {"<ca": 1, "cat": 1, "ats": 1, "ts>": 1}
    assert dict(pieces("a")) == {"<a>": 1}
    assert dict(pieces("")) == {"<>": 1}


@pytest.mark.parametrize(
    ("word", "like"),
    [
        ("scissor", "scissors"),
        ("headphone", "phone"),
        ("neatly", "neat"),
        ("kingdoms", "kingdom"),
        ("Seats", "seat"),
    ],
)
def test_the_nearest_is_the_one_with_most_common_pieces(word: str, like: str) -> None:
    found = Relatives(WORDS).of(word)
    assert found[0][0] == like
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert all(LEAST <= score <= 1 for _, score in found)


def test_a_word_like_no_other_has_no_relatives() -> None:
    assert Relatives(WORDS).of("xylograph") == []
    assert Relatives(WORDS).of("king")[0] == ("king", 1.0)


def test_a_vocabulary_reads_unknown_words() -> None:
    known = Vocabulary.collect([WORDS], [], 40, [], [], empty=True)
    assert known.empty == len(SPECIAL)
    assert known.read(["scissor", "king", "xylograph"]) == [known.find("scissors"), known.find("king"), UNKNOWN]
    assert known.ids(["scissor"]) == [UNKNOWN]
    assert known.text([known.find("king"), known.empty, known.find("a")]) == ["king", "a"]
    assert Vocabulary.collect([WORDS], [], 40, [], []).empty is None
