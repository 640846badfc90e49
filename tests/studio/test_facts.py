"""What the page is told before it asks for anything."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fromnoise.studio.desk import beginnings as facts
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


def test_every_shipped_style_has_its_small_picture(shipped: TextToImage) -> None:
    folder = next(Path(facts.__file__).parents[1].glob("**/styles/noto.webp")).parent
    assert {file.stem for file in folder.iterdir()} == set(shipped.styles)
