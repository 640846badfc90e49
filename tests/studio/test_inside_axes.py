"""The routes of the chapter on kinds and axes, with the shipped model's own pictures."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from fromnoise.inspection.kinds import KINDS, carried, check_kinds, examples
from fromnoise.inspection.measures import MEASURES, measured
from fromnoise.inspection.rounds import rounds
from fromnoise.inspection.separating import accuracy, held_out
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live, running


@pytest.fixture(scope="module")
def shipped() -> TextToImage:
    return TextToImage.load()


@pytest.fixture(scope="module")
def client(shipped: TextToImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running(shipped, tmp_path_factory.mktemp("gallery")) as live, live.client() as found:
        yield found


def heard(client: httpx.Client, view: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """All news of a view."""
    answer = client.post(f"/api/inside/{view}", json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


@pytest.fixture(scope="module")
def told(client: httpx.Client) -> list[dict[str, Any]]:
    return heard(client, "axes", {})


def test_the_sheets_are_the_pictures_pixel_by_pixel(shipped: TextToImage, told: list[dict[str, Any]]) -> None:
    sheet = told[0]
    found = carried(shipped, KINDS)
    assert [each["kind"] for each in sheet["pictures"]] == list(KINDS)
    for k, each in enumerate(sheet["pictures"]):
        image = Image.open(io.BytesIO(base64.b64decode(each["picture"].split(",")[1])))
        wanted = found.images[found.label == k][0].permute(1, 2, 0).numpy()
        assert np.array_equal(np.array(image), wanted)
        top, left = each["corner"]
        window = wanted[top : top + 8, left : left + 8].mean(2)
        assert window.shape == (8, 8)
        assert window.std() > wanted.mean(2).std() / 2  # there is something to see


def test_a_page_can_guess_again_what_the_library_guesses(shipped: TextToImage, told: list[dict[str, Any]]) -> None:
    made = told[1]
    found = examples(carried(shipped, KINDS))
    label = torch.tensor([each["kind"] for each in made["pictures"]])
    fold = torch.tensor([each["fold"] for each in made["pictures"]])
    assert torch.equal(label, found.label)
    assert torch.equal(fold, found.fold)
    right = {tuple(each["measures"]): each["right"] for each in made["sets"]}
    for name in ("longness", "blueness"):  # the second hardly varies
        column = list(MEASURES).index(name)
        values = torch.tensor([[each["values"][column]] for each in made["pictures"]])
        exact = held_out(measured(found.images, [name]), label, fold, 3)
        assert torch.equal(held_out(values, label, fold, 3), exact)
        assert right[name,] == pytest.approx(float((exact == label).double().mean()), abs=1e-4)
    clip = torch.tensor([each["clip_guess"] for each in made["pictures"]])
    score = accuracy(clip == label, torch.tensor([each["drawing"] for each in made["pictures"]]))
    assert made["clip_scores"]["middle"] == pytest.approx(score.to_dict(), abs=1e-4)
    assert made["clip_trained_on_them"] is True


def test_the_networks_rounds_are_the_librarys(shipped: TextToImage, client: httpx.Client) -> None:
    news = heard(client, "axes/rounds", {"kinds": ["Key", " hammer "], "seed": 4})
    wanted = list(rounds(examples(carried(shipped, check_kinds(["key", "hammer"]))), 4))
    assert [each["round"] for each in news] == list(range(21))
    for each, mine in zip(news, wanted, strict=True):
        assert each["guesses"] == mine.guesses.tolist()
        assert each["right"]["share"] == pytest.approx(mine.accuracy.share, abs=1e-4)
        assert np.allclose(each["chances"], mine.chances.numpy(), atol=6e-4)
    assert news[-1]["right"]["share"] > news[0]["right"]["share"] + 0.2


def test_the_command_names_the_kinds(client: httpx.Client) -> None:
    made = heard(client, "axes", {"kinds": ["red apple", "tomato"]})[-1]
    assert made["command"] == "fromnoise inspect axes --kinds 'red apple,tomato' --out axes.html"


@pytest.mark.parametrize("view", ["axes", "axes/rounds"])
@pytest.mark.parametrize(
    ("kinds", "said"),
    [
        ([], "2 to 6 kinds"),
        (["pea"], "2 to 6 kinds"),
        (list("abcdefg"), "2 to 6 kinds"),
        (["pea", " PEA"], "once"),
        (["x" * 65, "pea"], "kinds"),
        (["pea"] * 13, "kinds"),
        ("pea", "kinds"),
    ],
)
def test_kinds_that_cannot_be_told_apart_are_refused(client: httpx.Client, view: str, kinds: Any, said: str) -> None:
    answer = client.post(f"/api/inside/{view}", json={"kinds": kinds})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["param"].startswith("kinds")
    assert said in error["message"] + error["param"]


@pytest.mark.parametrize("view", ["axes", "axes/rounds"])
def test_what_the_model_does_not_carry_is_said(client: httpx.Client, view: str) -> None:
    (news,) = heard(client, view, {"kinds": ["pea", "quasar"]})
    assert news["type"] == "problem"
    assert "shows 'quasar'" in news["message"]


def test_a_model_that_carries_nothing_begins_with_the_starter_set(http: httpx.Client, live: Live) -> None:
    sheet, measured = heard(http, "axes", {})
    assert [each["kind"] for each in sheet["pictures"]] == ["lemon", "tomato", "pear"]
    assert sheet["why"].startswith("This model carries no pictures of its training")
    assert measured["origin"] == "of the starter set"
    line = f"--kinds lemon,tomato,pear --model {live.state.models.opened.place} --out axes.html"
    assert measured["command"] == f"fromnoise inspect axes {line}"


def test_a_network_that_nobody_watches_stops(client: httpx.Client, tmp_path: Path) -> None:
    with client.stream("POST", "/api/inside/axes/rounds", json={}) as answer:
        first = next(line for line in answer.iter_lines() if line.startswith("data: "))
    assert json.loads(first[6:])["round"] == 0
    assert heard(client, "axes", {"kinds": ["pea", "banana"]})[-1]["type"] == "measured"  # it has its turn
