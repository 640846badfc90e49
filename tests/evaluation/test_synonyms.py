"""The list of words without pictures, and the questions made of it."""

from __future__ import annotations

from fromnoise.data.record import Record
from fromnoise.data.unheard import unheard
from fromnoise.evaluation.synonyms import synonym_questions, vocabulary

STYLES = ("noto", "twemoji")


def test_the_list_is_long_and_says_each_word_once() -> None:
    words = [word for word, _ in unheard()]
    assert len(words) >= 200
    assert len(set(words)) == len(words)
    assert words == sorted(words)
    assert all(word.isalpha() and word not in concept.split() for word, concept in unheard())


def test_a_word_and_its_concept_are_asked_in_the_same_style() -> None:
    records = [
        Record("", "Cat", style="twemoji", key="c"),
        Record("", "cat", style="noto", key="c"),
        Record("", "horse", style="noto", key="h"),
        Record("", "frog", style="noto", key="f", split="test_concept"),  # never seen: no synonym of it is asked
    ]
    keys, words, names = synonym_questions(records, STYLES)
    assert keys == ["c", "h"]
    assert {q.text for q in names} == {"cat", "horse"}
    assert "tomcat" in {q.text for q in words}
    assert "toad" not in {q.text for q in words}
    meaning = dict(unheard())
    for word, name in zip(words, names, strict=True):
        assert meaning[word.text] == name.text
        assert (word.concept, word.style, word.real) == (name.concept, name.style, name.real)
        assert records[word.real].key == keys[word.concept]
    assert {q.style for q in words if q.concept == 0} == {"noto", "twemoji"}


def test_words_that_the_captions_have_are_left_out() -> None:
    cat = Record("", "cat", style="noto", key="c", keywords=("tomcat",), alt=("Moggy, asleep",))
    words = {q.text for q in synonym_questions([cat], STYLES)[1]}
    assert "pussycat" in words
    assert not words & {"tomcat", "moggy"}
    assert vocabulary([cat]) == {"cat", "tomcat", "moggy", "asleep"}


def test_without_known_concepts_nothing_is_asked() -> None:
    assert synonym_questions([Record("", "thing", style="noto", key="t")], STYLES) == ([], [], [])
