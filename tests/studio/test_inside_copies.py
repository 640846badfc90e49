"""Is it a copy? Through HTTP, on a model whose training pictures are known, and honest where nobody can tell."""

from __future__ import annotations

import dataclasses
import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from fromnoise import __version__
from fromnoise.drawing.generate import draw
from fromnoise.drawing.opened import Opening
from fromnoise.drawing.picture_file import Origin, from_image, png_bytes
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.evaluation.copies import describe
from fromnoise.evaluation.copies.answers import ask
from fromnoise.evaluation.copies.check import build_index, check, index_of, trust
from fromnoise.evaluation.copies.thumbnails import enlarged
from fromnoise.ground.errors import missing_packages
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.store import Kept
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live, finished, running
from studio.test_inside_noise import seen_in, told

TRAINED = 150


def pseudo_features(pictures: Tensor, batch: int = 16) -> Tensor:
    """A quick stand-in for the judge."""
    small = torch.nn.functional.adaptive_avg_pool2d(255 - pictures.float(), 8).flatten(1) / 255
    return (small @ torch.randn(192, 1280, generator=torch.Generator().manual_seed(0)) / 10).relu()


@pytest.fixture(scope="module", autouse=True)
def _quick_judge() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(describe, "features", pseudo_features)
        yield


@pytest.fixture(scope="module")
def folder(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with an index of 150 pictures; the pictures are in ``data`` beside it."""
    root = tmp_path_factory.mktemp("copies")
    data, model = root / "data", root / "model"
    data.mkdir()
    rng = np.random.default_rng(0)
    lines = []
    for i in range(TRAINED + 10):
        blocks = rng.integers(0, 255, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(blocks).resize((32, 32), Image.Resampling.NEAREST).save(data / f"{i}.png")
        facts = {"file_name": f"{i}.png", "text": f"thing {i}", "licence": "MIT", "author": "A. N. Author"}
        lines.append(json.dumps({**facts, "split": "train" if i < TRAINED else "test_pair"}))
    (data / "metadata.jsonl").write_text("\n".join(lines))
    recipe = {"data": {"pixels": 32, "styles": [], "groups": [], "limit": 0}}
    card = {"name": "known", "pictures": TRAINED, "recipe": recipe}
    dataclasses.replace(TextToImage.load(tiny_model_folder), card=card).save(model)
    build_index(model, data)
    return model


@pytest.fixture(scope="module")
def known(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A studio of that model."""
    with running(
        Models("known", TextToImage.load(folder), opened=Opening(folder)), tmp_path_factory.mktemp("gallery")
    ) as found:
        yield found


def trained(folder: Path, i: int) -> Tensor:
    with Image.open(folder.parent / "data" / f"{i}.png") as picture:
        return from_image(picture.convert("RGB"))


def hung(live: Live, picture: Tensor, **other: Any) -> str:
    """Put a picture into the gallery as if the served model had drawn it; its id."""
    model = live.state.models.base
    request = plan(model, Request("sun", seed=1)).request
    own = {"request": request, "model": "known", "model_hash": model.hash, "version": __version__}
    origin = Origin(**{**own, **other})
    name = secrets.token_hex(16)
    height, width = picture.shape[1:]
    kept = Kept(name, "", 0, time.time(), "sun", None, 1, width, height, origin.to_dict())
    live.state.store.add(kept, png_bytes(picture, origin))
    return name


def copies_of(live: Live, name: str) -> dict[str, Any]:
    with live.client() as http:
        answer = http.get(f"/api/pictures/{name}/copies")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_copy_is_caught_and_named_with_its_licence(known: Live, folder: Path) -> None:
    said = copies_of(known, hung(known, trained(folder, 7)))
    assert (said["why"], said["not_asked"], len(said["answers"])) == ("", [], 1)
    answer = said["answers"][0]
    assert (answer["copy"], answer["close"], answer["pictures"]) == (True, True, TRAINED)
    for which in ("suspect", "by_features", "by_pixels"):
        found = {k: answer[which][k] for k in ("name", "text", "style", "author", "licence")}
        assert found == {"name": "7.png", "text": "thing 7", "style": "", "author": "A. N. Author", "licence": "MIT"}
    index = index_of(known.state.models.base, None)
    assert torch.equal(seen_in(answer["by_pixels"]["picture"]), enlarged(index.thumbnails[7], 32))
    assert answer["limits"] == index.limits.to_dict()
    assert answer["trust"] == trust(index)
    assert answer["sentence"].startswith("may be a copy of thing 7 (7.png; MIT by A. N. Author)")


def test_page_python_and_command_say_the_same_of_a_drawing(known: Live, folder: Path) -> None:
    with known.client() as http:
        job = http.post("/api/jobs", json={"prompt": "red apple", "seed": 5}).json()["id"]
        picture = finished(http, job)["pictures"][0]["id"]
    said = copies_of(known, picture)["answers"][0]
    index = index_of(known.state.models.base, None)
    verdict = check(index, draw(known.state.models.base, Request("red apple", seed=5)))[0]
    assert (said["copy"], said["close"]) == (verdict.copy, verdict.close)
    assert said["features"] == pytest.approx(verdict.features, rel=1e-5)
    assert said["pixels"] == pytest.approx(verdict.pixels, rel=1e-5)
    assert said["suspect"]["name"] == verdict.suspect.name
    asked = ask(known.state.store.file(picture), model=str(folder))
    assert asked.sentence == said["sentence"]
    assert asked.to_dict()["compared_with"][0]["features"] == pytest.approx(said["features"], rel=1e-5)


def test_what_was_not_asked_is_said_and_clears_nobody(known: Live, folder: Path) -> None:
    begun = copies_of(known, hung(known, trained(folder, 155), start="0123456789ab"))
    assert "began with another picture" in begun["not_asked"][0]
    other = copies_of(known, hung(known, trained(folder, 155), model="other", model_hash="ffffffffffff"))
    assert "drawn by other (ffffffffffff), whose training pictures were not asked" in other["not_asked"][0]
    assert [a["pictures"] for a in other["answers"]] == [TRAINED]
    shipped = TextToImage.load().hash
    own = copies_of(known, hung(known, trained(folder, 155), model="stickers-64", model_hash=shipped))
    assert [(a["model"], a["pictures"]) for a in own["answers"]] == [("stickers-64", 5696)]  # its own, not these 150
    assert own["not_asked"] == []
    lines = {name: said["command"] for name, said in (("begun", begun), ("other", other), ("own", own))}
    assert lines == {
        "begun": f"fromnoise inspect copies picture.png --model {folder} --out beside.png",
        "other": f"fromnoise inspect copies picture.png --against {folder} --out beside.png",
        "own": "fromnoise inspect copies picture.png --out beside.png",
    }


def test_loras_of_the_studio_are_in_the_file_and_not_asked(folder: Path, tmp_path: Path) -> None:
    models = Models("known", TextToImage.load(folder), opened=Opening(folder, ("some/ink.safetensors:0.5",)))
    with running(models, tmp_path) as live, live.client() as http:
        job = http.post("/api/jobs", json={"prompt": "red apple", "seed": 5}).json()["id"]
        picture = finished(http, job)["pictures"][0]
        assert picture["origin"]["loras"] == ["ink.safetensors:0.5"]
        assert copies_of(live, picture["id"])["not_asked"] == [
            "what its LoRAs learnt from (ink.safetensors:0.5) is not known; their pictures are compared with by "
            "--against FOLDER"
        ]


def test_the_command_tells_the_studio_its_loras(
    run: Any, tiny_model: TextToImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Models] = []
    monkeypatch.setattr("fromnoise.cli.opened.load", lambda _: ("tiny", tiny_model))
    monkeypatch.setattr("fromnoise.studio.server.serve", lambda settings, models, *more: served.append(models))
    for options in (("--lora", "some/ink.safetensors:0.5"), ("--model", "x")):
        assert run("studio", "--no-browser", "--gallery", "g", *options).code == 0
    assert [(models.loras, models.shipped) for models in served] == [(("ink.safetensors:0.5",), True), ((), False)]


def test_where_nobody_can_tell_the_reason_is_said(
    known: Live, live: Live, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = hung(live, trained(folder, 3))
    said = copies_of(live, name)  # the tiny model has no index
    assert (said["answers"], said["not_asked"]) == ([], [])
    assert "fromnoise inspect index MODEL --data FOLDER" in said["why"]
    assert "copies.safetensors" in told(live.client(), "copies", {"prompt": "sun", "seed": 1})[0]["message"]
    assert live.client().delete(f"/api/pictures/{name}").status_code == 200
    assert live.client().get(f"/api/pictures/{name}/copies").status_code == 404

    def missing(pictures: Tensor, batch: int = 16) -> Tensor:
        raise missing_packages("looking at pictures needs more packages", "evaluate")

    monkeypatch.setattr(describe, "features", missing)
    assert "pip install 'fromnoise[evaluate]'" in copies_of(known, hung(known, trained(folder, 3)))["why"]


def test_a_file_that_is_gone_is_no_picture(known: Live, folder: Path) -> None:
    name = hung(known, trained(folder, 3))
    known.state.store.file(name).unlink()
    with known.client() as http:
        for asked in (name, "0" * 32):
            answer = http.get(f"/api/pictures/{asked}/copies")
            assert (answer.status_code, answer.json()["error"]["code"]) == (404, "picture_not_found")


def test_each_seed_is_the_librarys_picture_with_its_verdict(known: Live) -> None:
    model = known.state.models.base
    with known.client() as http:
        news = told(http, "copies", {"prompt": "red apple", "seed": 7, "seeds": 3})
    kinds = [each["type"] for each in news]
    assert kinds == ["copies", *["step"] * kinds.count("step"), *["verdict"] * 3, "end"]
    assert news[0]["compared"][0]["pictures"] == TRAINED
    assert all(len(each["pictures"]) == 3 for each in news if each["type"] == "step")
    expected = draw(model, Request("red apple", seed=7, count=3))
    verdicts = check(index_of(model, None), expected)
    for i, each in enumerate(each for each in news if each["type"] == "verdict"):
        assert (each["number"], each["seed"]) == (i, 7 + i)
        assert torch.equal(seen_in(each["picture"]), expected[i])
        assert each["answers"][0]["features"] == pytest.approx(verdicts[i].features, rel=1e-4)
        assert each["answers"][0]["suspect"]["name"] == verdicts[i].suspect.name
    place = known.state.models.opened.place
    assert news[-1]["command"] == f"fromnoise inspect copies picture.png --model {place} --out beside.png"


def test_a_training_picture_is_caught_until_it_is_changed_too_far(known: Live) -> None:
    with known.client() as http:
        news = told(http, "copies/known", {"name": "7.png"})
    first, *levels, last = news
    assert (first["called"], first["thumbnail"], first["side"]) == ("thing 7", 32, 32)
    assert last["type"] == "end"
    plain = levels[0]
    assert (plain["way"], plain["copy"], plain["named"], plain["suspect"]["name"]) == ("as it is", True, True, "7.png")
    original = seen_in(plain["picture"])
    for level in levels[1:]:
        shown = seen_in(level["picture"])
        if level["way"] == "moved":
            by = level["amount"] * 32 // 64
            if level["amount"] % 2 == 0:
                assert torch.equal(shown[:, :, by:], original[:, :, : 32 - by])
                assert (shown[:, :, :by] == 255).all()
        else:
            off = (shown.double() - original.double())[(original > 100) & (original < 155)].std()
            if level["amount"] <= 32:  # more is cut off at 0 and 255
                assert float(off) == pytest.approx(level["amount"], rel=0.15)
    index = index_of(known.state.models.base, None)
    for level, verdict in zip(levels, check(index, torch.stack([seen_in(x["picture"]) for x in levels])), strict=True):
        assert (level["copy"], level["suspect"]["name"]) == (verdict.copy, verdict.suspect.name)
        assert level["pixels"] == pytest.approx(verdict.pixels, abs=1e-4)  # by threads
    assert plain["pixels"] < 0.15 < [level for level in levels if level["way"] == "noise"][-1]["pixels"]


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("copies", {"prompt": "sun", "seeds": 9}, 400, "seeds"),
        ("copies", {"prompt": "sun", "seed": 2**32 - 2, "seeds": 4}, 400, "seed"),
        ("copies", {"prompt": "sun", "style": "oil"}, 400, "oil"),
        ("copies/known", {"name": ""}, 400, "name"),
        ("copies/known", {"name": "nobody.png"}, 200, "no training picture is called 'nobody.png'"),
    ],
)
def test_what_is_wrong_is_said(known: Live, path: str, body: dict[str, Any], status: int, said: str) -> None:
    with known.client() as http:
        answer = http.post(f"/api/inside/{path}", json=body)
    assert answer.status_code == status
    assert said in answer.text


def test_the_last_seed_can_be_drawn_again(known: Live) -> None:
    with known.client() as http:
        seeds = [
            {each["seed"] for each in told(http, "copies", {"prompt": "sun", "seeds": 2}) if each["type"] == "verdict"}
            for _ in range(2)
        ]
    assert seeds[0] != seeds[1]  # any, where none was asked for
    assert all(max(each) - min(each) == 1 and max(each) < 2**32 for each in seeds)


def test_http_is_used(http: httpx.Client) -> None:
    """The routes stand in the API's document."""
    paths = http.get("/openapi.json").json()["paths"]
    assert {"/api/pictures/{picture}/copies", "/api/inside/copies", "/api/inside/copies/known"} <= set(paths)
