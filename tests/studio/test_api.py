"""What people send that is nearly right: each is taken as it was meant, or refused in a sentence that helps."""

from __future__ import annotations

import base64
import io
import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from openai import OpenAI
from PIL import Image
from typer.testing import CliRunner

from fromnoise.cli import entry
from fromnoise.ground.errors import UserError
from fromnoise.studio.api.bodies import BODIES
from fromnoise.studio.api.naming import SYNONYMS, hint
from fromnoise.studio.api.problems import answer_to
from fromnoise.studio.api.routes import fields_of, titled
from fromnoise.studio.api.schemas import Generation, JobIn
from fromnoise.studio.desk.problem import problem_of
from fromnoise.studio.settings import Settings
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import LIMITS, Live, finished, running

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"
ASKED = {"prompt": "red apple", "steps": 1, "seed": 3}
PLAIN = ["/", "/login", "/favicon.svg", "/static/main.js", "/docs", "/openapi.json", "/metrics", "/healthz", "/readyz"]
LISTS = ["/v1/models", "/v1/models/tiny", "/api/facts", "/api/machine", "/api/jobs", "/api/pictures", "/api/story"]


def png(size: tuple[int, int] = (32, 32)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (9, 200, 3)).save(buffer, "PNG")
    return buffer.getvalue()


def said(answer: httpx.Response) -> str:
    message: str = answer.json()["error"]["message"]
    return message


def drawn(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["b64_json"] for item in answer.json()["data"]]


@pytest.fixture
def picture(http: httpx.Client) -> str:
    """The id of a picture in the gallery."""
    job = http.post("/api/jobs", json={"prompt": "x", "steps": 1}).json()["id"]
    found: str = finished(http, job)["pictures"][0]["id"]
    return found


# --- methods and addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*PLAIN, *LISTS, "/api/pictures/{}", "/api/pictures/{}/file", "/nothing", EDITS])
def test_head_answers_as_get_without_a_body(http: httpx.Client, picture: str, path: str) -> None:
    path = path.format(picture)
    get, head = http.get(path), http.head(path)
    assert head.status_code == get.status_code
    assert head.content == b""
    assert get.content != b""
    moving = {"date", "content-length"} if path in ("/metrics", EDITS) else {"date"}  # its figures; the method's name
    assert {k: v for k, v in head.headers.items() if k not in moving} == {
        k: v for k, v in get.headers.items() if k not in moving
    }


def test_head_of_a_stream_ends_and_is_not_listened_to(http: httpx.Client, live: Live) -> None:
    job = http.post("/api/jobs", json={"prompt": "x", "steps": 1}).json()["id"]
    for path in ("/api/events", f"/api/jobs/{job}/events"):
        answer = http.head(path)
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.content == b""
    assert http.get("/healthz").status_code == 200  # on the same connection
    until = time.monotonic() + 20
    while live.state.hub._listeners:
        assert time.monotonic() < until
        time.sleep(0.01)


def test_head_needs_the_token_where_get_does(tiny_model_folder: Path, tmp_path: Path) -> None:
    token = "a-long-enough-token"
    with running(TextToImage.load(tiny_model_folder), tmp_path, token) as live, live.client() as client:
        assert client.head("/v1/models").status_code == client.get("/v1/models").status_code == 401
        assert client.head("/v1//models/").status_code == 401
        headers = {"Authorization": f"Bearer {token}"}
        asked = {**ASKED, "response_format": "url"}
        url = client.post(GENERATIONS, json=asked, headers=headers).json()["data"][0]["url"]
        assert httpx.head(url).status_code == httpx.get(url).status_code == 200  # a link carries its own proof


