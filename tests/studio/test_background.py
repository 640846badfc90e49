"""Stickers without their white box through the API, and pictures that have no white background."""

from __future__ import annotations

import base64
import io

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

import fromnoise.drawing.generate as generating
from fromnoise.drawing.matte import OPAQUE
from studio.conftest import Live

ASKED = {"prompt": "red apple", "steps": 2, "seed": 5, "n": 2, "size": "48x48"}


@pytest.fixture
def drawn_on_white(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the tiny model draws has no background: a red box on white takes its place."""

    def pasted(pictures: torch.Tensor, start: object) -> torch.Tensor:
        box = torch.full_like(pictures, 255)
        box[:, :, 8:16, 8:16] = torch.tensor([200, 30, 40], dtype=torch.uint8)[:, None, None]
        return box

    monkeypatch.setattr(generating, "pasted", pasted)


def answered(live: Live, **more: object) -> dict:
    with live.client() as client:
        answer = client.post("/v1/images/generations", json={**ASKED, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


def pictures(answer: dict) -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(item["b64_json"]))) for item in answer["data"]]


@pytest.mark.usefixtures("drawn_on_white")
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_a_transparent_background_is_clear_and_the_thing_is_not(live: Live, kind: str) -> None:
    answer = answered(live, background="transparent", output_format=kind)
    assert answer["background"] == "transparent"
    assert OPAQUE not in str(answer.get("warnings"))
    for picture in pictures(answer):
        assert picture.format == kind.upper()
        assert picture.getpixel((0, 0))[3] == 0
        assert max(np.asarray(picture)[..., 3].ravel()) == 255


@pytest.mark.usefixtures("drawn_on_white")
@pytest.mark.parametrize("background", ["auto", "opaque", None])
def test_otherwise_it_is_opaque(live: Live, background: str | None) -> None:
    answer = answered(live, background=background)
    assert answer["background"] == "opaque"
    assert [picture.mode for picture in pictures(answer)] == ["RGB", "RGB"]


@pytest.mark.usefixtures("drawn_on_white")
def test_behind_an_address_it_is_transparent_too(live: Live) -> None:
    answer = answered(live, background="transparent", response_format="url", output_format="webp")
    picture = Image.open(io.BytesIO(httpx.get(answer["data"][0]["url"]).content))
    assert picture.getpixel((0, 0))[3] == 0


def test_jpeg_is_refused_in_one_line(live: Live) -> None:
    body = {**ASKED, "background": "transparent", "output_format": "jpeg"}
    with live.client() as client:
        error = client.post("/v1/images/generations", json=body).json()["error"]
    said = "a transparent background needs output_format png or webp; jpeg has no transparency"
    assert (error["message"], error["param"], error["code"]) == (said, "background", "invalid_value")


def test_a_background_that_is_not_white_stays_and_the_answer_says_so(live: Live, monkeypatch) -> None:
    monkeypatch.setattr(generating, "pasted", lambda pictures, start: torch.full_like(pictures, 90))
    answer = answered(live, background="transparent")
    assert answer["background"] == "opaque"
    assert answer["warnings"][-2:] == [f"picture 1: {OPAQUE}", f"picture 2: {OPAQUE}"]
    assert all(np.asarray(picture.convert("RGBA"))[..., 3].min() == 255 for picture in pictures(answer))
