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
    found = credentials_in(data, "PNG", museum.root)
    assert (found.state, found.known) == ("intact", True)
    assert origin_in(data, "it").signer == "Museum of Noise"


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


def test_partial_pictures_on_the_way_are_not_signed(signing: Live) -> None:
    asked = {**ASKED, "steps": 4, "stream": True, "partial_images": 1}
    with signing.client() as client, client.stream("POST", "/v1/images/generations", json=asked) as answer:
        lines = [line.removeprefix("data: ") for line in answer.iter_lines() if line.startswith("data: {")]
    events = [json.loads(line) for line in lines]
    states = [credentials_in(base64.b64decode(each["b64_json"]), "PNG").state for each in events]
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
        small = client.post("/api/jobs", json={**ASKED, "width": 32, "height": 32})
        assert (small.status_code, "watermark" in small.text) == (400, True)