@pytest.mark.parametrize("path", [*LISTS, "/healthz", "/docs", "/static/main.js"])
def test_slashes_too_many_change_nothing(live: Live, http: httpx.Client, path: str) -> None:
    wanted = http.get(path)
    assert http.get(f"{path}/").content == wanted.content
    with socket.create_connection(("127.0.0.1", live.port), timeout=10) as raw:  # httpx reads "//v1" as a host
        head = f"GET /{path.replace('/', '//')} HTTP/1.1\r\nHost: 127.0.0.1:{live.port}\r\nConnection: close\r\n\r\n"
        raw.sendall(head.encode())
        answer = b"".join(iter(lambda: raw.recv(65536), b""))
    assert answer.endswith(wanted.content)


def test_a_slash_at_the_end_of_a_post_is_no_other_address(http: httpx.Client) -> None:
    assert drawn(http.post(f"{GENERATIONS}/", json=ASKED)) == drawn(http.post(GENERATIONS, json=ASKED))


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/v1/models", "GET, HEAD, OPTIONS"),
        ("/v1/models/tiny", "GET, HEAD, OPTIONS"),
        (GENERATIONS, "POST, OPTIONS"),
        ("/api/jobs", "GET, HEAD, POST, OPTIONS"),
        ("/api/pictures/" + "0" * 32, "GET, HEAD, PATCH, DELETE, OPTIONS"),
        ("/login", "GET, HEAD, POST, OPTIONS"),
        ("/static/main.js", "GET, HEAD, OPTIONS"),
    ],
)
def test_which_methods_work_is_said(http: httpx.Client, path: str, allowed: str) -> None:
    asked = http.options(path)
    assert (asked.status_code, asked.content, asked.headers["allow"]) == (204, b"", allowed)
    for method in ("PUT", "TRACE", "NONSENSE"):
        refused = http.request(method, path)
        assert (refused.status_code, refused.headers["allow"]) == (405, allowed)
        assert said(refused) == f"{method} does not work at {path}; use {' or '.join(allowed.split(', ')[:-1])}"


@pytest.mark.parametrize(
    ("path", "hinted"),
    [
        ("/images/generations", "/v1/images/generations?"),  # a base URL without /v1
        ("/v1/images/generation", "/v1/images/generations?"),
        ("/models", "/v1/models?"),
        ("/api/picture", "/api/pictures?"),
        ("/v1/chat/completions", "/docs says what there is"),
        ("/wp-login.php", None),
    ],
)
def test_an_address_that_is_nearly_right(http: httpx.Client, path: str, hinted: str | None) -> None:
    answer = http.post(path, json={})
    assert answer.status_code == 404
    assert said(answer).endswith(hinted or f"there is nothing at {path}")


def test_empty_queries_are_absent(http: httpx.Client, picture: str) -> None:
    assert http.get("/api/pictures?limit=&before=&favourites=&search=").json() == http.get("/api/pictures").json()
    assert http.get(f"/api/pictures/{picture}/file?download=").status_code == 200
    assert http.get("/api/pictures?limit=0").status_code == 400


# --- fields that say nothing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("empty", ["", None, "  "])
def test_empty_optional_fields_are_absent(http: httpx.Client, empty: str | None) -> None:
    names = set(Generation.model_fields) - {"prompt", "steps", "seed"} - ({"negative_prompt"} if empty else set())
    wanted = drawn(http.post(GENERATIONS, json=ASKED))
    for name in sorted(names):
        assert drawn(http.post(GENERATIONS, json={**ASKED, name: empty})) == wanted, name
    everything = dict.fromkeys(names, empty)
    assert drawn(http.post(GENERATIONS, json={**ASKED, **everything})) == wanted
    if empty is not None:
        form = {**ASKED, "steps": "1", "seed": "3", **everything, "strength": empty, "input_fidelity": empty}
        edited = http.post(EDITS, data=form, files={"image": png()})
        assert drawn(edited) == drawn(http.post(EDITS, data=ASKED, files={"image": png()}))


