"""Meanings of words: WordNet's files, the table, and which description a phrase gets."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from fromnoise.data.meanings import Meanings
from fromnoise.data.meanings.builder import described
from fromnoise.data.record import Record
from fromnoise.data.wordnet import WordNet
from fromnoise.ground.errors import UserError

# Lines in the form of WordNet's files (wndb(5WN)): an animal with a parent, the parent, a river with a name, and an
# act whose third sense is a thing.
DATA = """  1 the licence, indented
00000100 05 n 02 tomcat 0 tom 0 001 @ 00000200 n 0000 | male cat; "a tomcat on the roof"
00000200 05 n 02 cat 0 true_cat 0 000 | feline mammal usually having thick soft fur; kept as a pet
00000300 17 n 01 Nile 0 001 @i 00000400 n 0000 | the world's longest river
00000400 17 n 01 river 0 000 | a large natural stream of water
00000500 04 n 01 play 0 000 | an act
"""
INDEX = """  1 the licence
tomcat n 1 1 @ 1 0 00000100
tom n 2 1 @ 2 0 00000500 00000100
cat n 1 0 1 1 00000200
nile n 1 1 @i 1 0 00000300
play n 1 0 1 1 00000500
"""


@pytest.fixture
def wordnet(tmp_path: Path) -> WordNet:
    (tmp_path / "data.noun").write_text(DATA)
    (tmp_path / "index.noun").write_text(INDEX)
    return WordNet(tmp_path)


def test_wordnet_knows_things_and_what_they_are_kinds_of(wordnet: WordNet) -> None:
    assert set(wordnet.things()) == {"tomcat", "tom", "cat"}
    assert wordnet.description("tomcat") == "tomcat, tom, cat: male cat"
    assert wordnet.description("cat") == "cat, true cat: feline mammal usually having thick soft fur"
    assert wordnet.description("tom") == "tom, tomcat, cat: male cat"
    assert wordnet.description("nile") is None
    assert wordnet.description("play") is None


def test_a_folder_without_wordnet_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no readable WordNet"):
        WordNet(tmp_path)
    (tmp_path / "data.noun").write_text("nonsense\n")
    with pytest.raises(UserError, match="no readable WordNet"):
        WordNet(tmp_path)


@pytest.mark.parametrize(
    ("data", "index"),
    [
        (DATA.replace("00000100 05", "00000100 77"), INDEX),
        (DATA.replace(" 01 Nile 0", " 00"), INDEX),
        (DATA, INDEX.replace("00000500 00000100", "00000500 00009999")),
    ],
    ids=["a kind that there is not", "no words", "a meaning that there is not"],
)
def test_odd_files_of_wordnet_are_one_line(data: str, index: str, tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(data)
    (tmp_path / "index.noun").write_text(index)
    with pytest.raises(UserError, match="no readable WordNet"):
        WordNet(tmp_path)


def test_a_parent_that_is_not_there_ends_the_line_of_ancestors(tmp_path: Path) -> None:
    (tmp_path / "data.noun").write_text(DATA.replace("@ 00000200", "@ 00009999"))
    (tmp_path / "index.noun").write_text(INDEX)
    assert WordNet(tmp_path).description("tomcat") == "tomcat, tom: male cat"


def test_captions_come_first_then_things_then_keywords(wordnet: WordNet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fromnoise.data.meanings.builder._everyday", lambda word: 0.0 if word == "tom" else 1.5)
    record = Record("a.png", "Cat", ("pet", "whiskers", "tomcat"), ("house cat",))
    found = described([record], wordnet)
    assert list(found) == ["cat", "house cat", "tomcat", "pet", "whiskers"]
    assert found["cat"][0].startswith("cat, house cat, pet, whiskers")
    assert found["cat"][0].endswith(": feline mammal usually having thick soft fur")
    assert found["tomcat"] == ("tomcat, tom, cat: male cat", 1.5)
    assert found["pet"] == ("pet", 1.0)


def test_a_table_comes_back_as_it_was(tmp_path: Path) -> None:
    table = Meanings(("cat", "a cup of tea"), torch.randn(2, 8).half(), torch.tensor([1.0, 2.0]))
    table.save(tmp_path / "sub" / "m.safetensors")
    again = Meanings.load(tmp_path / "sub" / "m.safetensors")
    assert again.phrases == table.phrases
    assert torch.equal(again.vectors, table.vectors)
    assert torch.equal(again.weights, table.weights)


def test_bad_tables_are_one_line(tmp_path: Path) -> None:
    file = tmp_path / "m.safetensors"
    with pytest.raises(UserError, match="fromnoise data meanings"):
        Meanings.load(file)
    file.write_bytes(b"no such thing")
    with pytest.raises(UserError, match="no file of meanings"):
        Meanings.load(file)
    save_file({"x": torch.zeros(1)}, file)
    with pytest.raises(UserError, match="no file of meanings"):
        Meanings.load(file)
    Meanings(("cat",), torch.full((1, 8), torch.nan).half(), torch.ones(1)).save(file)
    with pytest.raises(UserError, match="no usable file of meanings"):
        Meanings.load(file)
    Meanings(("cat", "dog"), torch.ones(1, 8).half(), torch.ones(1)).save(file)
    with pytest.raises(UserError, match="no usable file of meanings"):
        Meanings.load(file)
