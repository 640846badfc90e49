"""The page of documentation: it tells the truth about fields, and its samples run as they stand there."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
from html import unescape
from pathlib import Path

import httpx
import openai
import pytest
from PIL import Image

from fromnoise.drawing.request import MASKED_STRENGTH, STRENGTH
from fromnoise.studio.api.bodies import BODIES
from fromnoise.studio.api.manual import fields_table
from fromnoise.studio.api.problems import CODES
from fromnoise.studio.api.samples import Place, samples
from fromnoise.studio.api.schemas import Edit, Generation, JobIn
from fromnoise.studio.settings import Limits
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live, running


@pytest.fixture
def page(http: httpx.Client) -> str:
    answer = http.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return answer.text


def sample(page: str, name: str) -> str:
    found = re.search(rf'<pre id="{name}"[^>]*>(.*?)</pre>', page, re.DOTALL)
    assert found, name
    return unescape(found[1])


def run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, env={**os.environ})
    assert done.returncode == 0, done.stdout + done.stderr


def size_of(file: Path) -> tuple[int, int]:
    return Image.open(io.BytesIO(file.read_bytes())).size


def test_the_sample_for_curl_draws(page: str, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not here")
    run(["bash", "-o", "pipefail", "-c", sample(page, "curl")], tmp_path)
    assert size_of(tmp_path / "apple.png") == (32, 32)


def test_the_samples_for_python_draw(page: str, tmp_path: Path) -> None:
    run([sys.executable, "-c", sample(page, "python")], tmp_path)
    first, second = (tmp_path / f"apple_{number}.png" for number in range(2))
    assert size_of(first) == size_of(second) == (32, 32)
    assert first.read_bytes() != second.read_bytes()
    run([sys.executable, "-c", sample(page, "edit")], tmp_path)
    assert size_of(tmp_path / "green.png") == (32, 32)


def test_the_sample_for_fetch_draws_what_curl_draws(page: str, tmp_path: Path, http: httpx.Client) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not here")
    (tmp_path / "sample.mjs").write_text(sample(page, "fetch"), encoding="utf-8")
    run(["node", "sample.mjs"], tmp_path)
    import base64

    same = http.post("/v1/images/generations", json={"prompt": "a red apple", "seed": 7}).json()
    assert (tmp_path / "apple.png").read_bytes() == base64.b64decode(same["data"][0]["b64_json"])


def test_what_the_ai_sdk_sends_is_taken(live: Live, http: httpx.Client, page: str) -> None:
    # As @ai-sdk/openai writes it for a name that it does not know, and what its schema asks of the answer.
    name = re.search(r'image\("(.*?)"\)', sample(page, "ai-sdk"))
    assert name
    body = {"model": name[1], "prompt": "a red apple", "n": 1, "response_format": "b64_json"}
    found = http.post("/v1/images/generations", json=body).json()
    assert isinstance(found["data"][0]["b64_json"], str)
    assert all(isinstance(found["usage"][key], int) for key in ("input_tokens", "output_tokens", "total_tokens"))
    assert f"{live.url}/v1" in sample(page, "ai-sdk")


def test_the_address_is_the_one_that_was_asked(live: Live, http: httpx.Client) -> None:
    text = http.get("/docs", headers={"Host": f"localhost:{live.port}"}).text
    assert f'base_url="http://localhost:{live.port}/v1"' in sample(text, "python")


def test_nothing_comes_from_elsewhere_and_no_script_runs(page: str, http: httpx.Client) -> None:
    linked = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert linked
    assert all(link.startswith(("/", "#")) for link in linked)
    for link in linked:
        assert link[0] == "#" or http.get(link).status_code == 200, link
        assert link[0] != "#" or f'id="{link[1:]}"' in page, link
    assert "<script" not in page
    assert " style=" not in page
    assert not re.search(r"\$[a-z]", page)


def test_a_server_with_a_token_shows_it_to_nobody(tiny_model_folder: Path, tmp_path: Path) -> None:
    token = "a-long-enough-token"
    with running(TextToImage.load(tiny_model_folder), tmp_path, token) as live, live.client() as client:
        assert client.get("/docs").headers["location"] == "/login?next=docs"
        text = client.get("/docs", headers={"Authorization": f"Bearer {token}"}).text
        assert token not in text
        assert "Authorization: Bearer YOUR_TOKEN" in sample(text, "curl")
        assert 'api_key="YOUR_TOKEN"' in sample(text, "python")
        asked = sample(text, "python").replace("YOUR_TOKEN", token)
        run([sys.executable, "-c", asked], tmp_path)
        assert size_of(tmp_path / "apple_1.png") == (32, 32)


def test_every_field_and_every_code_is_there(page: str, http: httpx.Client) -> None:
    for model in (Generation, Edit, JobIn):
        for name in (*model.model_fields, *model.also):
            assert f"<code>{name}</code>" in page, name
    assert all(f"<td>{status}</td>" in page for status in CODES)
    assert all(f"<code>{path}</code>" in page for path in http.get("/openapi.json").json()["paths"])


def test_fields_say_their_ranges_and_defaults() -> None:
    table = fields_table(Generation, {"steps": "30"}, Limits(api_count=12))
    cells = {row[0]: row[1:] for row in (re.findall("<td>(.*?)</td>", row) for row in table.split("<tr>")[2:])}
    assert cells["<code>prompt</code>"][:2] == ["text, at most 4000 characters", "needed"]
    assert cells["<code>n</code> (or <code>num_images_per_prompt</code>)"][:2] == ["whole number, 1 to 12", "1"]
    assert cells["<code>steps</code> (or <code>num_inference_steps</code>)"][:2] == ["whole number, 1 to 1000", "30"]
    assert cells["<code>seed</code>"][0] == "whole number, 0 to 4294967295"
    assert cells["<code>output_format</code>"][:2] == ["png, jpeg, webp", "png"]
    assert cells["<code>stream</code>"][:2] == ["true or false", "false"]
    edits = fields_table(Edit, {}, Limits(), leave_out=Generation)
    assert "number, above 0, at most 1" in edits
    assert "<code>prompt</code>" not in edits


def test_the_table_of_bodies_is_what_the_routes_read(http: httpx.Client) -> None:
    document = http.get("/openapi.json").json()
    read: dict[str, set[str]] = {}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                schema = content["schema"]
                options = [each for each in schema.get("anyOf", [schema]) if "$ref" in each or "properties" in each]
                named = options[0].get("$ref", "").rsplit("/", 1)[-1]
                read[path] = set((document["components"]["schemas"].get(named) or options[0])["properties"])
    files = {"/api/uploads", "/api/settings"}  # whose forms have a file and nothing else
    assert set(read) == {*BODIES, *files}
    for path, model in BODIES.items():
        pictures = {"image", "mask"} if path == "/v1/images/edits" else set()
        assert read[path] == {*model.model_fields, *model.also} | pictures, path


def test_limits_of_the_server_are_told_where_they_hold(live: Live, http: httpx.Client, page: str) -> None:
    limits = live.state.settings.limits
    schemas = http.get("/openapi.json").json()["components"]["schemas"]
    for name in ("count", "num_images_per_prompt"):
        assert schemas["JobIn"]["properties"][name]["maximum"] == limits.count
    for name in ("n", "num_images_per_prompt"):
        (kind,) = (each for each in schemas["Generation"]["properties"][name]["anyOf"] if each["type"] == "integer")
        assert kind["maximum"] == limits.api_count
    assert f"<td>whole number, 1 to {limits.count}</td>" in page
    assert f"<td>whole number, 1 to {limits.api_count}</td>" in page


def test_a_server_may_allow_more_than_others(tiny_model_folder: Path, tmp_path: Path) -> None:
    model, more = TextToImage.load(tiny_model_folder), Limits(count=70, api_count=17)
    with running(model, tmp_path, limits=more) as live, live.client() as client:
        asked = {"prompt": "x", "steps": 1}
        assert len(client.post("/v1/images/generations", json={**asked, "n": 17}).json()["data"]) == 17
        assert client.post("/v1/images/generations", json={**asked, "n": 18}).status_code == 400
        job = client.post("/api/jobs", json={**asked, "count": 70}).json()
        assert job["count"] == 70
        client.delete(f"/api/jobs/{job['id']}")


def test_the_page_leads_to_its_content_and_its_template_is_no_page(page: str, http: httpx.Client) -> None:
    assert re.search(r'<a class="skip" href="#content">', page)
    assert re.search(r'<main [^>]*id="content"', page)
    assert http.get("/static/docs.html").status_code == 404
    scrolling = re.findall(r"<[a-z]+ [^>]*tabindex=\"0\"[^>]*>", page)
    names = [re.search('aria-label="(.+?)"', tag) for tag in scrolling]
    assert len({name[1] for name in names if name}) == len(scrolling) > 8  # each by a name of its own
    assert all('role="region"' in tag for tag in scrolling)


def test_strengths_are_said_from_where_they_are_used(page: str, http: httpx.Client) -> None:
    assert http.get("/api/facts").json()["strengths"] == {"restyle": STRENGTH, "inpaint": MASKED_STRENGTH}
    assert page.count(f"{STRENGTH:g}; with a mask {MASKED_STRENGTH:g}") == 2


def test_samples_know_their_server() -> None:
    found = samples(Place("http://10.0.0.7:9000", "mine", True))
    assert set(found) == {"curl", "python", "edit", "fetch", "node", "ai-sdk"}
    assert all("http://10.0.0.7:9000/v1" in text for _, text in found.values())
    assert 'model: "mine"' in found["node"][1]


def test_the_openai_package_reads_models_as_the_page_says(live: Live) -> None:
    with openai.OpenAI(base_url=f"{live.url}/v1/", api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["tiny"]
