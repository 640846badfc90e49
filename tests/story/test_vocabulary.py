"""Sentences to numbers and back."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fromnoise.data.plots import grammar
from fromnoise.ground.errors import UserError
from fromnoise.story.model import StoryModel
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
    with pytest.raises(UserError, match="lacks words"):
        Vocabulary.load(tmp_path / "v.json")


def test_the_shipped_model_offers_the_places_and_genres_of_its_plots_and_nothing_else() -> None:
    known = StoryModel.load().vocabulary
    assert set(known.story_places) == set(grammar.places()) - {"Pole"} | {"North Pole"}
    assert set(known.story_genres) == set(grammar.genres())
    assert known.label("mystery", "North Pole") == known.label("mystery", "Pole")
    for wish, kind in ((("", "advrb"), "place"), (("definitoin", ""), "genre")):
        with pytest.raises(UserError, match=f"there is no {kind}") as refused:
            known.label(*wish)
        assert "adverb" not in str(refused.value)
        assert "definition" not in str(refused.value)


def test_ones_own_places_are_offered_whatever_they_are_called() -> None:
    own = Vocabulary.collect(SENTENCES, [], 40, ["mystery"], ["weather", "France"])
    assert own.story_places == ("France", "weather")
    mixed = Vocabulary.collect(SENTENCES, [], 40, ["mystery", "example"], ["weather", "France"])
    assert (mixed.story_genres, mixed.story_places) == (("mystery",), ("France",))


def test_a_vocabulary_is_written_whole_or_not_at_all(
    vocabulary: Vocabulary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vocabulary.save(tmp_path / "v.json")

    def full(self: Path, data: bytes) -> int:
        with self.open("wb") as stream:
            stream.write(data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(UserError, match="No space left"):
        Vocabulary.collect([], [], 40, [], []).save(tmp_path / "v.json")
    assert [file.name for file in tmp_path.iterdir()] == ["v.json"]
    assert Vocabulary.load(tmp_path / "v.json") == vocabulary
