"""What the blocks hand on, through HTTP: the library's own maps and picture, in messages that stay small."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.inspection.activations import ENDS, Activation, blocks_of, moments
from fromnoise.inspection.activations_live import NOISY, SHOWN, activations_news, in_place, packed
from fromnoise.inspection.architecture import skips_of
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live
from studio.test_inside_noise import seen_in, told

ASKED = {"prompt": "red apple", "style": "noto", "seed": 7, "steps": 5}


def numbers_of(maps: dict[str, Any]) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """The bytes of a message: strength, then channels."""
    found = np.frombuffer(base64.b64decode(maps["data"]), np.uint8)
    return found.reshape(1 + len(maps["channels"]), maps["height"], maps["width"])


def test_the_maps_and_the_picture_are_the_librarys(http: httpx.Client, live: Live) -> None:
    model = live.state.models.base
    news = told(http, "activations", ASKED)
    assert [each["type"] for each in news] == ["blocks", "step", "times", *["step"] * 4, "end"]
    assert torch.equal(
        seen_in(news[-1]["picture"]), draw(model, Request("red apple", style="noto", seed=7, steps=5))[0]
    )
    first, blocks = news[0], blocks_of(model)
    assert [(b["name"], b["path"], b["weights"]) for b in first["blocks"]] == [
        (b.name, b.path, b.weights) for b in blocks
    ]
    assert first["skips"] == [list(pair) for pair in skips_of(model.unet)]
    assert first["command"].startswith("fromnoise inspect activations 'red apple' --style noto --seed 7 --steps 5")
    steps = [each for each in news if each["type"] == "step"]
    made = Subject("red apple", "noto", seed=7, steps=5).plan(model)
    for step, moment in zip(steps, moments(model, made), strict=True):
        assert (step["step"], step["t"]) == (moment.index, moment.t)
        assert torch.equal(seen_in(step["picture"]), model.decode(moment.guess)[0])
        assert list(step["maps"]) == [NOISY, *(block.name for block in blocks)]
        for shown in (Activation(NOISY, moment.noisy[0]), *moment.activations):
            maps = step["maps"][shown.block]
            assert maps["gives"] == list(shown.maps.shape)
            assert sorted(maps["channels"]) == sorted(shown.strongest(SHOWN))
            strength, *channels = numbers_of(maps)
            assert np.corrcoef(strength.ravel(), shown.strength.numpy().ravel())[0, 1] > 0.999
            assert (strength.min(), strength.max()) == (0, 255)
            for channel, number in zip(channels, maps["channels"], strict=True):
                sure = np.abs(channel.astype(int) - 128) > 2
                assert ((channel > 128) == (shown.maps[number].numpy() > 0))[sure].all()
    times = next(each for each in news if each["type"] == "times")
    assert set(times["shares"]) == {ENDS, *(block.name for block in blocks)}
    assert sum(times["shares"].values()) == pytest.approx(1, abs=0.002)


def test_bytes_of_planted_maps() -> None:
    maps = torch.tensor([[[0.0, 6.0]], [[0.0, -8.0]], [[0.0, 0.0]]])
    found = packed(Activation("x", maps), [1, 0])
    assert (found["gives"], found["channels"], found["height"], found["width"]) == ([3, 1, 2], [1, 0], 1, 2)
    numbers = numbers_of(found)
    assert numbers[0].tolist() == [[0, 255]]
    assert numbers[1].tolist() == [[128, 1]]  # minus, and the most that is shown
    assert numbers[2].tolist() == [[128, 225]]  # 6 of 7.88, the 98th percentile of 0, 0, 6, 8
    flat = numbers_of(packed(Activation("x", torch.zeros(2, 3, 3)), [0, 1]))
    assert (flat[0].max(), flat[1].min(), flat[1].max()) == (0, 128, 128)


def test_a_channel_that_is_still_shown_stays_where_it_was() -> None:
    assert in_place([], [5, 3, 9]) == [5, 3, 9]
    assert in_place([5, 3, 9], [9, 7, 5]) == [5, 7, 9]
    assert in_place([5, 3, 9], [1, 2, 4]) == [1, 2, 4]
    assert in_place([5, 3], [3, 5]) == [5, 3]


def test_a_message_stays_small_however_large_the_map_is() -> None:
    """A block of Stable Diffusion at 512 x 768 px, planted: left half 1, right half 3 of one channel."""
    maps = torch.zeros(320, 96, 64)
    maps[7, :, :32], maps[7, :, 32:] = 1, 3
    maps[8, ::2] = 1e-3
    found = packed(Activation("x", maps), Activation("x", maps).strongest(SHOWN))
    assert (found["gives"], found["height"], found["width"]) == ([320, 96, 64], 16, 11)
    assert found["channels"][:2] == [7, 8]
    assert len(json.dumps(found)) < 2000
    channel = numbers_of(found)[1]
    assert (channel[:, -1] == 255).all()
    assert np.abs(channel[:, 0].astype(int) - (128 + 127 / 3)).max() <= 1
    assert numbers_of(found)[0, :, 0].max() == 0


def test_leaving_in_the_middle_takes_the_hooks_away(tiny_model: TextToImage) -> None:
    news = activations_news(tiny_model, Subject("red apple", steps=3))
    assert [next(news)["type"] for _ in range(3)] == ["blocks", "step", "times"]
    assert any(module._forward_hooks for module in tiny_model.unet.modules())
    news.close()  # type: ignore[attr-defined]  # it is a generator
    assert not any(module._forward_hooks for module in tiny_model.unet.modules())


@pytest.mark.parametrize(
    ("body", "said"),
    [({"style": "oil"}, "oil"), ({"prompt": "(red:99)"}, "99"), ({"steps": 0}, "steps"), ({"block": "x"}, "block")],
)
def test_what_is_wrong_is_said_before_anything_is_drawn(http: httpx.Client, body: dict[str, Any], said: str) -> None:
    answer = http.post("/api/inside/activations", json={**ASKED, **body})
    assert answer.status_code == 400
    assert said in answer.json()["error"]["message"] + str(answer.json()["error"]["param"])
