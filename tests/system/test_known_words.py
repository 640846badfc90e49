"""Which words a model knows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fromnoise.ground.errors import UserError
from fromnoise.system.known_words import KnownWords, words_of
from fromnoise.system.text_to_image import TextToImage

KNOWN = KnownWords.of(["a red apple", "Red fox", "t-shirt", "two cherries", "brush", "the cat's paw", "a paw"])


def test_words_are_counted_once_a_caption_in_lower_case() -> None:
    assert KNOWN.counts["red"] == 2
    assert KnownWords.of(["red red"]).counts == {"red": 1}
    assert "cat's" in KNOWN.counts


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a RED apple on the fox", ()),
        ("apples, foxes and brushes", ()),  # plurals of known words
        ("a cherry", ("cherry",)),  # but not the other way round: "cherries" was heard, "cherry" never
        ("t-shirt 42 x2", ("x",)),
        ("Kermit kermit KERMIT", ("Kermit",)),
        ("ein roter Apfel", ("ein", "roter", "Apfel")),
        ("(Kermit:1.3), [fox]", ("Kermit",)),
        ("ｒｅｄ", ()),  # full width is the same letters
        ("", ()),
        ("🍎 3", ()),
        ("3d apple, 2nd fox, a 90's brush, 4K red", ()),  # no words of their own
        ("mp3 apple", ("mp",)),
        ("a pawed fox", ("pawed",)),
        ("a red-pawed fox, red-brushed", ()),
        ("a red-zorped fox", ("zorped",)),
        ("'Kermit' said \"Piggy\"", ("Kermit", "said", "Piggy")),
    ],
)
def test_unknown_words_are_found_as_they_are_written(text: str, unknown: tuple[str, ...]) -> None:
    assert KNOWN.unknown(text) == unknown


def test_a_model_that_went_on_knows_the_words_of_both() -> None:
    both = KNOWN.and_also(KnownWords.of(["a linocut fox"]))
    assert (both.counts["linocut"], both.counts["fox"], both.counts["apple"]) == (1, 2, 1)


def test_a_model_that_knows_no_words_says_nothing() -> None:
    assert KnownWords().unknown("Kermit") == ()


def test_near_words_are_spelt_almost_so_and_the_frequent_ones_come_first() -> None:
    assert KNOWN.near("aple") == ("apple",)
    assert KNOWN.near("asdfghjkl") == ()
    assert KnownWords({"cart": 1, "card": 9}).near("carx") == ("card", "cart")


def test_words_of_is_letters_only() -> None:
    assert words_of("Don’t draw 3 t-shirts_now!") == ["don’t", "draw", "t", "shirts", "now"]


def test_it_is_kept_beside_the_model(tiny_model: TextToImage, tmp_path: Path) -> None:
    KNOWN.save(tmp_path)
    assert KnownWords.load(tmp_path) == KNOWN
    from dataclasses import replace

    replace(tiny_model, known=KNOWN).save(tmp_path / "model")
    assert TextToImage.load(tmp_path / "model").known == KNOWN
    assert not (tmp_path / "empty" / "known_words.json").exists()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 1}',
        '{"words": [1]}',
        '{"words": {"a": "x"}}',
        '{"words": {"a": Infinity}}',
        '{"words": {"a": NaN}}',
        "[" * 10**5,
    ],
)
def test_a_damaged_file_is_one_clear_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "known_words.json").write_text(text)
    with pytest.raises(UserError, match="damaged"):
        KnownWords.load(tmp_path)


@pytest.mark.parametrize("form", ["2", '"1"', "true", "null"])
def test_another_format_is_refused_by_its_number(tmp_path: Path, form: str) -> None:
    (tmp_path / "known_words.json").write_text(f'{{"format": {form}, "words": {{"a": 1}}}}')
    with pytest.raises(UserError, match="this version reads 1"):
        KnownWords.load(tmp_path)


def test_near_words_are_looked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[str] = []
    known = KnownWords({"apple": 3, "apply": 1})
    search = KnownWords._all_near
    monkeypatch.setattr(KnownWords, "_all_near", lambda self, word: looked.append(word) or search(self, word))
    assert [known.near("aple"), known.near("APLE", 1), known.near("aple")] == [("apple",), ("apple",), ("apple",)]
    assert looked == ["aple"]
    monkeypatch.setattr("fromnoise.system.known_words.MOST_KEPT", 3)
    for i in range(20):
        known.near(f"word{i}")
        assert len(known._near) <= 3
    assert known == KnownWords({"apple": 3, "apply": 1})  # what is remembered is no part of it


def test_the_shipped_model_knows_its_captions() -> None:
    folder = Path(__file__).parents[2] / "src" / "fromnoise" / "assets" / "models" / "stickers-64"
    known = KnownWords.load(folder)
    assert known.unknown("a red apple, a cat face, snow globe and a blue dog") == ()
    assert known.unknown("asdfghjkl and Kermit") == ("asdfghjkl", "Kermit")
    assert json.loads((folder / "known_words.json").read_text())["format"] == 1
