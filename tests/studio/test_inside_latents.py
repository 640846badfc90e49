"""The chapter of latents through HTTP: there and back, each channel, noise, and changes as the library makes them."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import torch
from PIL import Image

from fromnoise.drawing.generate import draw
from fromnoise.drawing.picture_file import from_image
from fromnoise.drawing.request import Request
from fromnoise.drawing.start import fitting_size, start_from
from fromnoise.inspection.heat import warmth
from fromnoise.inspection.latents import changed, each_channel, noised, there_and_back
from fromnoise.inspection.panels import grey
from fromnoise.inspection.pixels import psnr
from studio.conftest import Live
from studio.test_inside_noise import a_picture, seen_in, told, uploaded


def test_a_drawn_picture_goes_there_and_back_as_in_the_library(http: httpx.Client, live: Live) -> None:
    model = live.state.models.base
    news = told(http, "latents", {"prompt": "red apple", "style": "noto", "seed": 7})
    picture = draw(model, Request("red apple", style="noto", seed=7))[0]
    trip = there_and_back(model, picture)
    by_kind = {each["type"]: each for each in news}
    back = by_kind["back"]
    assert torch.equal(seen_in(by_kind["picture"]["picture"]), picture)
    assert torch.equal(seen_in(back["picture"]), trip.back)
    assert torch.equal(seen_in(back["error"]), warmth(trip.error, back["white"]))
    assert back["db"] == pytest.approx(trip.db, abs=0.01)
    assert back["mean"] == pytest.approx(float(trip.error.mean()), abs=0.01)
    assert (back["numbers"], back["latents"]) == (picture.numel(), list(trip.latents.shape))
    channels = [each for each in news if each["type"] == "channel"]
    for found, channel in zip(channels, each_channel(model, trip), strict=True):
        assert found["index"] == channel.index
        assert torch.equal(seen_in(found["picture"]), grey(channel.latents, 3.0))
        assert found["lost"] == pytest.approx(channel.lost, abs=0.01)
    assert news[-1]["command"] == (
        "fromnoise inspect latents --prompt 'red apple' --style noto --seed 7 "
        f"--model {live.state.models.opened.place} --out latents.html"
    )


def test_noise_grows_and_is_the_librarys(http: httpx.Client, live: Live) -> None:
    model, picture = live.state.models.base, a_picture(live.state.models.base)
    news = told(http, "latents", {"seed": 5, "start": uploaded(http, picture)})
    assert news[0]["type"] == "picture"  # nothing is drawn
    levels = [each for each in news if each["type"] == "noised"]
    assert [each["amount"] for each in levels] == sorted({each["amount"] for each in levels})
    trip = there_and_back(model, picture)
    for each in (levels[0], levels[-1]):
        expected = noised(model, trip, each["amount"], 5)
        assert torch.equal(seen_in(each["pixels"]["picture"]), expected.pixels)
        assert torch.equal(seen_in(each["latents"]["picture"]), expected.latents)
        assert (each["pixels"]["db"], each["latents"]["db"]) == pytest.approx(expected.db, abs=0.01)
        assert (each["pixels"]["coarse"], each["latents"]["coarse"]) == pytest.approx(expected.coarse, abs=1e-4)


def test_a_change_is_decoded_by_the_model(http: httpx.Client, live: Live) -> None:
    model = live.state.models.base
    picture = a_picture(model, 2)
    start, trip = uploaded(http, picture), there_and_back(model, picture)
    count = len(trip.latents)

    def ask(gains: list[float]) -> dict[str, Any]:
        answer = http.post("/api/inside/latents/changed", json={"start": start, "gains": gains})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    same = ask([1] * count)
    assert torch.equal(seen_in(same["picture"]), trip.back)
    assert same["db"] == pytest.approx(trip.db, abs=0.01)
    gains = [1, 0, 2.5, *[1] * (count - 3)]
    other = model.decode(changed(trip.latents, [1], {2: 2.5})[None])[0]
    found = ask(gains)
    assert torch.equal(seen_in(found["picture"]), other)
    assert not torch.equal(other, trip.back)
    assert found["db"] == pytest.approx(psnr(picture, other), abs=0.01)


def test_an_upload_keeps_its_shape_as_in_the_command(http: httpx.Client, live: Live) -> None:
    model, photo = live.state.models.base, Image.effect_noise((80, 40), 60).convert("RGB")
    size = fitting_size(photo, model.pixels, model.vae.factor)
    assert size[0] > size[1]
    start = uploaded(http, from_image(photo))
    news = told(http, "latents", {"start": start})
    expected = start_from(photo, size).picture
    assert torch.equal(seen_in(news[0]["picture"]), expected)
    gains = [1.0] * model.vae.config.latent_channels
    found = http.post("/api/inside/latents/changed", json={"start": start, "gains": gains}).json()
    assert torch.equal(seen_in(found["picture"]), there_and_back(model, expected).back)


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("latents", {"prompt": "red apple", "start": "0" * 32}, 410, "send it again"),
        ("latents", {"prompt": "(red:99)"}, 400, "99"),
        ("latents", {"prompt": "red apple", "style": "oil"}, 400, "oil"),
        ("latents/changed", {"start": "0" * 32, "gains": [1, 1, 1, 1]}, 410, "send it again"),
        ("latents/changed", {"gains": [1, 1, 1, 1]}, 400, "start"),
        ("latents/changed", {"start": "0" * 32, "gains": []}, 400, "gains"),
        ("latents/changed", {"start": "0" * 32, "gains": [11]}, 400, "gains"),
        ("latents/changed", {"start": "0" * 32, "gains": ["NaN"]}, 400, "gains"),
    ],
)
def test_what_is_wrong_is_said(http: httpx.Client, path: str, body: dict[str, Any], status: int, said: str) -> None:
    answer = http.post(f"/api/inside/{path}", json=body)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"] + str(answer.json()["error"]["param"])


def test_there_is_one_factor_for_each_channel(http: httpx.Client, live: Live) -> None:
    start = uploaded(http, a_picture(live.state.models.base))
    answer = http.post("/api/inside/latents/changed", json={"start": start, "gains": [1.0]})
    count = live.state.models.base.vae.config.latent_channels
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert (error["message"], error["param"]) == (
        f"send one factor for each of the {count} channels, not 1",
        "gains",
    )
