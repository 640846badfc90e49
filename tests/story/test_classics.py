"""The classic examples of the game, by the shipped model, which never read them. What it cannot do yet is said."""

from __future__ import annotations

import pytest

from fromnoise.story.draw import StoryRequest, draw_stories
from fromnoise.story.examples import spoilt
from fromnoise.story.model import StoryModel
from fromnoise.story.repair import Repair, repair

PRINCESS = "A princess with magical towers accidentally sets off an eternal winter in her kingdom."
DETECTIVE = "A stubborn detective must find the missing banana before the train leaves."
FAMILY = (
    "A family finds themselves stranded in a forest and must face their deepest barbecues "
    "as they are hunted by a mysterious popsicle."
)
NOISE = "Gold scissor out headphone neat typewriter spinach."


@pytest.fixture(scope="module")
def shipped() -> StoryModel:
    return StoryModel.load()


def found(model: StoryModel, text: str, errors: int, genre: str = "") -> dict[str, list[str]]:
    """Each word that is taken for wrong, with its guesses."""

    def said(one: Repair) -> list[str]:
        return [guess.word for guess in one.guesses]

    return {one.word: said(one) for one in repair(model, text, errors, genre).repairs}


def test_who_is_missing_is_somebody(shipped: StoryModel) -> None:
    guesses = found(shipped, DETECTIVE, 1)["banana"]
    assert set(guesses) & {"father", "friend", "parents", "brother", "sister", "twin", "mother", "son", "daughter"}


def test_what_hunts_and_what_is_faced_are_named(shipped: StoryModel) -> None:
    guesses = found(shipped, FAMILY, 2)
    assert set(guesses) == {"barbecues", "popsicle"}
    assert set(guesses["popsicle"]) & {"man", "woman", "stranger", "uncle", "killer"}


def test_the_princess_has_no_towers_in_a_fairy_tale(shipped: StoryModel) -> None:
    assert list(found(shipped, PRINCESS, 1, "fairy_tale")) == ["towers"]


@pytest.mark.xfail(strict=True, reason="it takes 'magical' for wrong where nobody says that it is a fairy tale")
def test_the_princess_has_no_towers(shipped: StoryModel) -> None:
    assert list(found(shipped, PRINCESS, 1)) == ["towers"]


@pytest.mark.xfail(strict=True, reason="hair, skin, heart, legs and lips come first")
def test_the_princess_has_powers(shipped: StoryModel) -> None:
    assert "powers" in found(shipped, PRINCESS, 1, "fairy_tale")["towers"]


@pytest.mark.xfail(strict=True, reason="voice, friends, face, reflection and eyes come first in a horror story")
def test_fears_are_faced(shipped: StoryModel) -> None:
    assert set(found(shipped, FAMILY, 2, "horror")["barbecues"]) & {"fears", "fear", "enemies", "terrors", "secrets"}


def test_gold_stays_in_a_mystery_of_france(shipped: StoryModel) -> None:
    asked = [StoryRequest(start=NOISE, genre="mystery", place="France", seed=seed) for seed in range(5)]
    plots = [draw_stories(shipped, request)[0] for request in asked]
    assert sum("gold" in plot.lower() for plot in plots) >= 1
    assert all("France" in plot for plot in plots)


def test_a_round_of_the_game_has_a_word_at_every_place(shipped: StoryModel) -> None:
    assert shipped.vocabulary.empty is not None  # which is among the noise
    for seed in range(300):
        clean, noisy = spoilt(shipped, PRINCESS, 1.0, seed)
        assert len(noisy) == len(clean)
        assert all(noisy)
        assert not any(a.lower() == b.lower() for a, b in zip(clean, noisy, strict=True))
