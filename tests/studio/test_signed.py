"""A studio that signs: every picture that it keeps or hands out, of every kind of file."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from PIL import ExifTags, Image

from fromnoise.drawing.picture_file import from_image, origin_in
from fromnoise.provenance.credentials import Seal, credentials_in
from fromnoise.provenance.identity import Identity
from fromnoise.provenance.marks import source_types_in
from fromnoise.provenance.stamp import Stamp
from fromnoise.provenance.watermark import find
from fromnoise.studio.settings import Settings
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import LIMITS, Live, finished, running

ASKED = {"prompt": "cat, über", "seed": 3, "steps": 1}


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return Identity.made(tmp_path_factory.mktemp("identity"), "Museum of Noise")


@pytest.fixture(scope="module")
def signing(tiny_model: TextToImage, museum: Identity, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    gallery = tmp_path_factory.mktemp("signed")
    settings = Settings(gallery, port=0, limits=LIMITS, stamp=Stamp(seal=Seal(museum)))
    with running(tiny_model, gallery, settings=settings) as live:
        yield live


def drawn(client: httpx.Client, **more: object) -> bytes:
    """A picture as the image API hands it out."""
    answer = client.post("/v1/images/generations", json={**ASKED, **more})
    item = answer.json()["data"][0]
    return base64.b64decode(item["b64_json"]) if "b64_json" in item else httpx.get(item["url"]).content


def said_in(data: bytes) -> str:
    """EXIF's comment, where other programs look for settings."""
    with Image.open(io.BytesIO(data)) as picture:
        comment: bytes = picture.getexif().get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment]
    assert comment.startswith(b"UNICODE\0")
    return comment[8:].decode("utf-16-be")


def test_what_is_kept_is_signed(signing: Live, museum: Identity) -> None:
    with signing.client() as client:
        job = finished(client, client.post("/api/jobs", json=ASKED).json()["id"])
        data = client.get(f"/api/pictures/{job['pictures'][0]['id']}/file").content
        (listed,) = (each for each in client.get("/api/pictures").json()["pictures"] if each["job"] == job["id"])
        facts, document = client.get("/api/facts").json(), client.get("/openapi.json").json()
    found = credentials_in(data, "PNG", museum.root)
    assert (found.state, found.known) == ("intact", True)
    assert origin_in(data, "it").signer == listed["origin"]["signer"] == "Museum of Noise"
    assert facts["marks"] == {"watermark": False, "signer": "Museum of Noise"}
    assert 'is signed (C2PA) by "Museum of Noise"' in document["info"]["description"]


def test_what_a_page_draws_without_keeping_is_signed_too(signing: Live, museum: Identity) -> None:
    with signing.client() as client:
        job = finished(client, client.post("/api/jobs", json={**ASKED, "keep": False}).json()["id"])
    kind, data = job["pictures"][0]["data"].removeprefix("data:image/").split(";base64,")
    found = credentials_in(base64.b64decode(data), kind.upper(), museum.root)
    assert (found.state, found.known) == ("intact", True)


@pytest.mark.parametrize("form", ["b64_json", "url"])
@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_what_is_handed_out_is_signed(signing: Live, museum: Identity, kind: str, form: str) -> None:
    with signing.client() as client:
        data = drawn(client, output_format=kind, response_format=form)
    found = credentials_in(data, kind.upper(), museum.root)
    assert (found.state, found.known) == ("intact", True)
    assert found.source_types == ("trainedAlgorithmicMedia",)


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_without_a_signer_all_kinds_still_say_how_they_were_made(http: httpx.Client, kind: str) -> None:
    data = drawn(http, output_format=kind)
    assert credentials_in(data, kind.upper()).state == "none"
    text = said_in(data)
    assert text.splitlines()[0] == "cat, über"
    assert "Steps: 1, " in text
    assert "Seed: 3, " in text
    with Image.open(io.BytesIO(data)) as picture:
        assert source_types_in(picture.info["xmp"].decode()) == ("trainedAlgorithmicMedia",)


def test_an_enlarged_png_says_how_but_not_that_it_can_be_drawn_again(http: httpx.Client) -> None:
    with Image.open(io.BytesIO(drawn(http, size="96x96"))) as picture:
        assert picture.size == (96, 96)
        said = dict(picture.info)
    assert source_types_in(said["XML:com.adobe.xmp"]) == ("trainedAlgorithmicMedia",)
    assert said["parameters"].startswith("cat, über")
    assert "fromnoise" not in said


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_partial_pictures_on_the_way_are_not_signed_but_say_that_a_model_makes_them(signing: Live, kind: str) -> None:
    asked = {**ASKED, "steps": 4, "stream": True, "partial_images": 1, "output_format": kind}
    with signing.client() as client, client.stream("POST", "/v1/images/generations", json=asked) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: {")]
    events = [json.loads(line) for line in lines]
    files = [base64.b64decode(each["b64_json"]) for each in events]
    states = [credentials_in(data, kind.upper()).state for data in files]
    assert [each.get("signer") for each in events] == [None] * (len(events) - 1) + ["Museum of Noise"]
    for data in files:
        with Image.open(io.BytesIO(data)) as picture:
            xmp = picture.info.get("xmp") or picture.info["XML:com.adobe.xmp"].encode()
            assert source_types_in(xmp.decode()) == ("trainedAlgorithmicMedia",)
            assert "fromnoise" not in picture.info or data == files[-1]  # nothing that --again could draw from
    assert states == ["none"] * (len(states) - 1) + ["intact"]
    assert len(states) == 2


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
def test_a_studio_that_hides_a_watermark_hides_it_in_all_that_it_keeps_or_hands_out(
    tiny_model: TextToImage, tmp_path: Path, kind: str
) -> None:
    settings = Settings(tmp_path, port=0, limits=replace(LIMITS, least=64), stamp=Stamp(watermark=True))
    with running(tiny_model, tmp_path, settings=settings) as live, live.client() as client:
        job = finished(client, client.post("/api/jobs", json={**ASKED, "width": 64, "height": 64}).json()["id"])
        kept = client.get(f"/api/pictures/{job['pictures'][0]['id']}/file").content
        for form in ("b64_json", "url"):
            data = drawn(client, output_format=kind, response_format=form, size="64x64")
            with Image.open(io.BytesIO(data)) as picture:
                assert find(from_image(picture.convert("RGB"))).found, form
        with Image.open(io.BytesIO(kept)) as picture:
            assert find(from_image(picture.convert("RGB"))).found
        assert origin_in(kept, "it").watermark
        (listed,) = client.get("/api/pictures").json()["pictures"]
        assert (listed["origin"]["watermark"], listed["origin"]["signer"]) == (True, "")
        small = client.post("/api/jobs", json={**ASKED, "width": 32, "height": 32})
        assert (small.status_code, "watermark" in small.text) == (400, True)
