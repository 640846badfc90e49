"""The best of several candidates, for the page and through the API."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

import fromnoise
from fromnoise.studio.api.facts import facts
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live, finished, running

ASKED = {"prompt": "red apple", "steps": 2, "seed": 5, "n": 2, "best_of": 3}


def picture_of(item: dict[str, Any]) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(item["b64_json"])))


def test_the_api_draws_what_the_call_draws_and_says_how_it_chose(http: httpx.Client, tiny_model_folder: Path) -> None:
    answer = http.post("/v1/images/generations", json=ASKED).json()
    called = fromnoise.load(tiny_model_folder, precision="fp32")("red apple", steps=2, seed=5, n=2, best_of=3)
    for i, (item, ours) in enumerate(zip(answer["data"], called, strict=True)):
        off = np.asarray(picture_of(item)).astype(int) - np.asarray(ours)
        assert (
            abs(off).max() <= 1
        )  # the server has the model as it was loaded; opened for drawing, it may round otherwise
        assert item["seed"] == ours.info["seed"]
        told = item["best_of"]
        assert told["scores"][told["kept"]] == max(told["scores"])
        assert (len(told["scores"]), told["copies"]) == (3, [])
        assert any(w.startswith(f"picture {i + 1}: of 3 candidates seed {item['seed']}") for w in answer["warnings"])
        alone = {**ASKED, "n": 1, "best_of": 1, "seed": item["seed"]}
        again = http.post("/v1/images/generations", json=alone).json()
        assert picture_of(again["data"][0]).tobytes() == picture_of(item).tobytes()
        assert "best_of" not in again["data"][0]
    assert answer["usage"]["output_tokens"] == 3 * 2 * again["usage"]["output_tokens"]


def test_a_stream_ends_with_what_was_kept(http: httpx.Client) -> None:
    body = {**ASKED, "n": 1, "stream": True, "steps": 4, "partial_images": 2}
    whole = http.post("/v1/images/generations", json={**ASKED, "n": 1, "steps": 4}).json()["data"][0]
    text = http.post("/v1/images/generations", json=body).text
    assert text.count("event: image_generation.partial_image") == 2
    assert whole["b64_json"] in text.rpartition("event: image_generation.completed")[2]
    assert f'"seed":{whole["seed"]},"best_of":' in text


@pytest.mark.parametrize("path", ["/v1/images/generations", "/api/jobs"])
@pytest.mark.parametrize("wrong", [0, 65, "x", 2.5])
def test_what_is_no_number_of_candidates_is_refused(http: httpx.Client, path: str, wrong: object) -> None:
    answer = http.post(path, json={"prompt": "red apple", "best_of": wrong})
    assert answer.status_code in (400, 422)
    error = answer.json()["error"]
    assert error["param"] == "best_of"
    assert "best_of" in error["message"]
    assert "\n" not in error["message"]


@pytest.mark.parametrize("path", ["/v1/images/generations", "/api/jobs"])
def test_more_candidates_than_may_wait_are_refused_for_good(http: httpx.Client, path: str) -> None:
    answer = http.post(path, json={"prompt": "red apple", "best_of": 21})
    assert answer.status_code == 400
    said = "that would be 21 candidates, more than the 20 that may wait here"
    assert (answer.json()["error"]["message"], answer.json()["error"]["param"]) == (said, "best_of")


def test_the_page_keeps_how_it_was_chosen(http: httpx.Client) -> None:
    begun = http.post("/api/jobs", json={"prompt": "red apple", "steps": 2, "seed": 5, "best_of": 4}).json()
    job = finished(http, begun["id"])
    picture = job["pictures"][0]
    choice, request = picture["origin"]["choice"], picture["origin"]["request"]
    assert (choice["seed"], len(choice["scores"]), job["request"]["best_of"]) == (5, 4, 4)
    assert picture["seed"] == request["seed"]
    assert request["best_of"] == 1
    assert any(note.startswith(f"of 4 candidates seed {picture['seed']} is kept") for note in job["warnings"])
    alone = http.post("/api/jobs", json={"prompt": "red apple", "steps": 2, "seed": picture["seed"]}).json()
    again = finished(http, alone["id"])["pictures"][0]
    files = [Image.open(io.BytesIO(http.get(f"/api/pictures/{p['id']}/file").content)) for p in (picture, again)]
    assert files[0].tobytes() == files[1].tobytes()


def test_a_model_without_clip_says_so_and_the_page_has_no_field(
    live: Live, tiny_model: TextToImage, tmp_path: Path
) -> None:
    assert facts(live.state)["best_of"] == 64
    with running(replace(tiny_model, clip=None), tmp_path) as other, other.client() as client:
        assert client.get("/api/facts").json()["best_of"] is None
        error = client.post("/v1/images/generations", json=ASKED).json()["error"]
    said = "the best of several is chosen by CLIP's image tower, which this model lacks; leave out best of"
    assert (error["message"], error["param"]) == (said, "best_of")
