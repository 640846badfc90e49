"""The chapter of how the model learned through HTTP: the film that it carries, and lessons like the library's."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from conftest import make_tiny_model
from fromnoise.drawing.generate import draw
from fromnoise.drawing.picture_file import to_image
from fromnoise.drawing.request import Request
from fromnoise.inspection.learning import lessons
from fromnoise.inspection.learning_live import errors_picture
from fromnoise.inspection.noise import Looked
from fromnoise.system.copies_file import pictures_of
from fromnoise.system.learning_file import Learning, Moment, learning_bytes, webp
from studio.conftest import Live, running
from studio.test_inside_noise import a_picture, seen_in, told, uploaded


def test_lessons_are_those_of_the_library(http: httpx.Client, live: Live) -> None:
    model = live.state.models.base
    news = told(http, "learning/lessons", {"prompt": "red apple", "style": "noto", "seed": 7})
    kinds = [each["type"] for each in news]
    assert kinds == ["step"] * news[0]["total"] + ["picture", "lesson", "lesson", "lesson", "end"]
    picture = draw(model, Request("red apple", style="noto", seed=7))[0]
    assert torch.equal(seen_in(news[-5]["picture"]), picture)
    for each, lesson in zip(news[-4:-1], lessons(model, Looked(picture, "red apple", "noto", 7)), strict=True):
        assert lesson.level.with_words is not None
        assert (each["percent"], each["t"], each["told"]) == (lesson.percent, lesson.level.t, True)
        assert torch.equal(seen_in(each["seen"]), lesson.level.decoded)
        assert torch.equal(seen_in(each["guess"]), lesson.level.with_words.picture)
        assert torch.equal(seen_in(each["errors"]), errors_picture(lesson.errors))
        assert each["loss"] == pytest.approx(lesson.loss, abs=1e-5)
    expected = "noise --prompt 'red apple' --levels 20,50,80 --draws 1 --style noto --seed 7"
    assert (
        news[-1]["command"]
        == f"fromnoise inspect {expected} --model {live.state.models.opened.place} --out lessons.html"
    )


def test_a_brought_picture_is_not_drawn_and_needs_no_words(http: httpx.Client, live: Live) -> None:
    picture = a_picture(live.state.models.base)
    news = told(http, "learning/lessons", {"seed": 1, "start": uploaded(http, picture)})
    assert [each["type"] for each in news] == ["picture", "lesson", "lesson", "lesson", "end"]
    assert torch.equal(seen_in(news[0]["picture"]), picture)
    assert not any(each["told"] for each in news[1:-1])
    assert news[-1]["command"].startswith("fromnoise inspect noise picture.png --levels 20,50,80 --draws 1 ")


def test_a_model_without_a_film_says_so_and_nothing_else(http: httpx.Client) -> None:
    (news,) = told(http, "learning", {})
    assert (news["type"], news["film"], news["why"]) == ("film", None, "")


def test_the_film_comes_as_it_is_stored_or_with_what_is_wrong(tmp_path: Path) -> None:
    model = make_tiny_model()
    pictures = torch.randint(0, 256, (4, 3, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    files = tuple(webp(to_image(picture)) for picture in pictures)
    moments = (Moment(64, 0.5, 0.9, 0.8, {"-2..0": 0.7}), Moment(128, 1.0, 0.5, 0.4, {}))
    film = Learning(("cat", "sun"), moments, files, (16, 16), 16, pictures_of(model.styles, model.card))
    with running(replace(model, learning=learning_bytes(film)), tmp_path / "a") as live, live.client() as http:
        (news,) = told(http, "learning", {})
    assert news["film"]["prompts"] == ["cat", "sun"]
    sent = [file for moment in news["film"]["moments"] for file in moment["files"]]
    assert [base64.b64decode(file.partition(",")[2]) for file in sent] == list(files)
    assert all(torch.equal(seen_in(url), picture) for url, picture in zip(sent, pictures, strict=True))
    assert [moment["held_out"] for moment in news["film"]["moments"]] == [0.9, 0.5]
    assert news["command"] == "fromnoise inspect learning --out learning.html"
    with running(replace(model, learning=learning_bytes(film)[:-5]), tmp_path / "b") as live, live.client() as http:
        (damaged,) = told(http, "learning", {})
    assert damaged["film"] is None
    assert "damaged" in damaged["why"]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("learning/lessons", {"prompt": "red apple", "start": "0" * 32}, 410, "send it again"),
        ("learning/lessons", {"prompt": "red apple", "style": "oil"}, 400, "oil"),
        ("learning/lessons", {"prompt": "(red:99)"}, 400, "99"),
        ("learning", {"prompt": "red apple"}, 400, "prompt"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_drawn(
    http: httpx.Client, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    answer = http.post(f"/api/inside/{path}", json=body)
    assert answer.status_code == status
    assert said in answer.json()["error"]["message"] + str(answer.json()["error"]["param"])
