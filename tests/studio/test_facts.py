"""What the page is told before it asks for anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fromnoise.drawing.opened import Opening
from fromnoise.inspection.subject import Subject, named
from fromnoise.studio.desk import beginnings as facts
from fromnoise.studio.desk.about import about
from fromnoise.studio.desk.models import Models
from fromnoise.studio.tour.parts import parts_of
from fromnoise.system.opening import DEFAULT_MODEL
from fromnoise.system.text_to_image import TextToImage


@pytest.fixture(scope="module")
def shipped() -> TextToImage:
    return TextToImage.load(DEFAULT_MODEL)


def test_examples_of_the_shipped_model_are_words_that_it_was_trained_on(shipped: TextToImage) -> None:
    offered = facts.examples(shipped)
    assert offered[0] == "red apple"
    assert len(set(offered)) == len(offered) == 8
    asked = shipped.card["recipe"]["diffusion"]["prompts"]
    assert all(any(prompt.startswith(f"{example}, ") for prompt in asked) for example in offered)


@pytest.mark.parametrize(
    ("card", "offered"),
    [
        ({}, facts.ANY),
        ({"recipe": "by hand"}, facts.ANY),
        ({"recipe": {"diffusion": {"prompts": []}}}, facts.STICKERS),  # went on from the stickers' model
        ({"recipe": {"diffusion": {"prompts": ["a ship, linocut style", "a ship", "a sea, linocut style", 7]}}},
         ("a ship", "a sea")),
        ({"recipe": {"diffusion": None}}, facts.STICKERS),
    ],
)  # fmt: skip
def test_examples_follow_from_what_a_model_was_trained_on(
    tiny_model_folder: Path, card: dict[str, object], offered: tuple[str, ...]
) -> None:
    model = replace(TextToImage.load(tiny_model_folder), card=card, styles=("linocut",))
    assert facts.examples(model) == offered


def own(model: TextToImage, *prompts: str) -> TextToImage:
    return replace(model, card={"recipe": {"diffusion": {"prompts": list(prompts)}}})


def test_the_chapters_words_stay_where_the_model_knows_the_stickers(
    tiny_model: TextToImage, shipped: TextToImage
) -> None:
    assert facts.beginnings(shipped) is None
    assert facts.beginnings(own(tiny_model)) is None  # went on from the stickers' model
    assert about(shipped, "stickers-64", named(Opening()))["beginnings"] is None


def test_another_model_gives_the_chapters_its_own_words(tiny_model: TextToImage) -> None:
    found = facts.beginnings(own(tiny_model, "ship", "a small wooden boat at sea", "dog, noto style"))
    assert found is not None
    assert found.things == ("ship", "a small wooden boat at sea", "dog")
    assert found.others("ship") == ("a small wooden boat at sea", "dog")
    assert found.sum == ("ship", "ship", "dog")
    assert found.chain == ("a small wooden boat", "a small wooden boat at sea")
    told = about(replace(tiny_model, card={}), "x", named(Opening("mine", ("ink.safetensors:0.5",))))  # made elsewhere
    assert told["model"]["opened"] == {"model": "mine", "lora": ["ink.safetensors:0.5"], "precision": None}
    assert told["examples"] == list(facts.ANY)
    assert told["beginnings"] == {
        "sum": ["a red apple on a wooden table", "red", "green"],
        "chain": ["a lighthouse", "a lighthouse on a cliff", "a lighthouse on a cliff at sunset"],
    }


@pytest.mark.parametrize(
    ("prompt", "chain"),
    [
        ("fox", ("fox",)), ("a fox", ("fox",)), ("a red fox", ("fox", "red fox")),
        ("the big red fox", ("fox", "red fox", "big red fox")), ("an old man with a red hat, in oil", (
            "an old man", "an old man with a red hat", "an old man with a red hat, in oil")),
        ("four words without joints", ("four words without joints",)),
    ],
)  # fmt: skip
def test_a_chain_goes_from_general_to_narrow(prompt: str, chain: tuple[str, ...]) -> None:
    assert facts.chain_of(prompt) == chain


def test_a_tour_of_such_a_model_asks_with_its_words(tiny_model: TextToImage) -> None:
    model = own(tiny_model, "ship", "boat", "dog")
    parts = list(parts_of(Models("own", model, opened=Opening("own")), Subject("ship", steps=2)))
    asked = {part.view: dict(part.body) for part in parts}
    assert (asked["between"]["to"], asked["between"]["both"]) == ("boat", "ship boat")
    assert asked["judge"]["decoys"] == ("boat", "dog")
    assert [asked["between/sum"][name] for name in ("prompt", "minus", "plus")] == ["ship", "ship", "dog"]
    assert asked["map/area"]["prompts"] == ["ship"]
    (usual,) = (part for part in parts_of(Models("own", own(tiny_model)), Subject("red apple", steps=2))
                if part.view == "between")  # fmt: skip
    assert usual.body["to"] == "pear"


def test_every_shipped_style_has_its_small_picture(shipped: TextToImage) -> None:
    folder = next(Path(facts.__file__).parents[1].glob("**/styles/noto.webp")).parent
    assert {file.stem for file in folder.iterdir()} == set(shipped.styles)
