"""The judge live: CLIP's opinions of a drawing as the library gives them, on either side of the switch."""

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

from fromnoise.drawing.best_of import fit
from fromnoise.drawing.generate import draw_plans
from fromnoise.inspection.judge import judge, usual_decoys
from fromnoise.inspection.subject import Subject
from studio.conftest import Live

DECOYS = ["a blue house", "green tree"]
ASKED: dict[str, Any] = {"prompt": "red apple", "seed": 3, "steps": 3, "decoys": DECOYS}
APPLE = Subject("red apple", seed=3, steps=3)


def news_of(http: httpx.Client, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """All events of a look."""
    answer = http.post("/api/inside/judge", json=asked)
    assert answer.status_code == 200, answer.text
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def seen(url: str) -> Tensor:
    """The picture in an address, uint8 [3,H,W]."""
    image = Image.open(io.BytesIO(base64.b64decode(url.removeprefix("data:image/png;base64,"))))
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


@pytest.mark.parametrize("strength", [0.0, 0.3])
def test_opinions_are_those_of_the_library(http: httpx.Client, live: Live, strength: float) -> None:
    model = live.state.models.base
    first, *told, end = news_of(http, {**ASKED, "clip_guidance": strength})
    wanted = list(judge(model, APPLE, DECOYS, strength))
    assert (first["type"], first["captions"], first["total"]) == ("judge", ["red apple", *DECOYS], 3)
    assert end == {"type": "end"}
    assert len(told) == len(wanted) == 4
    for news, opinion in zip(told, wanted, strict=True):
        assert (news["step"], news["t"], news["finished"]) == (opinion.index, opinion.t, opinion.finished)
        assert torch.equal(seen(news["picture"]), opinion.picture)
        assert news["cosines"] == pytest.approx(opinion.cosines, abs=5e-5)
        assert news["shares"] == pytest.approx(opinion.shares, abs=5e-5)
        assert news["pick"] == int(np.argmax(opinion.shares))


def test_looking_on_changes_no_pixel_and_steering_does(http: httpx.Client, live: Live) -> None:
    model = live.state.models.base
    made = APPLE.plan(model)
    plain, steered = (news_of(http, {**ASKED, "clip_guidance": s})[-2] for s in (0, 0.3))
    assert plain["finished"]
    assert steered["finished"]
    assert torch.equal(seen(plain["picture"]), draw_plans(model, [made])[0])
    assert not torch.equal(seen(steered["picture"]), seen(plain["picture"]))
    assert steered["cosines"][0] == pytest.approx(fit(model, made, seen(steered["picture"])[None])[0], abs=5e-5)


def test_the_command_says_the_same_captions_and_strength(http: httpx.Client, live: Live) -> None:
    place = live.state.models.opened.place
    first = news_of(http, {**ASKED, "steps": 1, "clip_guidance": 0.3})[0]
    assert first["command"] == (
        f"fromnoise inspect judge 'red apple' --seed 3 --steps 1 --model {place} --decoy 'a blue house' "
        "--decoy 'green tree' --clip-guidance 0.3 --out judge.html"
    )


def test_without_decoys_the_usual_ones_are_taken_and_none_at_all_may_be_asked_for(
    http: httpx.Client, live: Live
) -> None:
    usual = news_of(http, {"prompt": "red apple", "steps": 1, "seed": 3})[0]
    assert usual["captions"] == ["red apple", *usual_decoys(live.state.models.base, "red apple")]
    alone = news_of(http, {**ASKED, "steps": 1, "decoys": []})
    assert alone[0]["captions"] == ["red apple"]
    assert [news["shares"] for news in alone[1:-1]] == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"prompt": ""}, "give a prompt"),
        ({"decoys": ["red apple"]}, "stands there twice"),
        ({"decoys": [" "]}, "a decoy is empty"),
        ({"decoys": [str(i) for i in range(8)]}, "there may be 7 decoys, not 8; leave some out"),
        ({"clip_guidance": 11}, "clip_guidance"),
        ({"clip_guidance": -0.1}, "clip_guidance"),
        ({"strength": 0.3}, "strength"),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_is_drawn(
    http: httpx.Client, asked: dict[str, Any], said: str
) -> None:
    answer = http.post("/api/inside/judge", json={**ASKED, **asked})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"] + str(answer.json()["error"]["param"])


def test_a_model_without_eyes_says_so(http: httpx.Client, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.state.models, "base", replace(live.state.models.base, clip=None))
    answer = http.post("/api/inside/judge", json=ASKED)
    assert answer.status_code == 400
    assert "CLIP's image tower, which this model lacks" in answer.json()["error"]["message"]
    assert http.get("/api/facts").json()["best_of"] is None  # by which the page knows it
