"""Plots from the grammar: whole, correct, and kept apart for testing."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from random import Random

import pytest

from fromnoise.data.plots import HELD_OUT, TRAIN, PlotsConfig, books, build, genres, meanings, places, read
from fromnoise.data.plots.builder import puzzle_words
from fromnoise.data.plots.grammar import MADE, TOLD, Writer, inflected, sections, templates
from fromnoise.data.plots.meanings import meanings_of, write_meanings
from fromnoise.data.plots.sentences import sentences
from fromnoise.data.plots.told import HERE, content, near_ones, told_lines
from fromnoise.data.wordnet import KINDS
from fromnoise.ground.errors import UserError
from fromnoise.ground.wording import with_article
from fromnoise.story.vocabulary import KINDS_OF_WORDS, words_of


@pytest.mark.parametrize("genre", genres())
def test_every_template_of_a_genre_becomes_a_sentence(genre: str) -> None:
    writer, known = Writer(genre, Random(0)), set(places())
    for template in templates(genre):
        line = writer.write(template)
        assert not re.search(r"[{}\[\]|:]|\s\s|\s,|^\s|[a-z]\.$", line.text), line
        assert line.text[0].isupper() or line.text[0] == "'"
        assert line.place in known | {""}
        assert not re.search(r"\b(a|an) (a|an|the|his|her|their)\b", line.text), line
        assert (line.genre, line.template) == (genre, template)


@pytest.mark.parametrize("genre", genres())
def test_every_entry_of_a_genre_can_be_filled_in(genre: str) -> None:
    writer = Writer(genre, Random(1))
    for section, entries in sections(genre).items():
        assert len(entries) >= 25, section
        assert len(set(entries)) == len(entries), section
        for entry in entries if section not in ("hero", "trait") else ():
            assert not re.search(r"[{}\[\]]", writer.write(entry).text)


def test_there_are_enough_genres_and_words() -> None:
    assert len(genres()) >= 10
    words = {word.lower() for genre in genres() for entries in sections(genre).values() for e in entries
             for word in re.findall(r"[A-Za-z'-]+", re.sub(r"\{[^}]*\}|\|.*", "", e))}  # fmt: skip
    assert len(words) >= 5000


@pytest.mark.parametrize(
    ("verb", "third", "ing"),
    [("carry", "carries", "carrying"), ("run", "runs", "running"), ("be", "is", "being"), ("lie", "lies", "lying"),
     ("do", "does", "doing"), ("catch", "catches", "catching"), ("have", "has", "having")],
)  # fmt: skip
def test_verbs(verb: str, third: str, ing: str) -> None:
    assert (inflected(verb, "VBZ"), inflected(verb, "VBG")) == (third, ing)


@pytest.mark.parametrize(
    ("phrase", "article"),
    [("apple", "an"), ("unicorn", "a"), ("unusual map", "an"), ("honest thief", "an"), ("one-eyed cat", "a"),
     ("heir", "an"), ("university", "a"), ("house", "a"), ("uninvited guest", "an"), ("European", "a")],
)  # fmt: skip
def test_articles(phrase: str, article: str) -> None:
    assert with_article(phrase) == f"{article} {phrase}"


PROUD = "{hero} {goals}, and {he} [be] proud of {himself}"
AFTER = "After {going}, {hero} must {goal}"


@pytest.mark.parametrize(
    ("kind", "template", "text"),
    [
        ("f", PROUD, "she-hero steals the crown and blames her rival, and she is proud of herself"),
        ("p", PROUD, "they-heroes steal the crown and blame their rival, and they are proud of themselves"),
        (
            "m",
            AFTER,
            "after stealing the crown and blaming his rival, he-hero must steal the crown and blame his rival",
        ),
    ],
)
def test_agreement(monkeypatch: pytest.MonkeyPatch, kind: str, template: str, text: str) -> None:
    from fromnoise.data.plots import grammar

    heroes = {"f": "she-hero | f", "p": "they-heroes | p", "m": "he-hero | m"}
    own = {"hero": (heroes[kind],), "trait": ("sad",), "goal": ("steal the crown and [blame] {his} rival",)}
    monkeypatch.setattr(grammar, "TRAIT", 0.0)
    monkeypatch.setattr(grammar, "sections", lambda name: own)
    monkeypatch.setattr(grammar, "places", dict)
    found = Writer("mystery", Random(0)).write(template).text
    assert re.sub(r"\b[Aa] (?=\w+-hero)", "", found).lower() == text


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("plots")
    build(PlotsConfig(str(out), lines=6000, real=False))
    return out


def test_held_out_lines_are_of_templates_that_training_never_saw(built: Path) -> None:
    train, held_out = read(built, TRAIN), read(built, HELD_OUT)
    assert len(train) > 4000
    assert len(held_out) > 200
    assert not {line.template for line in train if line.kind == MADE} & {line.template for line in held_out}
    assert {line.genre for line in held_out} == set(genres())


def test_no_held_out_line_is_one_word_from_a_training_line(built: Path) -> None:
    def holes(text: str) -> set[tuple[str, ...]]:
        words = [word.casefold() for word in words_of(text)]
        return {(*words[:i], "?", *words[i + 1 :]) for i in range(len(words))}

    seen = {hole for line in read(built, TRAIN) for hole in holes(line.text)}
    assert not any(holes(line.text) & seen for line in read(built, HELD_OUT))


def test_puzzles_are_not_learnt(built: Path) -> None:
    lines = {tuple(w.casefold() for w in words_of(x.text)) for x in [*read(built, TRAIN), *read(built, HELD_OUT)]}
    assert len(puzzle_words()) > 200
    assert not lines & puzzle_words()


def test_the_same_seed_builds_the_same_lines(built: Path, tmp_path: Path) -> None:
    build(PlotsConfig(str(tmp_path), lines=6000, real=False))
    assert read(tmp_path, TRAIN) == read(built, TRAIN)


def test_plots_told_by_hand_are_sentences_with_genres_and_places() -> None:
    lines, seen = told_lines(), set()
    assert len(lines) >= 8_000
    known = set(places())
    for line in lines:
        words = words_of(line.text)
        assert 5 <= len(words) <= 27, line
        assert line.genre in genres(), line
        assert line.place in known | {""}, line
        assert re.fullmatch(r"[A-Z][A-Za-zÀ-ÿ',\- ]*[a-zÀ-ÿ']", line.text), line
        assert tuple(words) not in seen, line
        seen.add(tuple(words))
    of_genre = [sum(line.genre == genre for line in lines) for genre in genres()]
    assert min(of_genre) >= 500
    assert 0.3 < sum(bool(line.place) for line in lines) / len(lines) < 0.7


def test_no_told_plot_is_near_a_puzzle_and_what_would_be_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the nearest neighbour in words that mean something; the files themselves have none to leave out."""
    rows = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in HERE.glob("*.txt"))
    assert len(told_lines()) == rows
    near = "In a winter kingdom, a princess accidentally sets off her magical powers."
    (tmp_path / "mine.txt").write_text(f"fantasy||{near}\nwar||Nothing happens at all.\n")
    monkeypatch.setattr("fromnoise.data.plots.told.HERE", tmp_path)
    told_lines.cache_clear()
    try:
        assert [line.text for line in told_lines()] == ["Nothing happens at all"]
    finally:
        told_lines.cache_clear()


