"""Lengths of time as people say them."""

from __future__ import annotations

import pytest

from fromnoise.ground.duration import in_words, to_the_second


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (40, "40 s"), (89, "89 s"), (90, "2 min"), (720, "12 min"), (3540, "59 min"), (3600, "1 h 0 min"),
     (4800, "1 h 20 min"), (12_000, "3 h 20 min")],
)  # fmt: skip
def test_lengths_of_time(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "1 s"), (10, "10 s"), (60, "1 min"), (90, "1 min 30 s"), (150.4, "2 min 30 s"), (240, "4 min"),
     (3600, "1 h"), (5400, "1 h 30 min"), (3601, "1 h 1 s"), (3_600_000, "1,000 h")],
)  # fmt: skip
def test_what_somebody_asked_for_is_said_to_the_second(seconds: float, words: str) -> None:
    assert to_the_second(seconds) == words
