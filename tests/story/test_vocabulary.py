"""Sentences to numbers and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.ground.errors import UserError
from fromnoise.story.vocabulary import SPECIAL, UNKNOWN, Vocabulary, sentence_of, words_of

SENTENCES = [["The", "king", "'s", "gold", "in", "France"], ["a", "king", ",", "lost", "in", "Paris"]]


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary.collect(SENTENCES, [["gold", "coin"]], 40, ["mystery", "fairy_tale"], ["France", "castle"])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Gold stolen in France.", ["Gold", "stolen", "in", "France"]),
        ("a king’s half-eaten pie; 3 days late!", ["a", "king", "'s", "half-eaten", "pie", ",", "days", "late"]),
        ("don't stop", ["don't", "stop"]),
        ("... 17 ?", []),
        ("\x1b[31mred\n\t<b>", ["b"]),
    ],
)
def test_words_of_a_text(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.lists(st.sampled_from(["gold", "king", "half-eaten", "don't"]), min_size=1))
def test_a_sentence_has_its_words_again(words: list[str]) -> None:
    assert [w.lower() for w in words_of(sentence_of(words))] == words


def test_frequent_words_come_first_and_other_sentences_fill_the_rest(vocabulary: Vocabulary) -> None:
    assert vocabulary.words[: len(SPECIAL)] == SPECIAL
    assert vocabulary.words[3:5] == ("in", "king")
    assert vocabulary.words[-1] == "coin"
    assert Vocabulary.collect(SENTENCES, [], 5, [], []).words == (*SPECIAL, "in", "king")


def test_case_is_kept_for_names_and_does_not_matter_when_reading(vocabulary: Vocabulary) -> None:
    ids = vocabulary.ids(["THE", "france", "nonsense"])
    assert vocabulary.text(ids[:2]) == ["the", "France"]
    assert ids[2] == UNKNOWN


def test_labels(vocabulary: Vocabulary, tmp_path: Path) -> None:
    label = vocabulary.label("Fairy Tale", "castle")
    assert vocabulary.named(label) == ("fairy_tale", "castle")
    assert vocabulary.label("", None) == (0, 0)
    assert len({*vocabulary.label("mystery", "France"), *label, 0}) == 5
    assert max(*vocabulary.label("mystery", "France"), *label) < vocabulary.labels
    with pytest.raises(UserError, match=r"no genre 'mistery'; did you mean mystery\?"):
        vocabulary.label("mistery", "")
    with pytest.raises(UserError, match="known: castle, France"):
        vocabulary.label("", "zzz")
    vocabulary.save(tmp_path / "v.json")
    assert Vocabulary.load(tmp_path / "v.json") == vocabulary
    (tmp_path / "v.json").write_text("{}")
    with pytest.raises(UserError, match="is no vocabulary"):
        Vocabulary.load(tmp_path / "v.json")
