"""A verdict is about the pictures that were asked, and says which were not: no picture is cleared by a stranger."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from fromnoise.drawing.picture_file import Origin
from fromnoise.drawing.request import Request
from fromnoise.evaluation.copies import asking
from fromnoise.evaluation.copies.asking import UNNAMED, Question, Source, Witnesses
from fromnoise.evaluation.copies.index import Index, Known
from fromnoise.ground.errors import UserError

PICTURE = Path("a.png")


@dataclass
class Model:
    """What is asked of a model."""

    hash: str
    pictures: int
    card: dict[str, Any] = field(default_factory=dict)


MODELS = {
    None: ("stickers-64", Model("shipped", 5696, {"started_from": "73adef740c86"})),  # whose pictures are among its own
    "mine": ("mine", Model("m1", 12, {"started_from": "shipped"})),
    "theirs": ("theirs", Model("t1", 300)),
    "further": ("further", Model("f1", 40, {"started_from": "t1"})),
}
CHANGED = {(None, "lora"): "shipped+l", (None, "fast"): "shipped+f", ("mine", "lora"): "m1+l"}


def index(n: int) -> Index:
    empty, known = torch.zeros(0), tuple(Known(f"{i}.png", "thing") for i in range(n))
    return Index(64, empty, empty, empty, empty, torch.arange(n), known)


def witnesses(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **more: Any) -> Witnesses:
    def opened(place: str | None, loras: bool, fast: bool) -> tuple[str, Any]:
        name, model = MODELS[place]
        change = CHANGED.get((place, "lora" if loras else "fast" if fast else ""))
        return name, Model(change or model.hash, model.pictures, model.card)

    monkeypatch.setattr(asking, "index_of", lambda model, _: index(model.pictures))
    return Witnesses(opened, *arguments, **more)


def origin(by: str, **more: Any) -> Origin:
    return Origin(Request(prompt="cat"), "some-name", by, "0.1", **more)


def names(question: Question) -> list[str]:
    return [source.name for source in question.sources]


def test_a_picture_of_the_shipped_model_is_compared_with_its_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    found = witnesses(monkeypatch).question(PICTURE, origin("shipped"))
    assert (names(found), found.unasked) == (["stickers-64"], ())
    assert found.sources[0].pictures == "any of the 5,696 pictures that stickers-64 (shipped) was trained on"


@pytest.mark.parametrize("by", ["t1", "unknown", "m1"])
def test_another_models_picture_is_not_cleared_by_the_shipped_index(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    with pytest.raises(UserError, match=rf"drawn by some-name \({by}\), and not by stickers-64 \(shipped\).*--model"):
        witnesses(monkeypatch).question(PICTURE, origin(by))
    with pytest.raises(UserError, match="and not by theirs" if by != "t1" else "and not by mine"):
        witnesses(monkeypatch, "theirs" if by != "t1" else "mine").question(PICTURE, origin(by))


def test_a_picture_that_says_nothing_needs_a_model_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"does not say which model drew it; .* --against MODEL"):
        witnesses(monkeypatch).question(PICTURE, None)
    for made in (witnesses(monkeypatch, "theirs"), witnesses(monkeypatch, None, ("theirs",))):
        found = made.question(PICTURE, None)
        assert (names(found), found.unasked) == (["theirs"], (UNNAMED,))


def test_against_names_the_drawer_that_was_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    found = witnesses(monkeypatch, None, ("theirs",)).question(PICTURE, origin("zzz"))
    assert names(found) == ["theirs"]
    assert found.unasked == ("it was drawn by some-name (zzz), whose training pictures were not asked",)
    own = witnesses(monkeypatch, None, ("mine", "theirs")).question(PICTURE, origin("t1"))
    assert names(own) == ["theirs", "mine", "stickers-64"]  # who drew it comes first; the base of mine is asked too
    assert own.unasked == ()


def test_a_model_trained_further_is_asked_with_its_base(monkeypatch: pytest.MonkeyPatch) -> None:
    found = witnesses(monkeypatch, "mine").question(PICTURE, origin("m1"))
    assert [(s.name, s.index.trained) for s in found.sources] == [("mine", 12), ("stickers-64", 5696)]
    assert found.unasked == ()
    alone = witnesses(monkeypatch, "further").question(PICTURE, origin("f1"))
    assert names(alone) == ["further"]
    assert "further was trained further from the model t1" in alone.unasked[0]
    both = witnesses(monkeypatch, "further", ("theirs",)).question(PICTURE, origin("f1"))
    assert (names(both), both.unasked) == (["further", "theirs"], ())


def test_what_no_model_can_tell_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    found = witnesses(monkeypatch).question(PICTURE, origin("shipped+l", loras=("x.safetensors",), start="0123"))
    assert names(found) == ["stickers-64"]
    assert [word for word in ("x.safetensors", "--image") for line in found.unasked if word in line] == [
        "x.safetensors",
        "--image",
    ]
    with pytest.raises(UserError, match=r"with the LoRAs x.safetensors \(give them with --lora\)"):
        witnesses(monkeypatch).question(PICTURE, origin("elsewhere", loras=("x.safetensors",)))
    fast = witnesses(monkeypatch).question(PICTURE, origin("shipped+f", fast=True))
    assert (names(fast), fast.unasked) == (["stickers-64"], ())
    other = witnesses(monkeypatch, None, ("theirs",)).question(PICTURE, origin("z", loras=("x.safetensors",)))
    assert "with LoRAs" in other.unasked[0]
    assert "x.safetensors" in other.unasked[1]


def test_given_pictures_make_the_index_of_the_first_model_only(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def make(model: Any) -> Index:
        made.append(model.hash)
        return index(7)

    found = witnesses(monkeypatch, "mine", make_index=make).question(PICTURE, origin("m1"))
    assert [s.index.trained for s in found.sources] == [7, 5696]
    found = witnesses(monkeypatch, None, ("mine", "theirs"), make_index=make).question(PICTURE, None)
    assert [(s.name, s.index.trained) for s in found.sources] == [("mine", 7), ("theirs", 300), ("stickers-64", 5696)]
    assert made == ["m1", "m1"]


def test_a_folder_of_pictures_is_compared_with_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Is what my LoRA draws one of my pictures? Nothing else knows what that learnt from."""
    mine = tmp_path / "mine"
    mine.mkdir()
    monkeypatch.setattr(asking, "load_folder", lambda place, pixels, split: place)
    monkeypatch.setattr(asking, "built", lambda pictures: index(37) if pictures == str(mine) else index(0))
    asked = witnesses(monkeypatch, None, (str(mine),))
    found = asked.question(PICTURE, origin("shipped+l", loras=("x.safetensors",)))
    assert [source.pictures for source in found.sources] == [
        "any of the 5,696 pictures that stickers-64 (shipped) was trained on",
        f"any of the 37 pictures in {mine}",
    ]
    assert names(asked.question(PICTURE, None)) == [str(mine)]
    stranger = asked.question(PICTURE, origin("elsewhere"))
    assert names(stranger) == [str(mine)]
    assert "whose training pictures were not asked" in stranger.unasked[0]
    assert [asking.holds_pictures(str(place)) for place in (mine, tmp_path / "none")] == [True, False]
    for what in ("model_index.json", "run.json"):  # opened as models, which says of a run where its model is
        (tmp_path / what).touch()
        assert not asking.holds_pictures(str(tmp_path))
        (tmp_path / what).unlink()
    (mine / "lora.safetensors").touch()
    with pytest.raises(UserError, match=r"is the run of a LoRA: give that with --lora .*the pictures .*with --against"):
        witnesses(monkeypatch, None, (str(mine),)).question(PICTURE, None)


def test_one_picture_is_called_one() -> None:
    assert Source("m", "h", index(1)).pictures == "the one picture that m (h) was trained on"


def test_what_others_made_of_the_first_stickers_is_not_cleared_by_their_own_pictures(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The shipped model holds the pictures of the model that it was trained further from; another one holds its own."""
    monkeypatch.setitem(MODELS, "cousin", ("cousin", Model("c1", 5, {"started_from": "73adef740c86"})))
    found = witnesses(monkeypatch, "cousin").question(PICTURE, origin("c1"))
    assert (names(found), found.unasked) == (["cousin", "stickers-64"], ())
    both = witnesses(monkeypatch, "cousin", ("mine",)).question(PICTURE, origin("c1"))
    assert (names(both), both.unasked) == (["cousin", "mine", "stickers-64"], ())  # and the shipped one is asked once
    monkeypatch.setitem(MODELS, None, ("stickers-128", Model("shipped", 9000)))  # a later one, made anew
    alone = witnesses(monkeypatch, "cousin").question(PICTURE, origin("c1"))
    assert names(alone) == ["cousin"]
    assert "cousin was trained further from the model 73adef740c86" in alone.unasked[0]
