"""Text of others: marks that editors put in front of it are no part of it."""

from __future__ import annotations

import codecs

import pytest

from fromnoise.ground.text import decoded, lines_of

WORDS = "a red äpfel\r\nzwei ☃"


@pytest.mark.parametrize(
    "data",
    [
        WORDS.encode(),
        codecs.BOM_UTF8 + WORDS.encode(),
        codecs.BOM_UTF16_LE + WORDS.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + WORDS.encode("utf-16-be"),
        WORDS.encode("utf-16-le"),
        codecs.BOM_UTF32_LE + WORDS.encode("utf-32-le"),
    ],
    ids=["plain", "marked", "UTF-16 LE", "UTF-16 BE", "UTF-16 unmarked", "UTF-32"],
)
def test_the_words_are_the_same_however_they_were_saved(data: bytes) -> None:
    assert decoded(data) == WORDS


def test_what_is_no_text_is_an_error() -> None:
    for data in (b"caf\xe9", codecs.BOM_UTF16_LE + b"abc"):
        with pytest.raises(ValueError):
            decoded(data)


def test_lines_end_as_in_files_and_not_inside_of_strings() -> None:
    assert lines_of("a\r\nb\rc\nd\u2028e\x85f") == ["a", "b", "c", "d\u2028e\x85f"]
