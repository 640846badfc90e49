"""The hidden picture through HTTP: the library's page, and layers that fade in as the command's film does."""

from __future__ import annotations

import base64
import io
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.drawing.stereogram import stereogram
from fromnoise.inspection.stereogram import FRAMES, fade, hide, stereogram_figure
from fromnoise.inspection.subject import Subject
from studio.conftest import Live
from studio.test_inside_noise import seen_in, told

ASKED = {"prompt": "red apple", "style": "noto", "seed": 7}


def image_in(url: str) -> Image.Image:
    """The picture that an address holds, with its alpha."""
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def test_the_page_hides_what_the_library_hides(http: httpx.Client, live: Live) -> None:
    news = told(http, "hidden", ASKED)
    kinds = [each["type"] for each in news]
    assert kinds == ["hidden", *["step"] * news[0]["total"], "page", "end"]
    assert not any("picture" in each for each in news[1:-2])  # the way would tell what is hidden
    picture = draw(live.state.models.base, Request("red apple", style="noto", seed=7))[0]
    page = news[-2]
    assert torch.equal(seen_in(page["page"]), stereogram(picture, 7))
    assert image_in(page["page"]).text["command"] == news[-1]["command"]  # type: ignore[attr-defined]
    drawn = f"'red apple' --style noto --seed 7 --model {live.state.models.opened.place}"
    assert news[-1]["command"] == f"fromnoise inspect stereogram {drawn} --out hidden.png"
    facts = stereogram_figure(hide(picture, 7), Subject("red apple", "noto", seed=7)).facts
    assert {name: page[name] for name in facts if name != "seed"} == {k: v for k, v in facts.items() if k != "seed"}


def test_the_layers_fade_in_as_the_film_does(http: httpx.Client, live: Live) -> None:
    page = told(http, "hidden", ASKED)[-2]
    picture = draw(live.state.models.base, Request("red apple", style="noto", seed=7))[0]
    frames = fade(hide(picture, 7))
    layers = [image_in(page[name]).convert("RGBA") for name in ("page", "shape", "answer")]
    for i, frame in enumerate(frames):
        shown = np.asarray(layers[0]).astype(float)[..., :3]
        for layer, opacity in ((layers[1], min(1, i / FRAMES)), (layers[2], max(0, i / FRAMES - 1))):
            values = np.asarray(layer).astype(float)
            alpha = values[..., 3:] / 255 * opacity
            shown = shown * (1 - alpha) + values[..., :3] * alpha
        assert np.abs(shown - np.asarray(frame)).max() <= 1


@pytest.mark.parametrize(("change", "said"), [({"style": "oil"}, "oil"), ({"steps": 0}, "steps"), ({"x": 1}, "x")])
def test_what_is_wrong_is_said_before_anything_is_drawn(http: httpx.Client, change: dict[str, Any], said: str) -> None:
    answer = http.post("/api/inside/hidden", json={**ASKED, **change})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"] + str(answer.json()["error"]["param"])
