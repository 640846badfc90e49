"""The chapter of noise through HTTP: the same picture, noise and guesses as the library's."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fromnoise.drawing.generate import draw
from fromnoise.drawing.picture_file import to_image
from fromnoise.drawing.request import Request
from fromnoise.ground.pictures import to_bytes
from fromnoise.inspection.noise import Looked, noise_levels, times_of
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live


def told(http: httpx.Client, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """All news of a view."""
    answer = http.post(f"/api/inside/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def seen_in(url: str) -> Tensor:
    """The picture that an address holds, uint8 [3,H,W]."""
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return torch.from_numpy(np.asarray(image.convert("RGB")).copy()).permute(2, 0, 1)


def uploaded(http: httpx.Client, picture: Tensor) -> str:
    """The id of a picture that was sent."""
    file = io.BytesIO()
    to_image(picture).save(file, "PNG")
    answer = http.post("/api/uploads", files={"file": ("p.png", file.getvalue(), "image/png")})
    return str(answer.json()["id"])


def a_picture(model: TextToImage, seed: int = 1) -> Tensor:
    shape = (3, model.pixels, model.pixels)
    return torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def test_the_picture_is_drawn_and_drowned_as_the_library_does(http: httpx.Client, live: Live) -> None:
    model = live.state.models.base
    news = told(http, "noise", {"prompt": "red apple", "style": "noto", "seed": 7})
    kinds = [each["type"] for each in news]
    assert kinds == ["step"] * kinds.count("step") + ["picture", "noise", *["level"] * 11, "end"]
    assert kinds.count("step") == news[0]["total"]
    by_kind = {each["type"]: each for each in news}
    picture = draw(model, Request("red apple", style="noto", seed=7))[0]
    assert torch.equal(seen_in(by_kind["picture"]["picture"]), picture)
    times = times_of(range(0, 101, 10), model.schedule.steps)
    expected = list(noise_levels(model, Looked(picture, "red apple", "noto", 7), times))
    found = [each for each in news if each["type"] == "level"]
    assert [each["t"] for each in found] == times
    for each, level in zip(found, expected, strict=True):
        assert level.with_words is not None
        assert torch.equal(seen_in(each["seen"]), level.decoded)
        assert torch.equal(seen_in(each["without"]["picture"]), level.without.picture)
        assert torch.equal(seen_in(each["with_words"]["picture"]), level.with_words.picture)
        assert each["without"]["error"] == pytest.approx(level.without.error, abs=1e-5)
        assert each["with_words"]["error"] == pytest.approx(level.with_words.error, abs=1e-5)
        assert each["gain"] == (None if level.gain is None else pytest.approx(level.gain, abs=1e-4))


def test_what_the_page_mixes_is_what_the_library_mixes(http: httpx.Client, live: Live) -> None:
    model = live.state.models.base
    picture = a_picture(model)
    news = told(http, "noise", {"prompt": "red apple", "seed": 5, "start": uploaded(http, picture)})
    assert [each["type"] for each in news[:2]] == ["picture", "noise"]  # nothing is drawn
    assert news[0]["drawn"] is False
    assert torch.equal(seen_in(news[0]["picture"]), picture)
    sent = np.frombuffer(base64.b64decode(news[1]["grain"]), "<i2").reshape(picture.shape) / 4096
    clean = picture.double().numpy() / 127.5 - 1
    for level in noise_levels(model, Looked(picture, "red apple", seed=5), [0, 250, 999], draws=1):
        mixed = news[1]["alphas"][level.t] * clean + news[1]["sigmas"][level.t] * sent
        off = np.abs(to_bytes(torch.from_numpy(mixed)).numpy().astype(int) - level.pixels.numpy().astype(int))
        assert off.max() <= 1  # 16 bits
        assert (off > 0).mean() < 0.03
    assert len(news[1]["alphas"]) == len(news[1]["sigmas"]) == 1000


def test_one_level_alone_is_that_of_the_library_and_needs_few_calls(
    http: httpx.Client, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = live.state.models.base
    picture = a_picture(model)
    looked, calls = Looked(picture, "red apple", "noto", 5), list[int]()
    (wanted,) = noise_levels(model, looked, [333])
    predict = model.engine.predict
    monkeypatch.setattr(model.engine, "predict", lambda *more: calls.append(len(more[0])) or predict(*more))
    asked = {"prompt": "red apple", "style": "noto", "seed": 5, "start": uploaded(http, picture), "t": 333}
    (news,) = told(http, "noise/level", asked)
    assert sum(calls) == 2 * 4  # with words and without, of four noises
    assert (news["type"], news["t"]) == ("level", 333)
    assert torch.equal(seen_in(news["seen"]), wanted.decoded)
    assert torch.equal(seen_in(news["without"]["picture"]), wanted.without.picture)
    assert wanted.with_words is not None
    assert news["with_words"]["error"] == pytest.approx(wanted.with_words.error, abs=1e-5)
    answer = http.post("/api/inside/noise/level", json={**asked, "t": 1000})
    assert answer.status_code == 400
    assert "no level t = 1000" in answer.json()["error"]["message"]


def test_the_command_says_what_was_looked_at(http: httpx.Client, live: Live) -> None:
    drawn = told(http, "noise", {"prompt": "red apple", "style": "noto", "seed": 7})[-1]
    end = f"--model {live.state.models.opened.place} --out noise.html"
    assert drawn["command"] == f"fromnoise inspect noise --prompt 'red apple' --style noto --seed 7 {end}"
    picture = uploaded(http, a_picture(live.state.models.base))
    brought = told(http, "noise", {"prompt": "red apple", "seed": 7, "start": picture})[-1]
    assert brought["command"] == f"fromnoise inspect noise picture.png --words 'red apple' --seed 7 {end}"


def test_a_picture_without_words_is_guessed_without_words(http: httpx.Client, live: Live) -> None:
    news = told(http, "noise", {"seed": 1, "start": uploaded(http, a_picture(live.state.models.base))})
    levels = [each for each in news if each["type"] == "level"]
    assert len(levels) == 11
    assert all(each["with_words"] is None and each["gain"] is None for each in levels)
    assert news[-1]["captions"] is None
    assert "--words" not in news[-1]["command"]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"prompt": "red apple", "start": "0" * 32}, 410, "send it again"),
        ({"prompt": "red apple", "start": "../x"}, 400, "start"),
        ({"prompt": "red apple", "style": "oil"}, 400, "oil"),
        ({"prompt": "(red:99)"}, 400, "99"),
        ({"prompt": "red apple", "steps": 3}, 400, "steps"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_drawn(
    http: httpx.Client, body: dict[str, Any], status: int, said: str
) -> None:
    answer = http.post("/api/inside/noise", json=body)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"] + str(answer.json()["error"]["param"])
