"""A large model is asked less by itself, and the view says so and how long it takes; what is named is not changed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from checkpoints import pipeline
from fromnoise.drawing.generate import draw_plans
from fromnoise.ground.errors import UserError
from fromnoise.inspection import patience
from fromnoise.inspection.activations_live import activations_news
from fromnoise.inspection.axes_live import axes_news
from fromnoise.inspection.guidance_live import guidance_news, ladder_news
from fromnoise.inspection.hidden_live import hidden_news
from fromnoise.inspection.judge_live import judge_news
from fromnoise.inspection.latents_live import latents_news
from fromnoise.inspection.learning_live import lessons_news
from fromnoise.inspection.live import as_url
from fromnoise.inspection.map_live import map_news
from fromnoise.inspection.noise import DRAWS
from fromnoise.inspection.noise_live import noise_news
from fromnoise.inspection.patience import Pace, about, told_of_noise, told_of_scales
from fromnoise.inspection.subject import Subject
from fromnoise.inspection.words_live import words_news
from fromnoise.system.text_to_image import TextToImage

SUBJECT = Subject("a red apple", seed=2, steps=2, guidance=5.0)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every model counts as large, and as slow as Stable Diffusion on a laptop."""
    monkeypatch.setattr(patience, "LARGE", 0)
    monkeypatch.setattr(patience, "pace_of", lambda model, made: Pace(3.0, 2.0))


@pytest.mark.usefixtures("large")
def test_a_large_model_is_asked_less_and_it_is_said_with_the_time(tiny_model: TextToImage) -> None:
    news = list(noise_news(tiny_model, SUBJECT))
    begun = next(each for each in news if each["type"] == "noise")
    levels = [each["t"] for each in news if each["type"] == "level"]
    assert levels == [-1, 199, 399, 599, 799, 999]
    assert begun["guesses"] == 6
    # five noisy levels, one noise, with words and without; three pictures of each of the six
    assert begun["note"].endswith(f"That takes {about(5 * 2 * 3.0 + 6 * 3 * 2.0)}.")
    first, *rungs, _ = ladder_news(tiny_model, SUBJECT)
    assert [rung["scale"] for rung in rungs] == first["scales"] == [1, 3, 7, 12]
    assert first["note"].endswith(f"That takes {about((2 + 3 * 2 * 2) * 3.0 + 4 * 2.0)}.")


def test_a_small_one_is_asked_everything_and_nothing_is_said(tiny_model: TextToImage) -> None:
    assert (told_of_noise(tiny_model, SUBJECT.plan(tiny_model)), patience.draws_of(tiny_model)) == ("", DRAWS)
    assert told_of_scales(tiny_model, SUBJECT.plan(tiny_model)) == ""
    assert len(patience.levels_of(tiny_model)) == 11
    assert len(patience.scales_of(tiny_model)) == 8


@pytest.mark.usefixtures("large")
def test_the_commands_say_it_too_and_draw_what_is_named(run: Any, tiny_model_folder: Path) -> None:
    model = ("--model", tiny_model_folder, "--out", "a.json")
    done = run("inspect", "noise", "--prompt", "apple", *model)
    assert "6 levels instead of 11" in done.err
    done = run("inspect", "guidance", "apple", "--steps", 2, "--guidance", 3, *model)
    assert "4 scales are drawn instead of 8" in done.err
    done = run("inspect", "guidance", "apple", "--steps", 2, "--guidance", 3, "--scales", "2,9", *model)
    assert "large model" not in done.err
    assert '"command": "fromnoise inspect guidance apple' in Path("a.json").read_text()
    assert "--scales 2,9" in Path("a.json").read_text()


def test_the_pace_is_measured(tiny_model: TextToImage) -> None:
    pace = patience.pace_of(tiny_model, SUBJECT.plan(tiny_model))
    assert 0 < pace.call < 60
    assert 0 < pace.decode < 60


@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_stable_diffusion_is_looked_into_live(family: str, tmp_path: Path) -> None:
    pipeline(family).save_pretrained(tmp_path)
    model = TextToImage.load(tmp_path)
    *steps, end = words_news(model, SUBJECT)
    assert [each["type"] for each in steps] == ["words", "step", "step"]
    assert sum(end["shares"]) == pytest.approx(1, abs=0.01)
    assert end["picture"] == as_url(draw_plans(model, [SUBJECT.plan(model)])[0])  # looking changes nothing
    blocks, *watched, _ = activations_news(model, SUBJECT)
    assert len(blocks["blocks"]) == len(model.unet.down) + len(model.unet.middle) + len(model.unet.up)
    names = {block["name"] for block in blocks["blocks"]}
    assert all(names < set(each["maps"]) for each in watched if each["type"] == "step")
    *_, finished = guidance_news(model, SUBJECT)
    assert finished["picture"] == end["picture"]
    kinds = [each["type"] for each in latents_news(model, SUBJECT)]
    assert kinds.count("channel") == model.vae.config.latent_channels == 4
    lessons = [each for each in lessons_news(model, SUBJECT) if each["type"] == "lesson"]
    assert [each["told"] for each in lessons] == [True] * 3
    assert re.match("data:image/png", next(e for e in hidden_news(model, SUBJECT) if e["type"] == "page")["page"])
    sheet, measured = axes_news(model)  # no pictures of its training and no CLIP: the starter set, without CLIP's space
    assert "starter set" in sheet["why"]
    assert measured["clip_scores"] == {}
    assert patience.pace_of(model, SUBJECT.plan(model)).call > 0
    for refused in (lambda: judge_news(model, SUBJECT), lambda: map_news(model, ["fox"])):
        with pytest.raises(UserError, match="CLIP"):
            refused()
