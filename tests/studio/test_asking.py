"""What is asked for is taken whole or refused by name, is decided once, and holds up nobody else."""

from __future__ import annotations

import base64
import io
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request, Towards
from fromnoise.ground.errors import UserError
from fromnoise.studio.api.asking import seed_of
from fromnoise.studio.api.fields import MOST_SEED
from fromnoise.studio.desk.planning import planned
from fromnoise.studio.settings import Settings
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import LIMITS, Live, finished, running

EDITS, GENERATIONS = "/v1/images/edits", "/v1/images/generations"


def png(colour: str = "red", size: tuple[int, int] = (32, 32)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def problem(answer: httpx.Response) -> tuple[int, str | None, str, str]:
    error = answer.json()["error"]
    return answer.status_code, error["param"], error["code"], error["message"]


# --- files and fields of forms -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "hinted"),
    [
        ("mask_image", "; did you mean mask?"),
        ("mask_url", "; did you mean mask?"),
        ("msk", ""),
        ("init_image", "image?"),
    ],
)
def test_a_file_under_a_name_that_is_not_read_is_refused(name: str, hinted: str, http: httpx.Client) -> None:
    files = {"image": png(), name: png("white")}
    status, param, code, message = problem(http.post(EDITS, data={"prompt": "x", "steps": "1"}, files=files))
    assert (status, param, code) == (400, name, "unknown_field")
    assert message.startswith(f"there is no field '{name}'")
    assert message.endswith(hinted)


def test_a_mask_that_came_as_text_is_refused_and_an_empty_one_is_absent(http: httpx.Client) -> None:
    data = {"prompt": "x", "steps": "1", "mask": "data:image/png;base64,AAAA"}
    status, param, _, message = problem(http.post(EDITS, data=data, files={"image": png()}))
    assert (status, param) == (400, "mask")
    assert "mask came as text; send it as a file" in message
    assert http.post(EDITS, data={**data, "mask": ""}, files={"image": png()}).status_code == 200


def test_one_mask_and_one_picture_are_enough(http: httpx.Client) -> None:
    data = {"prompt": "x", "steps": "1"}
    two = [("image", png()), ("mask", png("white")), ("mask", png("black"))]
    assert problem(http.post(EDITS, data=data, files=two))[:2] == (400, "mask")
    both = [("image", ("a.png", png())), ("image[]", ("b.png", png("blue")))]
    assert problem(http.post(EDITS, data=data, files=both))[:2] == (400, "image")
    text = {**data, "image[]": "https://example.org/cat.png"}
    assert problem(http.post(EDITS, data=text, files={"image": png()}))[:2] == (400, "image")


def test_words_that_came_as_a_file_are_named(http: httpx.Client) -> None:
    files = {"image": ("a.png", png()), "negative": ("n.txt", b"ugly")}
    answer = http.post(EDITS, data={"prompt": "x", "steps": "1"}, files=files)
    assert problem(answer)[1::2] == ("negative", "negative came as a file; send it as text")


@pytest.mark.parametrize("path", ["/api/uploads", "/api/settings"])
def test_nothing_beside_the_one_file_is_ignored(path: str, http: httpx.Client) -> None:
    assert problem(http.post(path, files=[("file", png()), ("file", png("blue"))]))[:2] == (400, "file")
    beside = problem(http.post(path, data={"mask": "true"}, files={"file": png()}))
    assert beside[:3] == (400, "mask", "unknown_field")
    assert problem(http.post(path, files={"file": png(), "mask": png()}))[:3] == (400, "mask", "unknown_field")


# --- seeds -------------------------------------------------------------------------------------------------------


def test_every_seed_of_an_answer_can_be_sent_back(http: httpx.Client) -> None:
    body = {"prompt": "x", "steps": 1, "n": 2}
    status, param, _, message = problem(http.post(GENERATIONS, json={**body, "seed": MOST_SEED}))
    assert (status, param) == (400, "seed")
    assert f"at most {MOST_SEED - 1}, not {MOST_SEED}" in message
    found = http.post(GENERATIONS, json={**body, "seed": MOST_SEED - 1}).json()["data"]
    assert [item["seed"] for item in found] == [MOST_SEED - 1, MOST_SEED]
    again = http.post(GENERATIONS, json={**body, "n": 1, "seed": found[1]["seed"]}).json()["data"][0]
    one, other = (Image.open(io.BytesIO(base64.b64decode(item["b64_json"]))) for item in (again, found[1]))
    assert one.tobytes() == other.tobytes()


