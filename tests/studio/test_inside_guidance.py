"""Guidance live: the guesses that were really made, in the order they were made, and one noise at many scales."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fromnoise.drawing.generate import draw_plans
from fromnoise.inspection.guidance import SCALES, Pull, ladder, parted, pulls, shown
from fromnoise.inspection.guidance_live import guidance_news
from fromnoise.inspection.live import LARGEST, as_url
from fromnoise.inspection.pixels import apart, difference
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live

ASKED = {"prompt": "red apple", "seed": 3, "steps": 4, "guidance": 5}
APPLE = Subject("red apple", seed=3, steps=4, guidance=5.0)


def news_of(http: httpx.Client, view: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """All events of a look inside."""
    answer = http.post(f"/api/inside/{view}", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def seen(url: str) -> Tensor:
    """The picture in an address, uint8 [3,H,W]."""
    image = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def test_both_guesses_of_every_step_are_those_that_were_made(http: httpx.Client, live: Live) -> None:
    model = live.state.models.base
    first, *steps, end = news_of(http, "guidance", ASKED)
    made = APPLE.plan(model)
    wanted = [pull for pull in pulls(model, made) if isinstance(pull, Pull)]
    assert (first["type"], first["total"], first["scale"]) == ("guidance", 4, 5.0)
    place = live.state.models.opened.place
    drawn = "fromnoise inspect guidance 'red apple' --seed 3 --steps 4 --guidance 5"
    assert first["command"] == f"{drawn} --model {place} --out guidance.html"
    assert [(step["type"], step["step"], step["t"]) for step in steps] == [
        ("step", i, float(pull.step.t)) for i, pull in enumerate(wanted)
    ]
    guided = [(step, pull) for step, pull in zip(steps, wanted, strict=True) if pull.without is not None]
    assert len(guided) >= 2
    for step, pull in guided:
        assert pull.without is not None
        words, plain = shown(model, pull.with_words).picture, shown(model, pull.without).picture
        assert not torch.equal(words, plain)
        assert torch.equal(seen(step["with"]), words)
        assert torch.equal(seen(step["without"]), plain)
        assert torch.equal(seen(step["guided"]), shown(model, pull.guided).picture)
        assert torch.equal(seen(step["apart"]), parted(words, plain))
        assert torch.equal(seen(step["adds"]), difference(plain, words))  # lighter where words have more, not less
        assert step["differ"] == pytest.approx(apart(words, plain), abs=5e-5)
    assert torch.equal(seen(end["picture"]), draw_plans(model, [made])[0])


def test_where_guidance_rests_there_is_nothing_to_compare(tiny_model: TextToImage) -> None:
    resting = replace(tiny_model, defaults=replace(tiny_model.defaults, interval=(100, 800)))
    steps = [news for news in guidance_news(resting, replace(APPLE, steps=6)) if news["type"] == "step"]
    assert {100 <= step["t"] <= 800 for step in steps} == {True, False}
    for step in steps:
        rests = not 100 <= step["t"] <= 800
        assert [step[name] is None for name in ("without", "apart", "adds", "differ")] == [rests] * 4
        if rests:
            assert step["with"] == step["guided"]


def test_the_ladder_draws_one_noise_at_every_scale(http: httpx.Client, live: Live) -> None:
    model = live.state.models.base
    first, *rungs, end = news_of(http, "ladder", {**ASKED, "steps": 2})
    assert (first["type"], first["scales"], end) == ("ladder", list(SCALES), {"type": "end"})
    assert "--scales 1,2,3,4,6,8,10,12" in first["command"]
    assert [rung["scale"] for rung in rungs] == list(SCALES)
    drawn = [draw_plans(model, [APPLE.plan(model, guidance=scale, steps=2)])[0] for scale in SCALES]
    for rung, picture, wanted in zip(rungs, drawn, ladder(model, replace(APPLE, steps=2)), strict=True):
        assert torch.equal(seen(rung["picture"]), picture)
        assert rung["moved"] == pytest.approx(apart(picture, drawn[0]), abs=5e-5)
        assert rung["match"] == pytest.approx(wanted.match, abs=5e-5)
        assert rung["beyond"] == pytest.approx(wanted.drawn.beyond, abs=5e-5)
    assert rungs[0]["moved"] == 0
    assert rungs[-1]["moved"] > 0


@pytest.mark.parametrize(
    ("view", "asked", "said"),
    [
        ("guidance", {**ASKED, "guidance": 1}, "guidance 1 asks the network once"),
        ("guidance", {**ASKED, "prompt": ""}, "give a prompt"),
        ("guidance", {**ASKED, "negative": "red apple"}, "give a prompt that differs"),
        ("ladder", {**ASKED, "prompt": " "}, "give a prompt"),
        ("ladder", {**ASKED, "steps": 0}, "steps"),
        ("ladder", {**ASKED, "style": "opera"}, "opera"),
        ("guidance", {**ASKED, "scales": [1]}, "scales"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_is_drawn(
    http: httpx.Client, view: str, asked: dict[str, Any], said: str
) -> None:
    answer = http.post(f"/api/inside/{view}", json=asked)
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"] + str(answer.json()["error"]["param"])


def test_large_pictures_of_steps_are_made_smaller_and_small_ones_are_kept() -> None:
    half = torch.zeros(3, 300, 600, dtype=torch.uint8)
    half[:, :, 300:] = 200
    small = seen(as_url(half, LARGEST))
    assert small.shape == (3, 128, 256)
    assert (small[:, :, :127] == 0).all()
    assert (small[:, :, 129:] == 200).all()
    assert torch.equal(seen(as_url(half, 600)), half)
    assert torch.equal(seen(as_url(half)), half)
