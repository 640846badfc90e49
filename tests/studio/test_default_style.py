"""A model's own choice of a style in the studio: the page knows it, the API says it, and what is kept stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from fromnoise.drawing.request import Request
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.order import orders_of
from fromnoise.studio.desk.store import StoredJob
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import finished, running

ADDED = "no style is named: drawn in noto, the model's own choice; the style any is none"
FEW = {"steps": 1, "seed": 1}


@pytest.fixture(scope="module")
def choosy(tiny_model_folder: Path) -> TextToImage:
    return replace(TextToImage.load(tiny_model_folder), default_style="noto")


@pytest.fixture(scope="module")
def http(choosy: TextToImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running(choosy, tmp_path_factory.mktemp("choosy")) as live, live.client() as client:
        yield client


def test_the_page_is_told(http: httpx.Client, choosy: TextToImage) -> None:
    model = http.get("/api/facts").json()["model"]
    assert (model["default_style"], model["styles"]) == ("noto", list(choosy.styles))
    manual = http.get("/docs").text
    assert f"<td>noto; {', '.join(choosy.styles)}</td>" in manual
    assert "one of the model&#x27;s styles, or any for none" in manual


@pytest.mark.parametrize(("style", "kept"), [(None, "noto"), ("any", "any"), ("noto", "noto"), ("twemoji", "twemoji")])
def test_jobs_draw_in_it_and_say_so(http: httpx.Client, style: str | None, kept: str) -> None:
    answer = http.post("/api/jobs", json={"prompt": "red apple", "style": style, **FEW}).json()
    assert (ADDED in answer["warnings"]) == (style is None)
    (picture,) = finished(http, answer["id"])["pictures"]
    assert (picture["style"], picture["origin"]["request"]["style"]) == (kept, kept)


def test_words_are_checked_without_a_word_of_it(http: httpx.Client) -> None:
    """The page checks words while somebody types, whatever style is chosen beside them."""
    for prompt in ("red apple", "red apple, noto style"):
        found = http.post("/api/check", json={"prompt": prompt, "negative": ""}).json()["warnings"]
        assert not any("style" in line for line in found)


@pytest.mark.parametrize(("style", "said"), [(None, True), ("vivid", True), ("any", False), ("noto", False)])
def test_openais_answers_say_it(http: httpx.Client, style: str | None, said: bool) -> None:
    body = {"prompt": "red apple", "style": style, **FEW}
    assert (ADDED in http.post("/v1/images/generations", json=body).json().get("warnings", [])) == said


def test_a_job_of_before_the_choice_goes_on_as_it_was_asked(choosy: TextToImage) -> None:
    orders = [{"request": Request("red apple", style=style, seed=1).to_dict()} for style in (None, "noto")]
    job = StoredJob("a" * 32, "queued", 0.0, orders)
    texts = [order.plan.words.wanted.text for order in orders_of(job, Models("tiny", choosy))]
    assert texts == ["red apple", "red apple, noto style"]
