"""From what a person says to what will be done: once, with nothing left open."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import pytest
import torch

from fromnoise.diffusion.schedule import ScheduleConfig
from fromnoise.drawing.explain import explain
from fromnoise.drawing.generate import draw, draw_plans
from fromnoise.drawing.plan import Plan, plan, plans
from fromnoise.drawing.request import Request, Towards
from fromnoise.ground.errors import UserError
from fromnoise.ground.wording import styled
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.system.known_words import KnownWords
from fromnoise.system.text_to_image import TextToImage

APPLE = Request(prompt="red apple", style="noto", seed=7, steps=4)


def test_nothing_in_a_plan_is_left_open(tiny_model: TextToImage) -> None:
    made = plan(tiny_model, Request(prompt="red apple"))
    assert [f.name for f in dataclasses.fields(Plan) if getattr(made, f.name) is None] == []
    defaults = tiny_model.defaults
    assert (made.steps, made.guidance, made.interval, made.rescale) == (
        *(defaults.steps, defaults.guidance, defaults.interval, defaults.rescale),
    )
    assert made.levels.walk.times[0] == 999
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.seed = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    "request_",
    [
        Request(prompt="red apple"),
        APPLE,
        replace(APPLE, negative="blue", sampler="DPM++ 2M Karras", count=3),
        replace(APPLE, width=48, height=40, guidance=0.0, interval=(0, 10)),
        replace(APPLE, strength=0.4),
        replace(APPLE, towards=Towards(0.25, 9)),
        replace(APPLE, towards=Towards(0.25, 9, "a blue house", "red", "twemoji")),
        Request(free=True, style="noto"),
        replace(APPLE, width=512, height=512),
    ],
)
def test_the_request_of_a_plan_leads_to_the_same_plan(tiny_model: TextToImage, request_: Request) -> None:
    first = plan(tiny_model, request_)
    again = plan(tiny_model, first.request)
    assert again.request == first.request
    assert again.kind == first.kind
    open_ = [n for n, v in first.request.to_dict().items() if v is None]
    assert set(open_) <= {"style", "strength", "towards"}  # which are none, not open


def test_a_prompt_is_cut_into_tokens_once(tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch) -> None:
    """`generate -n 4` cut one prompt thirteen times."""
    cut: list[str] = []
    pieces = Tokenizer.pieces
    monkeypatch.setattr(Tokenizer, "pieces", lambda self, text: cut.append(text) or pieces(self, text))
    made = plan(tiny_model, replace(APPLE, count=4, negative="red apple, noto style", guidance=3.0))
    draw_plans(tiny_model, made.one_by_one())
    assert cut == ["red apple, noto style"]
    assert tiny_model.embed([""]).shape[0] == 1  # the counter does count
    assert cut == ["red apple, noto style", ""]


def test_the_pictures_of_a_plan_have_the_seeds_and_goals_of_their_number(tiny_model: TextToImage) -> None:
    made = plan(tiny_model, replace(APPLE, count=3, towards=Towards(0.5, 20)))
    assert [(p.seed, p.goal_seed, p.count) for p in made.one_by_one()] == [(7, 20, 1), (8, 21, 1), (9, 22, 1)]
    assert [(p.seed, p.count) for p in made.batches(2)] == [(7, 2), (9, 1)]


def test_a_prompt_is_worded_as_captions_are(tiny_model: TextToImage) -> None:
    assert plan(tiny_model, APPLE).words.wanted.text == styled("red apple", "noto") == "red apple, noto style"
    assert plan(tiny_model, Request(free=True, style="noto")).words.wanted.text == styled("", "noto")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"prompt": " "}, "prompt"),
        ({"prompt": "()"}, "prompt"),
        ({"prompt": "BREAK"}, "prompt"),
        ({"prompt": "(()) []"}, "prompt"),
        ({"prompt": "(red apple:0)"}, "prompt"),
        ({"prompt": "\u200b"}, "prompt"),
        ({"free": True}, "free"),
        ({"style": "nota"}, "style"),
        ({"steps": 0}, "steps"),
        ({"guidance": -1.0}, "guidance"),
        ({"count": 0}, "count"),
        ({"seed": -1}, "seed"),
        ({"rescale": 1.5}, "rescale"),
        ({"interval": (500, 100)}, "interval"),
        ({"width": 33}, "width"),
        ({"height": 4}, "height"),
        ({"strength": 0.0}, "strength"),
        ({"negative": "\ud800"}, "negative"),
        ({"negative": "<lora:x:1>"}, "negative"),
        ({"prompt": "red " * 400}, "prompt"),
        ({"towards": Towards(2.0, 1)}, "towards"),
        ({"prompt": "(red apple:11)"}, "prompt"),
        ({"negative": "(red apple:11)"}, "negative"),
        ({"negative": "red " * 400}, "negative"),
        ({"spacing": "distilled", "steps": 9}, "spacing"),
        ({"spacing": "wide"}, "spacing"),
        ({"sigmas": "wide"}, "sigmas"),
        ({"interval": (5,)}, "interval"),
        ({"interval": (1, 2, 3)}, "interval"),
        ({"towards": Towards(0.5, 3, style="nope")}, "towards"),
        ({"towards": Towards(0.5, 3, negative="x")}, "towards"),
        ({"towards": Towards(0.5, 3, "blue", style="nope")}, "towards.style"),
        ({"towards": Towards(0.5, 3, "(blue:11)")}, "towards.prompt"),
        ({"towards": Towards(0.5, 3, "blue", "<lora:x:1>")}, "towards.negative"),
        ({"towards": Towards(0.5, 3, "red " * 400)}, "towards.prompt"),
        ({"towards": Towards(0.5, 3, "()")}, "towards.prompt"),
    ],
)
def test_an_error_says_which_field_it_is_about(tiny_model: TextToImage, changes: dict[str, Any], field: str) -> None:
    with pytest.raises(UserError) as caught:
        plan(tiny_model, replace(APPLE, **changes))
    assert caught.value.field == field


def test_an_empty_looking_prompt_is_refused_and_its_like_with_words_is_not(tiny_model: TextToImage) -> None:
    with pytest.raises(UserError, match="no words that count"):
        plan(tiny_model, replace(APPLE, prompt="[()]"))
    plan(tiny_model, replace(APPLE, prompt="(red) BREAK"))
    plan(tiny_model, replace(APPLE, prompt="?"))


def test_far_larger_than_it_knows_is_drawn_at_its_own_size_and_enlarged(tiny_model: TextToImage) -> None:
    side = tiny_model.pixels
    large = replace(APPLE, width=6 * side, height=6 * side)
    made = plan(tiny_model, large)
    assert made.size.drawn == (side, side)
    assert "by enlarging" in made.notes[-1]
    drawn = draw(tiny_model, large)
    assert drawn.shape == (1, 3, 6 * side, 6 * side)
    small = torch.nn.functional.avg_pool2d(drawn.float(), 6)
    assert (small - draw(tiny_model, APPLE).float()).abs().mean() < 6  # it is the small picture, enlarged
    assert plan(tiny_model, replace(large, native=True)).size.drawn == (6 * side, 6 * side)
    twice = plan(tiny_model, replace(APPLE, width=2 * side, height=2 * side))
    assert twice.size.drawn == twice.size.given == (2 * side, 2 * side)


@pytest.mark.parametrize("size", [(4, 1), (8, 0.5), (16, 0.5), (1, 4), (2.25, 1)])
def test_far_longer_than_it_knows_is_drawn_smaller_too(tiny_model: TextToImage, size: tuple[float, float]) -> None:
    width, height = (int(side * tiny_model.pixels) for side in size)
    made = plan(tiny_model, replace(APPLE, width=width, height=height))
    assert made.size.given == (width, height)
    assert made.size.drawn[0] * made.size.drawn[1] <= 1.25 * tiny_model.pixels**2
    assert (made.size.drawn[0] > made.size.drawn[1]) == (width > height)
    assert plan(tiny_model, replace(APPLE, width=width, height=height, native=True)).size.drawn == (width, height)


@pytest.mark.parametrize("size", [(2, 1), (1, 2), (2, 2), (2.5, 0.5), (0.5, 2)])
def test_up_to_twice_its_side_and_narrow_strips_are_drawn_as_they_are(
    tiny_model: TextToImage, size: tuple[float, float]
) -> None:
    width, height = (int(side * tiny_model.pixels) for side in size)
    assert plan(tiny_model, replace(APPLE, width=width, height=height)).size.drawn == (width, height)


def test_a_photo_keeps_its_shape_up_to_four_times_the_area(tiny_model: TextToImage) -> None:
    strip = replace(APPLE, width=256, height=16, strength=0.5)
    assert plan(tiny_model, strip).size.drawn == (256, 16)
    assert plan(tiny_model, replace(strip, width=512)).size.enlarged


@pytest.mark.parametrize(("width", "native"), [(32, False), (64, False), (96, True)])
def test_native_is_remembered_where_it_changes_something(tiny_model: TextToImage, width: int, native: bool) -> None:
    made = plan(tiny_model, replace(APPLE, width=width, height=width, native=True))
    assert made.native is native
    assert made.request == plan(tiny_model, made.request).request


@pytest.mark.parametrize(
    "own",
    [
        {"interval": (900, 1)},
        {"interval": (-1, 5)},
        {"interval": (5,)},
        {"guidance": float("nan")},
        {"guidance": -3.0},
        {"guidance": 1e9},
        {"rescale": 7.0},
        {"steps": 0},
        {"steps": 1001},
        {"sampler": "magic"},
        {"spacing": "wide"},
    ],
    ids=str,
)
def test_a_models_own_numbers_are_checked_as_a_persons_are(tiny_model: TextToImage, own: dict[str, Any]) -> None:
    model, asked = replace(tiny_model, defaults=replace(tiny_model.defaults, **own)), replace(APPLE, steps=None)
    (field,) = own
    with pytest.raises(UserError, match=f"this model's own {field}") as caught:
        plan(model, asked)
    assert caught.value.field == field
    good = getattr(plan(tiny_model, asked).request, field)
    plan(model, replace(asked, **{field: good}))  # somebody else's number is never looked at
    with pytest.raises(UserError) as caught:
        plan(tiny_model, replace(asked, **own))
    assert "model's own" not in str(caught.value)


def test_the_usual_interval_serves_a_model_with_fewer_levels(tiny_model: TextToImage) -> None:
    model = replace(tiny_model, schedule=ScheduleConfig(steps=500).build())
    made = plan(model, APPLE)
    assert made.interval == (60, 500)
    assert plan(model, made.request).request == made.request


def test_words_that_no_caption_had_are_named(tiny_model: TextToImage) -> None:
    known = KnownWords.of(["a red apple", "green tree", "noto"])
    model = replace(tiny_model, known=known)
    made = plan(model, replace(APPLE, prompt="aple Kermit", style=None))
    assert made.notes == (
        "this model has never seen the word 'aple'; it knows apple",
        "this model has never seen the word 'Kermit'",
    )
    assert plan(model, APPLE).notes == ()
    assert plan(tiny_model, replace(APPLE, prompt="Kermit")).notes == ()  # nobody knows: nothing is said


def test_a_style_in_the_prompt_is_no_unknown_word_and_two_styles_are_told(tiny_model: TextToImage) -> None:
    model = replace(tiny_model, known=KnownWords.of(["a red apple"]), styles=("noto", "fluent-emoji-3d"))
    asked = replace(APPLE, prompt="a red apple, Fluent-Emoji-3D style", style=None)
    assert not [note for note in plan(model, asked).notes if "never seen" in note or "both are read" in note]
    both = "the prompt names a style (fluent-emoji-3d) beside the one that is chosen (noto); both are read"
    assert both in plan(model, replace(asked, style="noto")).notes
    strange = plan(model, replace(asked, prompt="a red apple, cubism style")).notes
    assert "this model has never seen the word 'cubism'" in strange


def test_a_zero_in_a_prompt_is_refused(tiny_model: TextToImage) -> None:
    for field in ("prompt", "negative"):
        with pytest.raises(UserError, match=r"U\+0000") as caught:
            plan(tiny_model, replace(APPLE, **{field: "a\0b"}))
        assert caught.value.field == field


def test_of_many_unknown_words_the_first_are_named(tiny_model: TextToImage) -> None:
    model = replace(tiny_model, known=KnownWords.of(["a red apple"]))
    strange = [f"b{'x' * i}" for i in range(3, 13)]
    made = plan(model, replace(APPLE, prompt=" ".join(strange), style=None))
    assert [note for note in made.notes if strange[7] in note]
    assert not [note for note in made.notes if strange[8] in note]
    assert made.notes[-1:] == ("and it has never seen 2 more of the words",)


def test_unknown_words_of_all_texts_are_named_once(tiny_model: TextToImage) -> None:
    model = replace(tiny_model, known=KnownWords.of(["a red apple", "noto"]))
    asked = replace(APPLE, prompt="Kermit", negative="Piggy", towards=Towards(0.5, 3, "Kermit, Gonzo", "Piggy"))
    assert plan(model, asked).notes[-3:] == tuple(
        f"this model has never seen the word '{word}'" for word in ("Kermit", "Piggy", "Gonzo")
    )
    assert sum("never seen" in note for note in plan(model, asked).notes) == 3


def test_what_stands_in_for_a_sampler_and_what_the_model_says_are_notes_of_the_plan(tiny_model: TextToImage) -> None:
    model = replace(tiny_model, note="its makers drew with DEIS")
    made = plan(model, replace(APPLE, sampler="DPM2 a Karras"))
    assert made.notes == (
        "its makers drew with DEIS",
        "DPM2 a Karras is not here; drawing with euler_a, which comes nearest",
    )
    assert plan(tiny_model, replace(APPLE, sampler="DPM++ 2M Karras")).notes == ()
    assert plan(tiny_model, made.request).notes == ()


def test_an_and_that_is_drawn_as_a_word_is_a_note(tiny_model: TextToImage) -> None:
    assert "'AND' is read as the word" in plan(tiny_model, replace(APPLE, prompt="RED AND SUN", style=None)).notes[0]


def test_the_tokens_shown_are_those_that_are_read(tiny_model: TextToImage) -> None:
    def shown(prompt: str) -> str:
        return dict(explain(tiny_model, plan(tiny_model, replace(APPLE, prompt=prompt, style=None))))["tokens"]

    assert shown("red apple") == "2: red apple"
    assert shown("(red apple:1.2)") == "2: (red:1.2) (apple:1.2)"
    assert shown(r"red BREAK [apple], \(house\)") == "6: red | (apple:0.909) , ( house )"
    long = shown("red " * 25)
    assert long.startswith("25: red red")
    assert long.count("|") == 2


def test_a_plan_can_be_shown(tiny_model: TextToImage) -> None:
    shown = dict(explain(tiny_model, plan(tiny_model, replace(APPLE, count=2, negative="blue"))))
    assert shown["pictures"] == "2, seeds 7 to 8"
    assert shown["reads"] == '"red apple, noto style"'
    assert shown["pushes from"] == '"blue"'
    assert shown["sampler"] == "dpm++, 4 steps"
    assert shown["levels"].startswith("t = 999 ")
    assert shown["guidance"].startswith("3 for t in 60…850 (2 of 4 steps)")
    assert dict(explain(tiny_model, plan(tiny_model, replace(APPLE, guidance=1.0))))["guidance"].startswith("off")


def test_plans_of_many_requests_come_in_their_order(tiny_model: TextToImage) -> None:
    assert [p.seed for p in plans(tiny_model, [replace(APPLE, seed=s) for s in (5, 3, 9)])] == [5, 3, 9]