@pytest.mark.parametrize("empty", ["", None])
def test_empty_optional_fields_of_a_job_are_absent(http: httpx.Client, empty: str | None) -> None:
    names = set(JobIn.model_fields) - {"prompt", "steps", "seed"}
    job = http.post("/api/jobs", json={**ASKED, **dict.fromkeys(names, empty)})
    assert job.status_code == 201, job.text
    plain = finished(http, http.post("/api/jobs", json=ASKED).json()["id"])
    assert finished(http, job.json()["id"])["request"] == plain["request"]


def test_empty_fields_elsewhere(http: httpx.Client, picture: str) -> None:
    assert http.post("/api/story/plots", json={"genre": None, "steps": None, "seed": ""}).status_code in (200, 404)
    towards = {"seed": 1, "prompt": None, "style": "", "negative": None}
    assert http.post("/api/jobs", json={**ASKED, "towards": towards}).status_code == 201
    assert said(http.patch(f"/api/pictures/{picture}", json={"favourite": None})) == "favourite is missing"


@pytest.mark.parametrize("prompt", ["", "   ", None])
def test_without_a_prompt_nothing_is_drawn(http: httpx.Client, prompt: str | None) -> None:
    answer = http.post(GENERATIONS, json={"prompt": prompt})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "prompt")


def test_an_unknown_field_is_unknown_even_when_empty(http: httpx.Client) -> None:
    for value in ("", None):
        assert http.post(GENERATIONS, json={**ASKED, "guidence": value}).json()["error"]["code"] == "unknown_field"


# --- names of fields -------------------------------------------------------------------------------------------


def test_diffusers_names_draw_the_same_bits(http: httpx.Client) -> None:
    ours = {"steps": 2, "guidance": 3.5, "negative_prompt": "a blue house", "n": 2}
    theirs = {"num_inference_steps": 2, "guidance_scale": 3.5, "negative": "a blue house", "num_images_per_prompt": 2}
    asked = {"prompt": "red apple", "seed": 3}
    wanted = drawn(http.post(GENERATIONS, json={**asked, **ours}))
    assert len(wanted) == 2
    assert drawn(http.post(GENERATIONS, json={**asked, **theirs})) == wanted
    files = {"image": png()}
    edited = drawn(http.post(EDITS, data={**asked, **ours}, files=files))
    assert drawn(http.post(EDITS, data={**asked, **theirs}, files=files)) == edited


def test_diffusers_names_in_jobs(http: httpx.Client) -> None:
    body = {"num_inference_steps": 2, "guidance_scale": 3.5, "negative_prompt": "blue", "num_images_per_prompt": 2}
    job = http.post("/api/jobs", json={"prompt": "red apple", "seed": 3, **body}).json()
    wanted = {"steps": 2, "guidance": 3.5, "negative": "blue"}
    assert {key: job["request"][key] for key in wanted} == wanted
    assert job["count"] == 2


@pytest.mark.parametrize(
    ("path", "one", "other"),
    [
        (GENERATIONS, {"steps": 2}, {"num_inference_steps": 3}),
        (GENERATIONS, {"negative_prompt": "blue"}, {"negative": "green"}),
        (EDITS, {"guidance": "2"}, {"guidance_scale": "3"}),
        ("/api/jobs", {"count": 2}, {"num_images_per_prompt": 3}),
        ("/api/story/plots", {"steps": 2}, {"num_inference_steps": 3}),
    ],
)
def test_one_field_under_two_names(
    http: httpx.Client, path: str, one: dict[str, object], other: dict[str, object]
) -> None:
    def ask(body: dict[str, object]) -> httpx.Response:
        if path == EDITS:
            return http.post(path, data={"prompt": "x", "steps": "1", **body}, files={"image": png()})
        return http.post(path, json={**({} if "story" in path else {"prompt": "x"}), **body})

    answer = ask({**one, **other})
    assert answer.status_code == 400
    assert all(name in said(answer) for name in (*one, *other))
    assert answer.json()["error"]["param"] == next(iter(other))
    same = dict.fromkeys((*one, *other), next(iter(one.values())))
    assert ask(same).status_code in (200, 201, 404)  # 404: no story model