def test_near_ones_share_words_that_mean_something() -> None:
    some = [content(text) for text in ("A king buys the horses", "The kings bought a horse", "A queen sells wine")]
    assert some[0] == {"king", "buy", "horse"}
    assert near_ones(some, [content("king horse")]) == [0, 1]
    assert near_ones(some, [content("king horse")], alike=0.7) == []
    assert near_ones(some, []) == []
    told = [content(line.text) for line in told_lines()[::60]]
    changed = [frozenset(sorted(words)[i % 3 :]) | {"purple"} for i, words in enumerate(told)]
    for alike in (0.3, 0.5, 0.8):  # as by comparing each with each
        wanted = [i for i, a in enumerate(told) if any(len(a & b) >= alike * len(a | b) for b in changed)]
        assert near_ones(told, changed, alike) == wanted


def test_a_held_out_told_plot_is_not_nearly_told_in_training(built: Path) -> None:
    told = [[x for x in read(built, name) if x.kind == TOLD] for name in (TRAIN, HELD_OUT)]
    assert len(told[0]) > 8_000
    assert len(told[1]) > 500
    assert near_ones([content(x.text) for x in told[1]], [content(x.text) for x in told[0]]) == []


def test_sentences_of_novels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / books.PACKAGE / "gutenberg"
    folder.mkdir(parents=True)
    monkeypatch.setattr(books, "install", lambda place, packages: tmp_path)
    for name in books.BOOKS:
        (folder / f"{name}.txt").write_text("")
    (folder / "carroll-alice.txt").write_text(
        'CHAPTER I.\n\nMr. Hare was late; the tea\nwas cold! "Who is it?" said Alice--nobody _knew_.\n\nIn 1865 it.'
    )
    found = [line.text for line in books.sentences_of_books(tmp_path)]
    assert found == ["Mr Hare was late", "the tea was cold", "Who is it", "said Alice", "nobody knew"]