def test_seeds_of_jobs_leave_room_too(http: httpx.Client) -> None:
    body = {"prompt": "x", "steps": 1, "count": 3}
    assert problem(http.post("/api/jobs", json={**body, "seed": MOST_SEED - 1}))[:2] == (400, "seed")
    way = {**body, "seed": MOST_SEED, "towards": {"seed": MOST_SEED - 1}}  # only the other end counts up
    assert problem(http.post("/api/jobs", json=way))[:2] == (400, "towards.seed")
    assert http.post("/api/jobs", json={**way, "towards": {"seed": MOST_SEED - 2}}).status_code == 201


def test_a_seed_that_nobody_chose_leaves_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fromnoise.studio.api.asking.secrets.randbelow", lambda n: n - 1)
    assert (seed_of(None, 1), seed_of(None, 16)) == (MOST_SEED, MOST_SEED - 15)


# --- decided once ------------------------------------------------------------------------------------------------


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are cut into tokens."""
    texts: list[str] = []
    plain = TextToImage.tokens

    def tokens(model: TextToImage, text: str) -> Any:
        texts.append(text)
        return plain(model, text)

    monkeypatch.setattr(TextToImage, "tokens", tokens)
    return texts


def test_words_of_one_request_are_cut_into_tokens_once(http: httpx.Client, read: list[str]) -> None:
    body = {"prompt": "red apple", "steps": 1, "seed": 1}
    assert http.post(GENERATIONS, json={**body, "n": 4, "negative_prompt": "blue"}).status_code == 200
    assert sorted(read) == ["blue", "red apple"]
    read.clear()
    way = {"towards": {"seed": 9, "prompt": "green tree"}, "amounts": [0.25, 0.5], "count": 2}
    job = http.post("/api/jobs", json={**body, **way}).json()
    assert sorted(read) == ["", "green tree", "red apple"]
    made = [kept["origin"]["request"]["towards"] for kept in finished(http, job["id"])["pictures"]]
    assert [(to["seed"], to["amount"]) for to in made] == [(9, 0.25), (9, 0.5), (10, 0.25), (10, 0.5)]


def test_plans_made_together_are_those_made_alone(tiny_model: TextToImage) -> None:
    requests = [
        Request("red apple", seed=4, steps=3),
        Request("red apple", seed=5, steps=3),
        Request("red apple", seed=5, steps=4),
        Request("red apple", seed=5, steps=4, towards=Towards(0.5, 8)),
        Request("red apple", seed=6, steps=4, towards=Towards(0.25, 6)),
        Request("red apple", seed=6, steps=4, towards=Towards(0.25, 6, "blue house", style="noto")),
        Request("red apple", seed=6, steps=4, towards=Towards(1.0, 7, "blue house", style="noto")),
    ]
    found = [each.request for each in planned(tiny_model, requests)]
    assert found == [plan(tiny_model, request).request for request in requests]


# --- nobody waits for another's question -------------------------------------------------------------------------


def waits_for(event: threading.Event, then: Callable[..., Any]) -> Callable[..., Any]:
    def waiting(*arguments: Any, **named: Any) -> Any:
        assert event.wait(30)
        return then(*arguments, **named)

    return waiting


def answered_meanwhile(live: Live, event: threading.Event, method: str, path: str, **body: Any) -> httpx.Response:
    """The answer to a request that waits for an event, while the server answers another one."""
    with ThreadPoolExecutor(1) as pool, live.client() as one, httpx.Client(base_url=live.url, timeout=10) as other:
        slow = pool.submit(one.request, method, path, **body)
        try:
            while not slow.running():
                pass
            assert [other.get("/healthz").status_code for _ in range(20)] == [200] * 20
            assert not slow.done()
        finally:
            event.set()
        return slow.result()


def test_a_long_check_stops_nobody(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    event = threading.Event()
    monkeypatch.setattr("fromnoise.studio.api.asking.plan", waits_for(event, plan))
    assert answered_meanwhile(live, event, "POST", "/api/check", json={"prompt": "x"}).status_code == 200


@pytest.mark.parametrize("path", [GENERATIONS, EDITS])
def test_a_model_that_is_being_loaded_stops_nobody(path: str, live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    event = threading.Event()
    monkeypatch.setattr(live.state.models, "load_fast", waits_for(event, lambda: live.state.models.base))
    body: dict[str, Any] = {"json": {"prompt": "x", "fast": True}}
    if path == EDITS:
        body = {"data": {"prompt": "x", "fast": "true"}, "files": {"image": png()}}
    assert answered_meanwhile(live, event, "POST", path, **body).status_code == 200
    monkeypatch.setattr(live.state.models, "_fast", None)


# --- what a check says -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prompt", ["()", "[]", "BREAK", "(apple:0)", "a cat --ar 16:9", "a <lora:x:1>", "(cat:99)"])
def test_a_check_says_what_drawing_would_refuse(prompt: str, http: httpx.Client) -> None:
    refused = problem(http.post("/api/jobs", json={"prompt": prompt, "steps": 1}))
    assert refused[0] == 400
    assert http.post("/api/check", json={"prompt": prompt}).json() == {"warnings": [refused[3]]}


def test_a_check_reads_what_must_not_be_shown_too(http: httpx.Client) -> None:
    for body in ({"prompt": "x", "negative": "(ugly:99)"}, {"negative_prompt": "(ugly:99)"}):
        (said,) = http.post("/api/check", json=body).json()["warnings"]
        assert "99" in said
    assert http.post("/api/check", json={}).json() == {"warnings": []}


def test_a_check_tells_what_the_job_will_tell(http: httpx.Client) -> None:
    prompt = " ".join(["red apple"] * 12)
    job = http.post("/api/jobs", json={"prompt": prompt, "steps": 1}).json()
    assert job["warnings"]
    assert http.post("/api/check", json={"prompt": prompt}).json()["warnings"] == job["warnings"]


# --- shapes and ways ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "drawn"),
    [({}, (44, 24)), ({"height": 32}, (64, 32)), ({"width": 32}, (32, 16)), ({"width": 40, "height": 40}, (40, 40))],
)
def test_a_side_that_is_given_is_kept_and_the_other_follows_the_photo(
    given: dict[str, int], drawn: tuple[int, int], http: httpx.Client
) -> None:
    start = http.post("/api/uploads", files={"file": png(size=(100, 50))}).json()["id"]
    job = http.post("/api/jobs", json={"prompt": "x", "steps": 1, "start": start, **given}).json()
    assert (job["request"]["width"], job["request"]["height"]) == drawn


def test_amounts_need_a_picture_to_go_to(http: httpx.Client) -> None:
    body = {"prompt": "x", "steps": 1}
    assert problem(http.post("/api/jobs", json={**body, "amounts": [0.5]}))[:2] == (400, "amounts")
    assert http.post("/api/jobs", json={**body, "amounts": None}).status_code == 201


def test_a_request_has_as_many_pictures_as_the_server_allows(http: httpx.Client) -> None:
    body = {"prompt": "x", "steps": 1}
    most = LIMITS.count
    for name in ("count", "num_images_per_prompt"):
        status, param, _, message = problem(http.post("/api/jobs", json={**body, name: most + 1}))
        assert (status, param) == (400, name)
        assert f"{most + 1} pictures, more than {most}" in message
    way = {"towards": {"seed": 1}, "amounts": [0.1, 0.2, 0.3], "count": most - 1}
    assert problem(http.post("/api/jobs", json={**body, **way}))[:2] == (400, "amounts")


# --- addresses ---------------------------------------------------------------------------------------------------


def test_addresses_of_pictures_are_at_the_name_that_the_client_knows(tiny_model: TextToImage, tmp_path: Path) -> None:
    settings = Settings(tmp_path, host="0.0.0.0", port=0, token="a-long-enough-token", limits=LIMITS)
    body = {"prompt": "x", "steps": 1, "response_format": "url"}
    with running(tiny_model, tmp_path, settings=settings) as live:
        headers = {"Authorization": "Bearer a-long-enough-token", "Host": f"studio.example:{live.port}"}
        with live.client(headers=headers) as client:
            urls = [client.post(GENERATIONS, json=body).json()["data"][0]["url"]]
            data = {key: str(value) for key, value in body.items()}
            urls.append(client.post(EDITS, data=data, files={"image": png()}).json()["data"][0]["url"])
        assert all(url.startswith(f"http://studio.example:{live.port}/v1/files/") for url in urls)
        local = live.client().get(urls[0].removeprefix(f"http://studio.example:{live.port}"))
        assert Image.open(io.BytesIO(local.content)).size == (32, 32)


# --- which field, and whose words --------------------------------------------------------------------------------


def test_what_the_client_said_is_quoted_as_it_was_said(http: httpx.Client) -> None:
    body = {"prompt": "x", "steps": 1}
    for path in (GENERATIONS, "/api/jobs"):
        assert "'n--o'" in problem(http.post(path, json={**body, "style": "n--o"}))[3]
        foreign = problem(http.post(path, json={**body, "prompt": "a cat --ar 16:9"}))
        assert foreign[3].startswith("'--ar 16:9' in the prompt is an option of another program; give options beside")
        assert "--size" not in foreign[3]
        lora = problem(http.post(path, json={**body, "prompt": "a cat <lora:--x:1>"}))[3]
        assert "'<lora:--x:1>'" in lora
        assert "--lora" not in lora
        quoted = "(a, or use --free to draw without words:0)"
        nothing = problem(http.post(path, json={**body, "prompt": quoted}))[3]
        assert nothing == f"the prompt '{quoted}' has no words that count; say what to draw"


def test_the_command_line_is_told_the_options(tiny_model: TextToImage) -> None:
    for prompt, option in (("a cat --ar 16:9", "--size"), ("a <lora:x:1>", "--lora"), ("", "--free"), ("()", "--free")):
        with pytest.raises(UserError, match=option) as error:
            plan(tiny_model, Request(prompt))
        assert str(error.value).startswith(error.value.message)
        assert option not in error.value.message


@pytest.mark.parametrize(
    ("changes", "other", "param"),
    [
        ({}, {"prompt": "y", "style": "no"}, "towards.style"),
        ({}, {"prompt": "a <lora:x:1>"}, "towards.prompt"),
        ({}, {"prompt": "y", "negative": "(z:99)"}, "towards.negative"),
        ({"style": "no"}, {"prompt": "y", "style": "noto"}, "style"),
        ({"num_inference_steps": 999, "guidance_scale": 3}, {"prompt": "()"}, "towards.prompt"),
    ],
)
def test_which_end_of_a_way_is_wrong(
    changes: dict[str, Any], other: dict[str, Any], param: str | None, http: httpx.Client
) -> None:
    body = {"prompt": "x", **changes, "towards": {"seed": 1, **other}}
    answer = problem(http.post("/api/jobs", json=body))
    assert answer[:2] == (400, param)


def test_what_is_wrong_with_an_upload_names_its_field(http: httpx.Client, live: Live) -> None:
    for path in ("/api/uploads", "/api/uploads?mask=true"):
        status, param, _, message = problem(http.post(path, files={"file": b"no picture"}))
        assert (status, param) == (400, "file")
        assert message.startswith("file cannot be read as a picture")
    start = http.post("/api/uploads", files={"file": png()}).json()["id"]
    gone = "0" * 32
    assert problem(http.get(f"/api/uploads/{gone}"))[:2] == (410, "upload")
    for body, param, called in (
        ({"start": gone}, "start", "the picture to start from is not"),
        ({"start": start, "mask": gone}, "mask", "the mask is not"),
        ({"start": start, "mask": gone, "width": 32, "height": 32}, "mask", "the mask is not"),
    ):
        answer = problem(http.post("/api/jobs", json={"prompt": "x", "steps": 1, **body}))
        assert answer[:2] == (410, param)
        assert answer[3].startswith(called)