@pytest.mark.parametrize(
    ("path", "field", "hinted"),
    [
        (GENERATIONS, "cfg_scale", "; did you mean guidance?"),
        (GENERATIONS, "rescale", "; POST /api/jobs takes it"),
        (GENERATIONS, "strength", "; POST /v1/images/edits and POST /api/jobs take it"),
        (GENERATIONS, "width", "; did you mean size?"),
        (GENERATIONS, "scheduler", "; did you mean sampler?"),
        (GENERATIONS, "image", "; POST /v1/images/edits takes it"),
        (GENERATIONS, "init_image", "; did you mean image, which POST /v1/images/edits takes?"),
        (GENERATIONS, "Prompt", "; did you mean prompt?"),
        (GENERATIONS, "favourite", "; PATCH /api/pictures/{picture} takes it"),
        (GENERATIONS, "xyzzy", ""),
        (EDITS, "rescale", "; POST /api/jobs takes it"),
        (EDITS, "denoising_strength", "; did you mean strength?"),
        ("/api/jobs", "n", "; did you mean count?"),
        ("/api/jobs", "size", "; did you mean width and height?"),
        ("/api/jobs", "cfg_scale", "; did you mean guidance?"),
        ("/api/story/plots", "cfg", "; did you mean guidance?"),
        ("/api/story/plots", "sampler", ""),  # of pictures: the game has none
    ],
)
def test_hints_name_what_helps(http: httpx.Client, path: str, field: str, hinted: str) -> None:
    if path == EDITS:
        answer = http.post(path, data={"prompt": "x", field: "1"}, files={"image": png()})
    else:
        answer = http.post(path, json={"prompt": "x", field: 1} if "story" not in path else {field: 1})
    assert answer.status_code == 400
    assert said(answer) == f"there is no field '{field}'{hinted}"
    assert answer.json()["error"]["param"] == field


def test_no_hint_ever_names_a_field_that_is_refused_or_the_same_word() -> None:
    known = {titled(route): fields_of(route) for route in BODIES}
    tried = {name for group in SYNONYMS for name in group} | {name for fields in known.values() for name in fields}
    for here, own in known.items():
        for name in sorted(tried | {f"{name}s" for name in tried}):
            if name in own:
                continue
            found = hint(name, here, {**known})
            if near := re.search(r"did you mean (\w+)(?: and height)?(?:, which (.+) takes)?\?", found):
                assert near[1] != name
                assert near[1] in known[near[2] or here], (here, name, found)
            elif takes := re.search(r"; (.+?)(?: and (.+))? takes? it$", found):
                assert all(name in known[route] for route in takes.groups() if route), (here, name, found)
            else:
                assert found == ""


def test_a_misspelt_name_is_told_before_what_is_missing(http: httpx.Client) -> None:
    assert said(http.post(GENERATIONS, json={"promt": "x"})) == "there is no field 'promt'; did you mean prompt?"
    answer = http.post("/api/jobs", json={"prompt": "x", "towards": {"seeed": 1}})
    assert said(answer) == "there is no field 'seeed'; did you mean seed?"
    assert answer.json()["error"]["param"] == "towards.seeed"