def test_what_words_mean_is_read_word_by_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / meanings.PACKAGE
    folder.mkdir()
    rows = {"cat": 1.0, "cats": 2.0, "dog": -3.0, "unused": 50.0}
    vectors = {word: [value] * meanings.FEATURES + [0.5, i] for i, (word, value) in enumerate(rows.items())}
    (folder / f"{meanings.PACKAGE}.json").write_text(
        json.dumps({"words": list(rows), "vectors": vectors}, separators=(",", ":"))
    )
    monkeypatch.setattr(meanings, "install", lambda place, packages: tmp_path)
    assert write_meanings({"cat", "cats", "dog", "gnu"}, tmp_path, tmp_path) == 3
    found = meanings_of(["[end]", "", "Cat", "cats", "dog", "catz", "gnu"], tmp_path)
    assert found is not None
    assert found.shape == (7, meanings.FEATURES)
    assert not found[[0, 1, 6]].any()  # written in brackets, as nothing, like nothing that is known
    cat, cats, dog = (float(found[i, 0]) for i in (2, 3, 4))
    assert (cats - cat) / (cat - dog) == pytest.approx(1 / 4, abs=0.03)
    assert cat <= float(found[5, 0]) <= cats  # between those that it is written like
    assert meanings_of(["cat"], tmp_path / "none") is None
    (tmp_path / meanings.FILE).write_bytes(b"none")
    with pytest.raises(UserError, match="make the lines anew"):
        meanings_of(["cat"], tmp_path)


def test_sentences_of_wordnet(tmp_path: Path) -> None:
    rows = {
        "data.noun": '  1 a licence\n00001740 06 n 01 barge 0 000 | a flat (wide) boat; used on canals; "it sank"\n',
        "data.verb": '00001741 30 v 01 bake 0 000 | cook in an oven; "bake the bread"; "she bakes"  \n',
        "data.adj": "",
        "data.adv": "",
    }
    for name, text in rows.items():
        (tmp_path / name).write_text(text)
    found = [(line.text, line.genre, line.place) for line in sentences(tmp_path)]
    assert ("cook in an oven", "definition", "changing") in found
    assert ("she bakes", "example", "changing") in found
    assert next(text for text, genre, _ in found if genre == "definition").split() == ["a", "flat", "boat"]
    with pytest.raises(UserError, match="no readable WordNet"):
        list(sentences(tmp_path / "nothing"))


@pytest.mark.parametrize("kind", ["45", "99", "-1"])
def test_a_meaning_of_no_kind_of_word_is_one_line(kind: str, tmp_path: Path) -> None:
    assert len(KINDS_OF_WORDS) == KINDS
    for name in ("data.noun", "data.verb", "data.adj", "data.adv"):
        (tmp_path / name).write_text(f"00001740 {kind} n 01 barge 0 000 | a boat\n")
    with pytest.raises(UserError, match=r"no readable WordNet: 00001740 is of no kind of word"):
        list(sentences(tmp_path))


def test_lines_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text(json.dumps({"text": " A cat. ", "genre": "mine"}) + "\n\n")
    (line,) = read(tmp_path, TRAIN)
    assert (line.text, line.genre, line.place) == ("A cat.", "mine", "")
    with pytest.raises(UserError, match="fromnoise data plots"):
        read(tmp_path, HELD_OUT)
    for bad in ("[1]\n", '{"genre": 1}\n', "{\n"):
        (tmp_path / "train.jsonl").write_text(bad)
        with pytest.raises(UserError, match=r"train.jsonl, line 1: "):
            read(tmp_path, TRAIN)
    (tmp_path / "train.jsonl").write_text('{"text": "A cat."}\n\n{"text": "A dog.", "genre": 5}\n')
    with pytest.raises(UserError, match=r"line 3: genre and place must be text"):
        read(tmp_path, TRAIN)
    with pytest.raises(UserError, match="lines of your own"):
        build(PlotsConfig(str(tmp_path), lines=10, real=False))
    (tmp_path / "train.jsonl").unlink()
    with gzip.open(tmp_path / TRAIN, "wt") as file:
        file.write("{}\n")
    (tmp_path / TRAIN).write_bytes((tmp_path / TRAIN).read_bytes()[:12])
    with pytest.raises(UserError, match=r"train.jsonl.gz, line 1: "):
        read(tmp_path, TRAIN)
    (tmp_path / "train.jsonl").write_text("")
    with pytest.raises(UserError, match="has both"):
        read(tmp_path, TRAIN)
    (tmp_path / TRAIN).unlink()
    with pytest.raises(UserError, match="has no lines"):
        read(tmp_path, TRAIN)
