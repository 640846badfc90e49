"""The style that is drawn in where none is named: the model's own choice, or none."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fromnoise.drawing.explain import explain
from fromnoise.drawing.generate import draw_all
from fromnoise.drawing.pipeline import Pipeline
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request, Towards
from fromnoise.drawing.style import as_drawn
from fromnoise.ground.errors import UserError
from fromnoise.system.defaults import FACTS, check_default_style, read_facts
from fromnoise.system.text_to_image import TextToImage

STYLES = ("noto", "fluent-emoji", "fluent-emoji-3d")
ADDED = "no style is named: drawn in noto, the model's own choice; the style any is none"


@pytest.fixture
def plain(tiny_model: TextToImage) -> TextToImage:
    return replace(tiny_model, styles=STYLES)


@pytest.fixture
def choosy(plain: TextToImage) -> TextToImage:
    return replace(plain, default_style="noto")


def text(model: TextToImage, prompt: str, style: str | None = None) -> str:
    return plan(model, Request(prompt, style=style)).words.wanted.text


@pytest.mark.parametrize(
    "prompt",
    [
        "red apple, noto style", "red apple, in a Fluent-Emoji-3D style.", "red apple, linocut style",
        "(red apple, noto style:1.2)", "red apple, (fluent-emoji  style)", "a noto style apple", "noto style",
        "red apple\n, noto style",
    ],
)  # fmt: skip
def test_a_prompt_that_names_a_style_is_left_as_it_is(plain: TextToImage, choosy: TextToImage, prompt: str) -> None:
    assert text(choosy, prompt) == text(plain, prompt)
    assert plan(choosy, Request(prompt)).request.style is None
    assert ADDED not in plan(choosy, Request(prompt)).notes


@pytest.mark.parametrize(
    "prompt", ["red apple", "two cats, a hat", "a cat with style", "the noto styles", "xnoto style", "style: noto"]
)
def test_a_prompt_that_names_none_gets_the_models_choice(choosy: TextToImage, prompt: str) -> None:
    made = plan(choosy, Request(prompt))
    assert made.words.wanted.text == f"{prompt}, noto style"
    assert made.request.style == "noto"
    assert made.notes.count(ADDED) == 1


def test_a_named_style_any_and_free_stay_what_they_were(plain: TextToImage, choosy: TextToImage) -> None:
    assert text(choosy, "red apple", "fluent-emoji") == "red apple, fluent-emoji style"
    assert (
        text(choosy, "red apple", "any") == "red apple" == text(plain, "red apple") == text(plain, "red apple", "any")
    )
    for wish in (Request("red apple", style="fluent-emoji"), Request("red apple", style="any"), Request(free=True)):
        made = plan(choosy, wish)
        assert ADDED not in made.notes
        assert made.request.style == wish.style
    assert plan(choosy, Request(free=True)).words.wanted.text == ""
    assert plan(plain, Request("red apple", style="any")).request == plan(plain, Request("red apple")).request


def test_models_without_a_choice_draw_and_say_what_they_did(plain: TextToImage) -> None:
    made = plan(plain, Request("red apple"))
    assert (made.words.wanted.text, made.request.style, made.words.style) == ("red apple", None, "")
    assert not any("style" in note for note in made.notes)
    with pytest.raises(UserError, match=r"fluent-emoji-3d$"):  # no word of what brings nothing here
        plan(plain, Request("red apple", style="nothing"))


def test_bits_are_those_of_what_it_stands_for(plain: TextToImage, choosy: TextToImage) -> None:
    wish = Request("red apple", seed=3, steps=2)
    none, any_, own, other = (
        draw_all(choosy, [replace(wish, style=style)]) for style in (None, "any", "noto", "fluent-emoji")
    )
    before, said, elsewhere = (draw_all(plain, [replace(wish, style=s)]) for s in (None, "noto", "fluent-emoji"))
    assert torch.equal(none, own)
    assert torch.equal(own, said)
    assert torch.equal(any_, before)
    assert torch.equal(other, elsewhere)
    assert not torch.equal(none, any_)


def test_the_other_picture_gets_it_too(choosy: TextToImage) -> None:
    made = plan(choosy, Request("red apple", style="any", towards=Towards(0.5, 7, "blue house")))
    assert made.words.wanted.text == "red apple"
    assert made.goal.wanted.text == "blue house, noto style"
    assert made.notes.count(ADDED) == 1
    to = made.request.towards
    assert to is not None
    assert (made.request.style, to.style) == ("any", "noto")
    same = plan(choosy, Request("red apple", towards=Towards(0.5, 7)))
    assert same.goal.wanted.text == same.words.wanted.text == "red apple, noto style"
    other = plan(choosy, Request("red apple", towards=Towards(0.5, 7, "blue house", style="any")))
    assert other.goal.wanted.text == "blue house"


@pytest.mark.parametrize("style", [None, "any", "noto", "fluent-emoji"])
@pytest.mark.parametrize("prompt", ["red apple", "red apple, noto style"])
@pytest.mark.parametrize("to", [None, Towards(0.5, 7), Towards(0.5, 7, "house"), Towards(0.5, 7, "house", style="any")])
def test_what_a_picture_keeps_is_planned_the_same_again(
    choosy: TextToImage, plain: TextToImage, prompt: str, style: str | None, to: Towards | None
) -> None:
    for model in (choosy, plain):
        first = plan(model, Request(prompt, style=style, towards=to))
        again = plan(model, as_drawn(model, first.request))
        assert (again.request, again.words.wanted.text, again.goal.wanted.text) == (
            first.request, first.words.wanted.text, first.goal.wanted.text,
        )  # fmt: skip


def test_a_picture_of_before_the_choice_is_drawn_again_as_it_was(plain: TextToImage, choosy: TextToImage) -> None:
    kept = plan(plain, Request("red apple", seed=3, steps=2, towards=Towards(0.5, 7, "house"))).request
    assert torch.equal(draw_all(choosy, [as_drawn(choosy, kept)]), draw_all(plain, [kept]))
    assert as_drawn(plain, kept) is kept


def test_pictures_and_explanations_say_it(choosy: TextToImage) -> None:
    pipeline = Pipeline("tiny", choosy)
    (picture,) = pipeline("red apple", seed=1, steps=1)
    assert ADDED in picture.info["notes"]
    assert json.loads(picture.info["fromnoise"])["request"]["style"] == "noto"
    shown = explain(choosy, pipeline.plan("red apple", seed=1))
    assert ("note", ADDED) in shown
    assert ("reads", '"red apple, noto style"') in shown
    (quiet,) = pipeline("red apple", style="any", seed=1, steps=1)
    assert ADDED not in quiet.info["notes"]
    assert json.loads(quiet.info["fromnoise"])["request"]["style"] == "any"


def test_it_is_no_second_style_beside_one_in_the_prompt(choosy: TextToImage) -> None:
    assert not any("both are read" in n for n in plan(choosy, Request("red apple, noto style", style="any")).notes)
    assert any("both are read" in n for n in plan(choosy, Request("red apple, noto style", style="noto")).notes)


def test_a_style_that_is_called_any_is_one(tiny_model: TextToImage) -> None:
    model = replace(tiny_model, styles=("any", "noto"))
    assert text(model, "red apple", "any") == "red apple, any style"
    assert plan(model, Request("red apple", style="any")).request.style == "any"
    with pytest.raises(UserError, match="named 'any'"):
        check_default_style("noto", model.styles)


def test_a_wrong_style_is_told_of_any(choosy: TextToImage) -> None:
    with pytest.raises(UserError, match=r"did you mean noto.*fluent-emoji-3d, or any for none$"):
        plan(choosy, Request("red apple", style="note"))


def test_it_is_in_the_models_folder_and_nowhere_without(
    plain: TextToImage, choosy: TextToImage, tmp_path: Path
) -> None:
    plain.save(tmp_path / "plain")
    choosy.save(tmp_path / "choosy")
    said = [json.loads((tmp_path / name / FACTS).read_text(encoding="utf-8")) for name in ("plain", "choosy")]
    assert said[1].pop("default_style") == "noto"
    assert said[0] == said[1]
    assert "default_style" not in said[0]
    loaded = TextToImage.load(tmp_path / "choosy")
    assert loaded.default_style == loaded.for_drawing("fp32").default_style == "noto"
    assert TextToImage.load(tmp_path / "plain").default_style == ""
    assert loaded.hash == plain.hash  # the weights are the same


@pytest.mark.parametrize("wrong", ["linocut", 7, ["noto"], {"noto": 1}])
def test_a_choice_that_is_none_of_the_styles_is_damage(choosy: TextToImage, wrong: object, tmp_path: Path) -> None:
    choosy.save(tmp_path / "model")
    file = tmp_path / "model" / FACTS
    file.write_text(json.dumps({**json.loads(file.read_text(encoding="utf-8")), "default_style": wrong}), "utf-8")
    said = r"the default style .* is none of the model's styles: noto" if isinstance(wrong, str) else "should be text"
    with pytest.raises(UserError, match=said):
        read_facts(tmp_path / "model")
    with pytest.raises(UserError, match="is none of the model's styles"):
        replace(choosy, default_style="linocut").save(tmp_path / "other")
    assert not (tmp_path / "other").exists()