# --- bodies ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "application/octet-stream"])
@pytest.mark.parametrize("path", [GENERATIONS, "/api/jobs", "/api/story/spoilt"])
def test_without_the_content_type_the_answer_names_it(http: httpx.Client, path: str, kind: str | None) -> None:
    headers = {"Content-Type": kind} if kind else {}
    answer = http.post(path, content=json.dumps({"prompt": "x"}), headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert said(answer).startswith("send Content-Type: application/json (this came ")
    assert (kind or "without") in said(answer)


@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", ""])
@pytest.mark.parametrize("path", [EDITS, "/api/uploads", "/api/settings"])
def test_a_form_is_asked_for_where_one_is_read(http: httpx.Client, path: str, kind: str) -> None:
    answer = http.post(path, content="a=b", headers={"Content-Type": kind} if kind else {})
    assert answer.status_code == 415
    assert "Content-Type: multipart/form-data" in said(answer)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "; it is empty"),
        (b"[]", "; this is a list"),
        (b'"x"', "; this is text"),
        (b"7", "; this is a number"),
        (b"true", "; this is true or false"),
        (b"{'prompt': 'x'}", "not valid JSON: Expecting property name enclosed in double quotes at character 1"),
        (b'{"prompt": "x"', "not valid JSON: Expecting ',' delimiter at character 14"),
        (b'{"prompt": "x"} more', "not valid JSON: Extra data at character 16"),
        ('{"prompt": "ä"}'.encode("latin-1"), "cannot be read as JSON in UTF-8"),
        (b'{"prompt": "x", "seed": ' + b"9" * 5000 + b"}", "cannot be read as JSON in UTF-8"),
    ],
)
def test_what_is_wrong_with_a_body_is_said(http: httpx.Client, body: bytes, message: str) -> None:
    answer = http.post(GENERATIONS, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert message in said(answer)


@pytest.mark.parametrize(
    ("encoding", "kind"),
    [
        ("utf-8-sig", "application/json"),
        ("utf-8", "Application/JSON; Charset=UTF-8"),
        ("utf-8", "application/vnd.mine+json"),
        ("utf-16", "application/json; charset=utf-16"),
        ("utf-16-le", "application/json; charset=utf-16"),
        ("utf-32", "application/json"),
    ],
)
def test_json_in_other_clothes_is_read(http: httpx.Client, encoding: str, kind: str) -> None:
    body = json.dumps({**ASKED, "prompt": "ein grüner Apfel"}, ensure_ascii=False).encode(encoding)
    wanted = drawn(http.post(GENERATIONS, json={**ASKED, "prompt": "ein grüner Apfel"}))
    assert drawn(http.post(GENERATIONS, content=body, headers={"Content-Type": kind})) == wanted


def test_a_picture_that_came_as_something_else(http: httpx.Client) -> None:
    text = http.post(EDITS, data={"prompt": "x", "image": "cat.png"}, files={"y": b""})
    assert said(text) == "image came as text; send it as a file, with curl as -F image=@FILE"
    named = http.post(EDITS, data={"prompt": "x"}, files={"picture": png()})
    assert said(named) == "the form has no file called image; its files are called picture"
    assert said(http.post("/api/uploads", files={"image": png()})).startswith("the form has no file called file")


# --- addresses of pictures -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
@pytest.mark.parametrize("path", [GENERATIONS, EDITS])
def test_an_address_serves_the_format_that_the_answer_says(http: httpx.Client, path: str, kind: str) -> None:
    asked = {**ASKED, "n": 2, "output_format": kind, "output_compression": 60}

    def ask(**more: object) -> dict[str, object]:
        body = {**asked, **more}
        if path == EDITS:
            return http.post(path, data=body, files={"image": png()}).json()  # type: ignore[no-any-return]
        return http.post(path, json=body).json()  # type: ignore[no-any-return]

    plain, linked = ask(), ask(response_format="url")
    assert linked["output_format"] == kind
    for item, link in zip(plain["data"], linked["data"], strict=True):  # type: ignore[call-overload]
        got = httpx.get(link["url"])
        assert got.headers["content-type"] == f"image/{kind}"
        assert Image.open(io.BytesIO(got.content)).format == kind.upper()
        assert got.content == base64.b64decode(item["b64_json"])
        name = link["url"].split("/files/")[1][:32]
        kept = http.get(f"/api/pictures/{name}/file")  # the gallery's own address is of a PNG, and says so
        assert (kept.headers["content-type"], kept.content[:4]) == ("image/png", b"\x89PNG")
        for other in ("png", "jpeg", "webp"):
            changed = httpx.get(link["url"].replace(f".{kind}?", f".{other}?"))
            assert changed.status_code == (200 if other == kind else 404)


def test_an_enlarged_picture_behind_an_address_has_the_size_that_was_asked_for(http: httpx.Client) -> None:
    asked = {**ASKED, "size": "100x200", "response_format": "url", "output_format": "webp"}
    found = http.post(GENERATIONS, json=asked).json()
    assert Image.open(io.BytesIO(httpx.get(found["data"][0]["url"]).content)).size == (100, 200)


# --- models ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def aliased(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A server that answers to other names too."""
    gallery = tmp_path_factory.mktemp("gallery")
    settings = Settings(gallery, port=0, limits=LIMITS, answer_to=("gpt-image-1", "owner/dall-e-3", "tiny"))
    with running(TextToImage.load(tiny_model_folder), gallery, settings=settings) as live:
        yield live


def test_other_names_of_the_model_are_taken_and_listed(aliased: Live) -> None:
    with OpenAI(base_url=f"{aliased.url}/v1", api_key="none", max_retries=0) as client:
        assert [model.id for model in client.models.list()] == ["tiny", "gpt-image-1", "owner/dall-e-3"]
        for name in ("tiny", "gpt-image-1", "owner/dall-e-3"):
            assert client.models.retrieve(name).id == name
            found = client.images.generate(model=name, prompt="x", extra_body={"steps": 1, "seed": 3})
            assert found.data
        with pytest.raises(openai.NotFoundError, match="--answer-to dall-e-2"):
            client.images.generate(model="dall-e-2", prompt="x")


def test_without_the_option_another_name_is_refused_with_a_word_about_it(http: httpx.Client) -> None:
    for answer in (
        http.post(GENERATIONS, json={**ASKED, "model": "gpt-image-1"}),
        http.post(EDITS, data={**ASKED, "model": "gpt-image-1"}, files={"image": png()}),
        http.get("/v1/models/gpt-image-1"),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
        assert said(answer) == (
            "this server draws with tiny, not with gpt-image-1: leave model out, or name that; "
            "to take gpt-image-1 too, start it with --answer-to gpt-image-1"
        )
    assert "--answer-to" not in said(http.post(GENERATIONS, json={**ASKED, "model": "a b; rm -rf"}))


@pytest.mark.parametrize("name", ["", " ", "a b", "a'b", "x" * 201, "ä", "a//b", "a?b", "a\nb"])
def test_a_name_that_no_client_can_send_is_refused_at_the_start(name: str, tmp_path: Path) -> None:
    options = ["--no-browser", "--gallery", str(tmp_path / "g"), "--answer-to", "fine", "--answer-to", name]
    result = CliRunner().invoke(entry.app, ["studio", *options])
    assert isinstance(result.exception, UserError)
    assert "--answer-to" in str(result.exception)
    assert not (tmp_path / "g").exists()


def test_the_option_reaches_the_server(
    tiny_model_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Settings] = []
    monkeypatch.setattr("fromnoise.studio.server.serve", lambda settings, models, *more: seen.append(settings))
    options = ["--model", str(tiny_model_folder), "--gallery", str(tmp_path), "--answer-to", "a", "--answer-to", "b"]
    assert CliRunner().invoke(entry.app, ["studio", *options]).exit_code == 0
    assert seen[0].answer_to == ("a", "b")


# --- what is told ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (GENERATIONS, {"style": "cubist"}, "style"),
        (GENERATIONS, {"sampler": "magic"}, "sampler"),
        (GENERATIONS, {"num_inference_steps": 0}, "num_inference_steps"),
        (GENERATIONS, {"num_inference_steps": 60, "sampler": "lcm"}, "num_inference_steps"),
        (GENERATIONS, {"guidance_scale": 101}, "guidance_scale"),
        (GENERATIONS, {"num_images_per_prompt": 17}, "num_images_per_prompt"),
        (GENERATIONS, {"num_images_per_prompt": LIMITS.api_count + 1}, "num_images_per_prompt"),
        (EDITS, {"num_inference_steps": "0"}, "num_inference_steps"),
        (EDITS, {"style": "cubist"}, "style"),
        ("/api/jobs", {"spacing": "wide"}, "spacing"),
        ("/api/jobs", {"sigmas": "wide"}, "sigmas"),
        ("/api/jobs", {"width": 2000, "height": 2000}, "width"),
        ("/api/jobs", {"steps": 60, "sampler": "lcm"}, "steps"),
    ],
)
def test_errors_name_the_field_as_the_client_called_it(
    http: httpx.Client, path: str, body: dict[str, object], param: str
) -> None:
    if path == EDITS:
        answer = http.post(path, data={"prompt": "x", **body}, files={"image": png()})
    else:
        answer = http.post(path, json={"prompt": "x", **body})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_settings_of_a_drawing_have_the_names_of_the_route() -> None:
    asked = Generation.model_validate({"prompt": "x", "guidance_scale": 2, "negative": "y"})
    named = {name: asked.name_of(name) for name in ("guidance", "negative", "width", "count", "style")}
    assert named == {
        "guidance": "guidance_scale", "negative": "negative", "width": "size", "count": "n", "style": "style",
    }  # fmt: skip
    assert asked.name_of(None) is None
    assert JobIn.model_validate({"prompt": "x", "count": 2}).name_of("count") == "count"


