"""The routes of the chapter on what lies between two pictures, with the tiny model."""

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

from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.inspection.arithmetic import AS_SAID, TARGET, WAYS, equation_of, sums
from fromnoise.inspection.arithmetic_figure import outcome, verdict
from fromnoise.inspection.between import Goal, matches, stops_of, walk
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live

APPLE: dict[str, Any] = {"prompt": "red apple", "style": "noto", "seed": 3, "steps": 3}
SUBJECT = Subject("red apple", style="noto", seed=3, steps=3)


def heard(client: httpx.Client, view: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """All news of a view."""
    answer = client.post(f"/api/inside/{view}", json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def pixels(url: str) -> torch.Tensor:
    image = Image.open(io.BytesIO(base64.b64decode(url.split(",")[1])))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@pytest.fixture
def model(live: Live) -> TextToImage:
    return live.state.models.base


@pytest.mark.parametrize(
    ("more", "goal", "end"),
    [
        ({"to": "blue house"}, Goal("blue house"), {"prompt": "blue house"}),
        ({"to_seed": 9}, Goal(seed=9), {"seed": 9}),
        ({"to": "blue house", "to_seed": 9}, Goal("blue house", 9), {"prompt": "blue house", "seed": 9}),
    ],
)
def test_a_walk_is_the_librarys_and_its_ends_are_drawn_alone(
    http: httpx.Client, model: TextToImage, more: dict[str, Any], goal: Goal, end: dict[str, Any]
) -> None:
    news = heard(http, "between", {**APPLE, **more, "stops": 3})
    assert [each["type"] for each in news] == ["walk", "stop", "stop", "stop", "end"]
    for each, mine in zip(news[1:-1], stops_of(model, walk(model, SUBJECT, goal, 3)), strict=True):
        assert torch.equal(pixels(each["picture"]), mine.picture)
        assert (each["amount"], each["moved"]) == (mine.amount, pytest.approx(mine.moved, abs=1e-4))
        assert each["matches"] == pytest.approx(mine.matches, abs=1e-4)
    first = Request("red apple", style="noto", seed=3, steps=3)
    assert torch.equal(pixels(news[1]["picture"]), draw(model, first)[0])
    assert torch.equal(pixels(news[3]["picture"]), draw(model, replace(first, **end))[0])
    assert len(news[0]["told"]) == len(news[1]["matches"]) == (2 if "to" in more else 1)


def test_what_may_lie_between_is_drawn_beside_the_walk(http: httpx.Client, model: TextToImage) -> None:
    *stops, both, end = heard(http, "between", {**APPLE, "to": "blue house", "both": "red house", "stops": 2})[1:]
    alone = draw(model, Request("red house", style="noto", seed=3, steps=3))[0]
    assert (both["type"], both["prompt"]) == ("both", "red house")
    assert torch.equal(pixels(both["picture"]), alone)
    assert [len(each["matches"]) for each in (*stops, both)] == [3, 3, 3]
    assert both["matches"] == pytest.approx(
        matches(model, walk(model, SUBJECT, Goal("blue house", both="red house"), 2).told, alone), abs=1e-4
    )
    assert "--both 'red house'" in end["command"]


def test_the_commands_say_what_was_asked(http: httpx.Client, live: Live) -> None:
    place = live.state.models.opened.place
    walked = heard(http, "between", {**APPLE, "to": "blue house", "to_seed": 9, "stops": 2})[-1]["command"]
    assert walked == (
        f"fromnoise inspect between 'red apple' 'blue house' --style noto --seed 3 --steps 3 --model {place} "
        "--steps-between 2 --to-seed 9 --both '' --out between.html"
    )
    added = heard(http, "between/sum", {**APPLE, "minus": "red", "plus": "blue", "seeds": 1})[-1]["command"]
    assert added == (
        f"fromnoise inspect arithmetic 'red apple' --style noto --seed 3 --steps 3 --model {place} --minus red "
        "--plus blue --target 'blue apple' --seeds 1 --out arithmetic.html"
    )


def test_a_sum_is_the_librarys_with_its_verdict(http: httpx.Client, model: TextToImage) -> None:
    news = heard(http, "between/sum", {**APPLE, "minus": "red", "plus": "blue", "seeds": 2})
    equation = equation_of("red apple", "red", "blue")
    wanted = list(sums(model, SUBJECT, equation, 2))
    assert news[0]["wording"] == '"red apple" - "red" + "blue"'
    assert [(each["way"], each["seed"]) for each in news[1:-1]] == [(each.way, each.seed) for each in wanted]
    for each, mine in zip(news[1:-1], wanted, strict=True):
        assert torch.equal(pixels(each["picture"]), mine.picture)
        assert each["distance"] == pytest.approx(mine.distance, abs=1e-4)
    assert news[-1]["verdict"] == verdict([outcome(way, wanted) for way in WAYS], equation)
    drawn = {(each["way"], each["seed"]): pixels(each["picture"]) for each in news[1:-1]}
    assert torch.equal(drawn[AS_SAID, 4], draw(model, replace(SUBJECT.request, seed=4))[0])
    assert torch.equal(drawn[TARGET, 4], draw(model, replace(SUBJECT.request, seed=4, prompt="blue apple"))[0])


@pytest.mark.parametrize(
    ("view", "body", "param", "said"),
    [
        ("between", {}, None, "somewhere to go"),
        ("between", {"to": "red apple"}, None, "somewhere to go"),
        ("between", {"to_seed": 3}, None, "somewhere to go"),
        ("between", {"to": "x", "stops": 1}, "stops", "2"),
        ("between", {"to": "x", "stops": 34}, "stops", "33"),
        ("between", {"to": "x", "style": "cubist"}, "style", "cubist"),
        ("between/sum", {}, "minus", "taken away"),
        ("between/sum", {"minus": "green", "plus": "blue"}, "target", "not in the prompt"),
        ("between/sum", {"minus": "red", "plus": "blue", "seeds": 9}, "seeds", "8"),
        ("between/sum", {"prompt": " ", "minus": "red"}, "prompt", "prompt"),
        ("between/sum", {"minus": "red", "plus": "blue " * 300}, None, "longer"),
    ],
)
def test_what_cannot_be_drawn_is_refused_before_it_begins(
    http: httpx.Client, view: str, body: dict[str, Any], param: str | None, said: str
) -> None:
    answer = http.post(f"/api/inside/{view}", json={**APPLE, **body})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert said in error["message"]
    assert "--" not in error["message"]
    assert param in (None, error["param"])
