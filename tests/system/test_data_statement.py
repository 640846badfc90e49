"""What a model says of the pictures it learnt from, whichever version wrote its card."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from fromnoise.data.pictures import PictureSet
from fromnoise.data.record import Record
from fromnoise.system.data_statement import Source, credits_of, sources_in
from fromnoise.training.statement import statement


def pictures(records: list[Record], left: list[tuple[str, str]] | None = None) -> PictureSet:
    return PictureSet(torch.zeros(len(records), 3, 4, 4, dtype=torch.uint8), records, left or [])


def test_everything_is_counted_once() -> None:
    records = [Record(f"{i}.png", f"cat {i % 2}", style="ink", licence="CC-BY-4.0", author="Ann") for i in range(3)]
    records.append(Record("d.png", "dog"))
    left = [
        ("big.png", "it has 9000×9000 pixels; the most is 67,108,864"),
        ("wide.png", "it has 8800×9100 pixels; the most is 67,108,864"),
        ("cut.png", "it is damaged: image file is truncated (3 bytes not processed)"),
        ("torn.png", "it is damaged: broken PNG file"),
    ]
    found = statement(pictures(records, left), pictures([Record("e.png", "owl")], left[:2]), [], "abc")
    assert found["sources"] == [
        {"set": "", "licence": "", "author": "", "pictures": 1},
        {"set": "ink", "licence": "CC-BY-4.0", "author": "Ann", "pictures": 3},
    ]
    assert (found["pictures"], found["held_out"], found["captioned"], found["name"]) == (4, 1, 3, "abc")
    assert found["left_out"] == {"it has …×… pixels; the most is …": 2, "it is damaged": 2}


def test_made_pictures_name_the_drawings_that_they_are_made_of() -> None:
    drawings = [Record("a.svg", "cat", style="ink", licence="MIT", author="Ann")]
    found = statement(pictures([Record("0", "two cats")] * 5), pictures([]), drawings, "abc")
    assert found["sources"] == [{"set": "ink", "licence": "MIT", "author": "Ann", "pictures": 1}]
    assert (found["pictures"], found["captioned"]) == (5, 1)


def test_many_kinds_of_reasons_are_summed_up() -> None:
    left = [(f"{i}.png", "because of " + "x" * i) for i in range(1, 30)]
    said = statement(pictures([], left), pictures([]), [], "")["left_out"]
    assert sum(said.values()) == 29
    assert said["for other reasons"] == 9


def test_cards_of_all_versions_are_read_and_odd_ones_do_no_harm() -> None:
    new = {"data": {"sources": [{"set": "ink", "licence": "MIT", "author": "Ann", "pictures": 3}, "odd", {}]}}
    assert sources_in(new) == [Source("ink", "MIT", "Ann", 3), Source("", "", "", None)]
    assert sources_in({"sources": [["ink", "MIT", "Ann"], ["short"], 5]}) == [Source("ink", "MIT", "Ann", None)]
    odd: list[dict[str, Any]] = [{}, {"sources": 5}, {"data": 5}, {"data": {"sources": {}}}]
    assert [sources_in(card) for card in odd] == [[], [], [], []]
    lying = {"data": {"sources": [{"set": ["x"], "licence": None, "pictures": True}]}}
    assert sources_in(lying) == [Source("['x']", "", "", None)]


def test_those_who_ask_for_credit_come_first_with_all_that_cc_by_asks_for() -> None:
    card = {"sources": [["a", "MIT", "Ann"], ["b", "CC-BY-4.0", "Bob"], ["", "", ""]]}
    first, second, third = credits_of(card)
    for part in ("“b”", "by Bob", "CC-BY-4.0", "https://creativecommons.org/licenses/by/4.0/", "scaled"):
        assert part in first
    assert "“a” by Ann, MIT (https://spdx.org/licenses/MIT.html)" in second
    assert third.startswith("Pictures by unnamed authors, without a stated licence;")


def test_the_commands(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    said = run("inspect", "model")
    assert said.code == 0
    assert "emojione" in said.out
    assert "Emoji One" in said.out
    written = run("data", "credits", "--out", "CREDITS.md")
    assert written.code == 0
    text = (tmp_path / "CREDITS.md").read_text()
    assert text.startswith(
        "stickers-64 learnt from:\n\n- “emojione” (https://github.com/joypixels/emojione) by Emoji One, CC-BY"
    )
    assert text.count("\n- ") == 8
    said = run("inspect", "model", tiny_model_folder)
    assert "does not say from which pictures" in said.out
    assert run("data", "credits", tiny_model_folder).code == 2
    shutil.copytree(tiny_model_folder, tmp_path / "mine")
    facts = json.loads((tmp_path / "mine" / "fromnoise.json").read_text())
    data = {"sources": [{"set": "ink", "licence": "MIT", "author": "[b]Ann[/b]\n", "pictures": 3}], "pictures": 3,
            "held_out": 1, "captioned": 2, "left_out": {"it is damaged": 2}, "name": "0123"}  # fmt: skip
    (tmp_path / "mine" / "fromnoise.json").write_text(json.dumps(facts | {"card": {"name": "mine", "data": data}}))
    out = run("inspect", "model", "mine").out
    for part in ("[b]Ann[/b]", "2: it is damaged", "3 pictures with 2 different captions; 1 were kept aside", "0123"):
        assert part in out
    assert json.loads(run("inspect", "model", "mine", "--json").out)["data"] == data


def test_sets_that_a_package_names_too_shortly_are_credited_in_full() -> None:
    card = {"sources": [["twemoji", "CC-BY-4.0", "Twitter"], ["fluent-emoji-3d", "MIT", "LobeHub"]]}
    twitter, fluent = credits_of(card)
    assert "“twemoji” (https://github.com/jdecked/twemoji) by Twitter, Inc and other contributors, CC-BY-4.0" in twitter
    assert "by Microsoft Corporation (packaged by LobeHub), MIT" in fluent
    assert "by Ann, MIT" in credits_of({"sources": [["twemoji", "MIT", "Ann"]]})[0]  # another set of that name