def test_what_a_person_can_put_right_is_said_without_advice_for_the_command_line() -> None:
    error = UserError("the drawing of '--no x' failed; try lower guidance", "guidance", advice=" (--guidance)")
    assert str(error) == "the drawing of '--no x' failed; try lower guidance (--guidance)"
    told = problem_of(error)
    assert (told.status, told.param) == (400, "guidance")
    assert told.message == "the drawing of '--no x' failed; try lower guidance"
    assert json.loads(bytes(answer_to(told).body))["error"]["param"] == "guidance"


def test_notes_come_with_the_pictures_and_with_the_job(http: httpx.Client) -> None:
    long = "red apple " * 60
    assert "warnings" not in http.post(GENERATIONS, json=ASKED).json()
    notes = http.post(GENERATIONS, json={**ASKED, "prompt": long, "n": 2}).json()["warnings"]
    assert [re.sub(r"\d+", "N", note) for note in notes] == [
        "the prompt has N tokens; it is read in N parts of at most N"
    ]
    large = http.post(GENERATIONS, json={**ASKED, "size": "1024x1024"}).json()["warnings"]
    assert len(large) == 1
    assert "32x32" in large[0]
    assert "1024x1024" in large[0]
    streamed = http.post(GENERATIONS, json={**ASKED, "prompt": long, "stream": True}).text
    assert json.loads(streamed.split("data: ")[-1])["warnings"] == notes
    edited = http.post(EDITS, data={**ASKED, "prompt": long}, files={"image": png()}).json()
    assert edited["warnings"] == notes
    job = http.post("/api/jobs", json={**ASKED, "prompt": long, "count": 3}).json()
    assert job["warnings"] == notes
    assert finished(http, job["id"])["warnings"] == notes
    assert http.post("/api/jobs", json=ASKED).json()["warnings"] == []


def test_notes_outlive_the_server(tiny_model_folder: Path, tmp_path: Path) -> None:
    model = TextToImage.load(tiny_model_folder)
    with running(model, tmp_path) as live, live.client() as client:
        job = client.post("/api/jobs", json={**ASKED, "prompt": "red apple " * 60}).json()
        finished(client, job["id"])
    with running(model, tmp_path) as live, live.client() as client:
        assert client.get(f"/api/jobs/{job['id']}").json()["warnings"] == job["warnings"] != []
