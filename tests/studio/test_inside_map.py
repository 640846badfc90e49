"""The routes of the chapter on the map, with the tiny model."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image

from conftest import make_tiny_model
from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.inspection.clip_map import ClipMap, land
from fromnoise.inspection.map_area import areas
from fromnoise.inspection.map_file import map_bytes, map_of
from fromnoise.inspection.map_making import Shown, making_map
from fromnoise.inspection.subject import Subject
from fromnoise.system.known_words import KnownWords
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live, running

WORDS = ("red apple", "blue house", "green tree", "yellow sun")


@pytest.fixture(scope="module")
def model() -> TextToImage:
    """A model that carries a map of twelve pictures."""
    colours = torch.randint(0, 256, (12, 3, 1, 1), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    images = colours.expand(-1, -1, 32, 32).contiguous()
    captions, names = [WORDS[i % 4] for i in range(12)], [f"{i}.png" for i in range(12)]
    tiny = replace(make_tiny_model(), known=KnownWords.of(WORDS))
    *_, made = making_map(tiny, Shown(images, captions, ["noto", "twemoji"] * 6, names), "pca")
    assert isinstance(made, ClipMap)
    return replace(tiny, clip_map=map_bytes(made))


@pytest.fixture(scope="module")
def mapped(model: TextToImage, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with running(model, tmp_path_factory.mktemp("gallery")) as live, live.client() as client:
        yield client


def heard(client: httpx.Client, view: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """All news of a view."""
    answer = client.post(f"/api/inside/{view}", json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]


def test_the_map_is_the_models_and_prompts_land_as_in_the_library(mapped: httpx.Client, model: TextToImage) -> None:
    known = map_of(model)
    first, *landings, end = heard(mapped, "map", {"prompts": ["green tree", "a red dodo"], "nearest": 3})
    assert (first["type"], first["by"], first["stored"]) == ("map", "pca", True)
    places = np.frombuffer(base64.b64decode(first["places"]), "<u2").reshape(-1, 2) / 65535
    np.testing.assert_allclose(places, known.places.numpy(), atol=1e-5)
    assert (first["captions"], first["names"]) == (list(known.captions), list(known.names))
    for news, prompt, unknown in zip(landings, ("green tree", "a red dodo"), ([], ["dodo"]), strict=True):
        mine = land(known, model, prompt, 3)
        assert (news["type"], news["prompt"], news["unknown"]) == ("landing", prompt, unknown)
        assert news["place"] == pytest.approx(mine.place, abs=1e-6)
        for kind, expected in (("captions", mine.captions), ("pictures", mine.pictures)):
            assert [near["index"] for near in news[kind]] == [near.index for near in expected]
            assert [near["cosine"] for near in news[kind]] == pytest.approx([n.cosine for n in expected], abs=1e-3)
    assert landings[0]["captions"][0]["text"] == "green tree"
    assert end["command"] == "fromnoise inspect map 'green tree' 'a red dodo' --nearest 3 --out map.html"


def test_prompts_that_are_dropped_later_come_without_the_points(mapped: httpx.Client) -> None:
    news = heard(mapped, "map", {"prompts": ["yellow sun"], "points": False})
    assert [each["type"] for each in news] == ["landing", "end"]
    assert news[0]["captions"][0]["text"] == "yellow sun"


def test_areas_grow_as_in_the_library_from_pictures_drawn_alone(mapped: httpx.Client, model: TextToImage) -> None:
    body = {"prompts": ["apple", "red dodo"], "style": "noto", "seed": 4, "steps": 2, "pictures": 3}
    first, *grown, end = heard(mapped, "map/area", body)
    assert first["prompts"] == [{"prompt": "apple", "unknown": []}, {"prompt": "red dodo", "unknown": ["dodo"]}]
    assert [(each["number"], each["count"]) for each in grown] == [(n, c) for n in (0, 1) for c in (1, 2, 3)]
    for number, prompt in enumerate(body["prompts"]):
        subject = Subject(prompt, style="noto", seed=4, steps=2)
        for news, area in zip(grown[3 * number :], areas(map_of(model), model, subject, 3), strict=False):
            assert news["spread"] == pytest.approx(area.spread, abs=1e-4)
            assert news["ellipse"]["axes"] == pytest.approx(asdict(area.ellipse)["axes"], abs=1e-4)
            assert news["seeds"] == list(range(4, 4 + news["count"]))
        assert end["spreads"][number] == pytest.approx(area.spread, abs=1e-4)
        assert 0 < end["errors"][number] < 1
    alone = draw(model, Request("red dodo", style="noto", seed=6, steps=2))[0]
    shown = Image.open(io.BytesIO(base64.b64decode(grown[-1]["picture"].split(",")[1])))
    assert torch.equal(torch.from_numpy(np.array(shown)).permute(2, 0, 1), alone)
    assert end["command"] == (
        "fromnoise inspect map apple 'red dodo' --area --pictures 3 --style noto --seed 4 --steps 2 --out map.html"
    )


def test_without_a_stored_map_the_captions_alone_are_shown_and_how_to_make_one(tmp_path: Path) -> None:
    tiny = replace(make_tiny_model(), clip_map=None, copies=None, known=KnownWords.of(WORDS))
    with running(tiny, tmp_path) as live, live.client() as client:
        first, landing, end = heard(client, "map", {"prompts": ["apple"]})
        assert (first["stored"], first["by"], first["names"]) == (False, "pca", [])
        assert first["captions"] == sorted({word for text in WORDS for word in text.split()})
        assert landing["captions"][0]["text"] == "apple"
        assert landing["pictures"] == []
        assert first["make"] == "fromnoise inspect make-map MODEL --data FOLDER"
        assert end["command"] == "fromnoise inspect map apple --out map.html"
        *_, last = heard(client, "map/area", {"prompts": ["apple"], "seed": 1, "steps": 1, "pictures": 2})
        assert last["errors"] == [None]


@pytest.mark.parametrize(
    ("view", "body", "param", "said"),
    [
        ("map", {"prompts": ["fox", " "]}, None, "an empty prompt has no place on the map"),
        ("map", {"prompts": ["x"] * 13}, "prompts", "12"),
        ("map", {"nearest": 0}, "nearest", "1"),
        ("map/area", {"prompts": []}, "prompts", "1"),
        ("map/area", {}, "prompts", ""),
        ("map/area", {"prompts": ["fox", ""]}, None, "an empty prompt has no place on the map"),
        ("map/area", {"prompts": ["fox"], "pictures": 1}, "pictures", "2"),
        ("map/area", {"prompts": ["fox"], "pictures": 33}, "pictures", "32"),
        ("map/area", {"prompts": ["fox"], "style": "cubist"}, "style", "cubist"),
        ("map/area", {"prompts": ["fox"], "seed": 2**32 - 1}, "seed", "seed"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_it_begins(
    mapped: httpx.Client, view: str, body: dict[str, Any], param: str | None, said: str
) -> None:
    answer = mapped.post(f"/api/inside/{view}", json=body)
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert said in error["message"]
    assert "--" not in error["message"]
    assert param in (None, error["param"])


def test_a_model_that_never_said_what_it_read_has_no_map(http: httpx.Client, live: Live) -> None:
    assert not live.state.models.base.known
    answer = http.post("/api/inside/map", json={"prompts": ["fox"]})
    assert answer.status_code == 400
    assert "fromnoise inspect make-map MODEL --data FOLDER" in answer.json()["error"]["message"]
