"""Looking inside through the server: what is told is what the library sees, and one who leaves cancels."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from fromnoise.drawing.picture_file import from_image
from fromnoise.inspection.subject import Subject
from fromnoise.inspection.words import WordPicture, WordStep, helped, word_maps
from fromnoise.inspection.words_live import packed
from fromnoise.studio.api import turn
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live

ASKED = {"prompt": "red apples", "style": "noto", "seed": 3, "steps": 3, "guidance": 4.0}
SUBJECT = Subject("red apples", "noto", seed=3, steps=3, guidance=4.0)


def told(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    for line in answer.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def picture_in(url: str) -> torch.Tensor:
    data = base64.b64decode(url.removeprefix("data:image/png;base64,"))
    return from_image(Image.open(io.BytesIO(data)).convert("RGB"))


def maps_in(message: dict[str, Any], words: int) -> torch.Tensor:
    numbers = np.frombuffer(base64.b64decode(message["data"]), "<u2").astype(np.float32) / 65535 * message["most"]
    return torch.from_numpy(numbers.reshape(words, message["height"], message["width"]))


def test_words_are_told_as_the_library_sees_them(http: httpx.Client, live: Live) -> None:
    model = live.state.models.base
    with http.stream("POST", "/api/inside/words", json=ASKED) as answer:
        assert answer.status_code == 200
        begin, *steps, end = told(answer)
    *expected, last = word_maps(model, SUBJECT)
    assert isinstance(last, WordPicture)
    assert [(w["text"], w["kind"]) for w in begin["words"]] == [(w.text, w.kind) for w in last.words]
    count = len(last.words)
    assert [step["step"] for step in steps] == [0, 1, 2]
    for step, own in zip(steps, expected, strict=True):
        assert isinstance(own, WordStep)
        assert torch.equal(picture_in(step["picture"]), model.decode(own.step.x0_hat)[0])
        assert list(step["maps"]) == ["all", *own.blocks]
        torch.testing.assert_close(maps_in(step["maps"]["all"], count), own.mean((8, 8)), atol=1e-5, rtol=0)
        for name, maps in own.blocks.items():
            torch.testing.assert_close(maps_in(step["maps"][name], count), maps, atol=1e-5, rtol=0)
    assert torch.equal(picture_in(end["picture"]), last.picture)
    needed = helped(model, SUBJECT.plan(model), last.picture).clamp(min=0)
    torch.testing.assert_close(maps_in(end["needed"], count), needed, atol=1e-4, rtol=1e-3)
    assert end["command"].startswith(
        "fromnoise inspect words 'red apples' --style noto --seed 3 --steps 3 --guidance 4"
    )


def test_large_maps_are_averaged_for_a_page() -> None:
    maps = torch.arange(64 * 32, dtype=torch.float32).view(1, 64, 32) / 2048
    message = packed(maps)
    assert (message["height"], message["width"]) == (16, 8)
    expected = maps.unflatten(1, (16, 4)).unflatten(3, (8, 4)).mean((2, 4))
    torch.testing.assert_close(maps_in(message, 1), expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"style": "nobody"}, "style"), ({"prompt": ""}, "prompt"), ({"steps": 201}, "steps"), ({"seed": -1}, "seed"),
        ({"prompt": "(red:99)"}, "prompt"), ({"misspelt": 1}, "misspelt"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_before_a_stream_begins(
    http: httpx.Client, change: dict[str, object], param: str
) -> None:
    answer = http.post("/api/inside/words", json={**ASKED, **change})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_without_a_seed_the_command_says_which(http: httpx.Client) -> None:
    asked = {key: value for key, value in ASKED.items() if key != "seed"}
    with http.stream("POST", "/api/inside/words", json=asked) as answer:
        *_, end = told(answer)
    command = end["command"].split()
    seed = int(command[command.index("--seed") + 1])
    with http.stream("POST", "/api/inside/words", json={**asked, "seed": seed}) as answer:
        *_, again = told(answer)
    assert again == end


def test_one_who_leaves_cancels_and_the_next_has_the_turn(
    http: httpx.Client, live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(turn, "WAITING", 1)
    with live.client() as leaving, leaving.stream("POST", "/api/inside/words", json={**ASKED, "steps": 200}) as answer:
        news = told(answer)
        assert next(news)["type"] == "words"
        second = http.post("/api/inside/words", json=ASKED)
        assert second.status_code == 429
        assert int(second.headers["Retry-After"]) > 0
    deadline = time.monotonic() + 30
    while live.state.looks.waiting and time.monotonic() < deadline:
        time.sleep(0.05)
    assert live.state.looks.waiting == 0
    assert http.post("/api/inside/words", json=ASKED).status_code == 200


def test_watching_leaves_no_hook_behind(http: httpx.Client, live: Live) -> None:
    assert http.post("/api/inside/words", json=ASKED).status_code == 200
    model: TextToImage = live.state.models.base
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.unet.modules())
