"""Lengths of time as people say them."""

from __future__ import annotations

import pytest

from fromnoise.ground.duration import in_words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (40, "40 s"), (89, "89 s"), (90, "2 min"), (720, "12 min"), (3540, "59 min"), (3600, "1 h 0 min"),
     (4800, "1 h 20 min"), (12_000, "3 h 20 min")],
)  # fmt: skip
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert in_words(seconds) == words
