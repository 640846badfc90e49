"""The image API through the real ``openai`` client, and its errors on every path."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import openai
import pytest
import torch
from openai import OpenAI
from PIL import Image

from fromnoise.drawing.generate import draw
from fromnoise.drawing.picture_file import origin_in
from fromnoise.drawing.request import Request
from fromnoise.drawing.start import start_from
from fromnoise.ground.pictures import on_white
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.store import Search
from fromnoise.system.few_steps import with_few_steps
from fromnoise.system.text_to_image import TextToImage
from studio.conftest import Live, running


@pytest.fixture
def api(live: Live) -> Iterator[OpenAI]:
    with OpenAI(base_url=f"{live.url}/v1", api_key="none", max_retries=0, timeout=240) as client:
        yield client


def png(picture: Image.Image, name: str = "image.png") -> tuple[str, bytes, str]:
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return name, buffer.getvalue(), "image/png"


def opened(item: object) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(item.b64_json)))  # type: ignore[attr-defined]


def pixels(picture: Image.Image) -> torch.Tensor:
    data = torch.tensor(list(picture.convert("RGB").tobytes()), dtype=torch.uint8)
    return data.view(picture.height, picture.width, 3).permute(2, 0, 1)


def test_generate_is_what_the_library_draws(api: OpenAI, tiny_model: TextToImage) -> None:
    extra = {"seed": 4, "steps": 3, "guidance": 2.5, "negative_prompt": "a blue house", "sampler": "euler"}
    found = api.images.generate(model="tiny", prompt="red apple", n=2, extra_body={**extra, "style": "noto"})
    asked = Request(
        prompt="red apple",
        negative="a blue house",
        style="noto",
        seed=4,
        count=2,
        steps=3,
        guidance=2.5,
        sampler="euler",
    )
    expected = draw(tiny_model, asked)
    assert found.created > 1_700_000_000
    for item, picture in zip(found.data or [], expected, strict=True):
        assert torch.equal(pixels(opened(item)), picture)
    assert [item.seed for item in found.data or []] == [4, 5]  # type: ignore[attr-defined]
    data = base64.b64decode((found.data or [])[1].b64_json or "")
    assert origin_in(data, "it").request.seed == 5  # the file says how to draw it again
    assert found.usage is not None
    assert found.usage.total_tokens == found.usage.input_tokens + found.usage.output_tokens


def test_without_a_seed_every_answer_is_another_picture(api: OpenAI) -> None:
    seen = {api.images.generate(prompt="red apple", extra_body={"steps": 1}).data[0].seed for _ in range(3)}  # type: ignore[index]
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("size", "drawn", "given"),
    [("auto", 32, 32), ("32x32", 32, 32), ("64x64", 64, 64), ("1024x1024", 32, 1024), ("1024x512", 32, 1024)],
)
def test_sizes(api: OpenAI, size: str, drawn: int, given: int) -> None:
    found = api.images.generate(prompt="x", size=size, extra_body={"steps": 1})  # type: ignore[call-overload]
    picture = opened(found.data[0])
    assert picture.width == given
    assert found.size == (f"{picture.width}x{picture.height}")


@pytest.mark.parametrize(("kind", "name"), [("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WEBP")])
def test_formats(api: OpenAI, kind: str, name: str) -> None:
    found = api.images.generate(prompt="x", output_format=kind, extra_body={"steps": 1})  # type: ignore[call-overload]
    assert opened(found.data[0]).format == name
    assert found.output_format == kind


def test_addresses_of_pictures_work_and_others_do_not(api: OpenAI, live: Live) -> None:
    body = {"steps": 1, "seed": 1}
    url = api.images.generate(prompt="x", response_format="url", extra_body=body).data[0].url  # type: ignore[index]
    assert url is not None
    assert url.startswith(live.url)
    assert Image.open(io.BytesIO(httpx.get(url).content)).size == (32, 32)
    assert httpx.get(url[:-1] + ("0" if url[-1] != "0" else "1")).status_code == 404
    assert httpx.get(url.replace("until=", "until=9")).status_code == 404
    assert url.split("/files/")[1][:32] not in {kept.id for kept in live.state.store.search(Search(limit=200))}


def test_streaming_shows_the_picture_as_it_comes(api: OpenAI) -> None:
    body = {"steps": 9, "seed": 3}
    stream = api.images.generate(prompt="red apple", stream=True, partial_images=3, extra_body=body)
    events = list(stream)
    kinds = [event.type for event in events]
    assert kinds[-1] == "image_generation.completed"
    assert 1 <= kinds.count("image_generation.partial_image") <= 3
    partial = [event for event in events if event.type == "image_generation.partial_image"]
    assert [event.partial_image_index for event in partial] == list(range(len(partial)))
    assert all(opened(event).size == (32, 32) for event in events)
    whole = api.images.generate(prompt="red apple", extra_body=body)
    assert events[-1].b64_json == whole.data[0].b64_json  # type: ignore[union-attr,index]


def test_edit_restyles_a_picture(api: OpenAI, tiny_model: TextToImage) -> None:
    photo = Image.new("RGB", (100, 60), (10, 200, 30))
    found = api.images.edit(image=png(photo), prompt="a cat", extra_body={"steps": "4", "seed": "2", "strength": "0.5"})
    picture = opened((found.data or [])[0])
    assert picture.width > picture.height  # the shape of the photo
    size = picture.size
    asked = Request(prompt="a cat", steps=4, seed=2, strength=0.5, width=size[0], height=size[1])
    assert torch.equal(pixels(picture), draw(tiny_model, asked, start_from(photo, size))[0])


def test_edit_fills_where_the_mask_is_transparent(api: OpenAI) -> None:
    photo, mask = Image.new("RGB", (32, 32), (10, 200, 30)), Image.new("RGBA", (32, 32), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 32, 16))
    found = api.images.edit(image=png(photo), mask=png(mask), prompt="a cat", extra_body={"steps": 3, "seed": 2})
    drawn = pixels(opened((found.data or [])[0]))
    assert (drawn[:, 18:] == torch.tensor([10, 200, 30])[:, None, None]).all()
    assert not (drawn[:, :14] == torch.tensor([10, 200, 30])[:, None, None]).all()
    cut = photo.convert("RGBA")
    cut.putalpha(mask.getchannel("A"))  # the picture's own transparency says the same
    own = api.images.edit(image=png(cut), prompt="a cat", extra_body={"steps": 3, "seed": 2})
    assert (pixels(opened((own.data or [])[0]))[:, 18:] == torch.tensor([10, 200, 30])[:, None, None]).all()


def noise(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, (32, 32, 3), dtype=np.uint8)).convert(mode)


def edited(api: OpenAI, image: Image.Image, mask: Image.Image | None = None) -> torch.Tensor:
    more = {} if mask is None else {"mask": png(mask)}
    found = api.images.edit(image=png(image), prompt="a cat", extra_body={"steps": 3, "seed": 2}, **more)  # type: ignore[arg-type]
    return pixels(opened((found.data or [])[0]))


@pytest.mark.parametrize("alpha", [254, 200, 128, "a stray pixel"])
def test_a_picture_without_holes_is_drawn_anew_in_its_shape(alpha: object, api: OpenAI) -> None:
    # What lets some of the ground through asks for nothing to be filled: it is seen on white, and all is redrawn.
    photo, thin = noise(), noise("RGBA")
    if isinstance(alpha, int):
        thin.putalpha(alpha)
    else:
        for place in ((3, 3), (16, 16)):  # between the pixels that latents are masked by, and on one of them
            thin.putpixel(place, (0, 0, 0, 0))
    drawn, plain = edited(api, thin), edited(api, photo)
    seen = pixels(on_white(thin))
    assert (drawn != seen).any(0).float().mean() > 0.9
    assert (plain != pixels(photo)).any(0).float().mean() > 0.9


def test_a_white_on_black_mask_stays_one_with_stray_transparency(api: OpenAI) -> None:
    photo, mask = noise(), Image.new("RGBA", (32, 32), "black")
    mask.paste((255, 255, 255, 255), (0, 0, 32, 16))
    plain = edited(api, photo, mask)
    changed = (plain != pixels(photo)).any(0)
    assert not changed[16:].any()
    assert changed[:16].float().mean() > 0.9
    for alpha in (254, 128, 0):
        mask.putpixel((0, 0), (255, 255, 255, alpha))
        mask.putpixel((31, 31), (0, 0, 0, alpha))
        assert edited(api, photo, mask)[:, 16:].equal(plain[:, 16:])
        assert (edited(api, photo, mask) != pixels(photo)).any(0)[:16].float().mean() > 0.9


@pytest.mark.parametrize("what", ["black", "thinned all over", "16 bits, dark", "between the latents"])
def test_a_mask_that_lets_nothing_change_is_refused(what: str, api: OpenAI) -> None:
    mask = {
        "black": Image.new("RGB", (32, 32)),
        "thinned all over": Image.new("RGBA", (32, 32), (0, 0, 0, 200)),
        "16 bits, dark": Image.fromarray(np.full((32, 32), 255, np.uint16)),
        "between the latents": Image.new("L", (32, 32)),
    }[what]
    if what == "between the latents":
        mask.putpixel((1, 1), 255)
    with pytest.raises(openai.BadRequestError, match="mask") as error:
        edited(api, noise(), mask)
    assert error.value.param == "mask"


def test_sixteen_bits_of_a_mask_are_scaled(api: OpenAI) -> None:
    values = np.full((32, 32), 6000, np.uint16)
    values[:16] = 65535
    changed = (edited(api, noise(), Image.fromarray(values)) != pixels(noise())).any(0)
    assert not changed[16:].any()
    assert changed[:16].float().mean() > 0.9


def test_streaming_an_edit(api: OpenAI) -> None:
    photo = Image.new("RGB", (32, 32), (10, 200, 30))
    stream = api.images.edit(image=png(photo), prompt="a cat", stream=True, partial_images=1, extra_body={"steps": 6})
    assert [event.type for event in stream][-1] == "image_edit.completed"


def test_models(api: OpenAI) -> None:
    assert [model.id for model in api.models.list()] == ["tiny"]
    assert api.models.retrieve("tiny").owned_by == "fromnoise"
    with pytest.raises(openai.NotFoundError) as error:
        api.models.retrieve("gpt-image-1")
    assert error.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("changes", "status", "param"),
    [
        ({"prompt": ""}, 400, "prompt"),
        ({"prompt": None}, 400, "prompt"),
        ({"n": 0}, 400, "n"),
        ({"n": 5}, 400, "n"),
        ({"n": "many"}, 400, "n"),
        ({"size": "huge"}, 400, "size"),
        ({"size": "99999x99999"}, 400, "size"),
        ({"size": "0x0"}, 400, "size"),
        ({"steps": 0}, 400, "steps"),
        ({"steps": 10**9}, 400, "steps"),
        ({"guidance": "NaN"}, 400, "guidance"),
        ({"guidance": -1}, 400, "guidance"),
        ({"seed": -1}, 400, "seed"),
        ({"seed": 2**64}, 400, "seed"),
        ({"sampler": "magic"}, 400, "sampler"),
        ({"style": "cubist"}, 400, "style"),
        ({"model": "dall-e-3"}, 404, "model"),
        ({"prompt": "x" * 5000}, 400, "prompt"),
        ({"prompt": "\ud800"}, 400, None),
        ({"output_format": "tiff"}, 400, "output_format"),
        ({"fast": True}, 400, "fast"),
        ({"unknown_field": 1}, 400, "unknown_field"),
        ({"background": "transparent", "output_format": "jpeg"}, 400, "background"),
        ({"background": "clear"}, 400, "background"),
    ],
)
def test_what_is_wrong_is_said(http: httpx.Client, changes: dict[str, object], status: int, param: str | None) -> None:
    import json

    body = json.dumps({"prompt": "red apple", "steps": 1, **changes})
    answer = http.post("/v1/images/generations", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert param is None or error["param"] == param
    assert "\n" not in error["message"]
    assert "Traceback" not in answer.text
    assert "--" not in error["message"].replace("--answer-to", "")  # that is how the server is started


@pytest.fixture(scope="module")
def fast(few_steps_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """A client of a server whose model can draw in a few steps."""
    model = TextToImage.load(few_steps_folder)
    models = Models("tiny", model, lambda: with_few_steps(TextToImage.load(few_steps_folder)))
    with running(models, tmp_path_factory.mktemp("gallery")) as found, found.client() as client:
        yield client


def test_fast_draws_in_the_few_steps(fast: httpx.Client, few_steps_folder: Path) -> None:
    asked = {"prompt": "red apple", "seed": 3, "fast": True}
    found = fast.post("/v1/images/generations", json=asked).json()
    picture = Image.open(io.BytesIO(base64.b64decode(found["data"][0]["b64_json"])))
    wanted = draw(with_few_steps(TextToImage.load(few_steps_folder)), Request(prompt="red apple", seed=3))[0]
    assert torch.equal(pixels(picture), wanted)
    same = {**asked, "guidance": 1.0, "sampler": "lcm", "steps": 4}  # what it does anyway may be asked for
    assert fast.post("/v1/images/generations", json=same).json()["data"] == found["data"]


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"guidance": 5}, "guidance"),
        ({"sampler": "ddim"}, "sampler"),
        ({"negative_prompt": "blue"}, "negative_prompt"),
        ({"steps": 9}, "steps"),
    ],
)
def test_what_fast_has_built_in_cannot_be_asked_for(fast: httpx.Client, changes: dict[str, object], param: str) -> None:
    answer = fast.post("/v1/images/generations", json={"prompt": "red apple", "fast": True, **changes})
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] == param


def test_a_misspelt_field_is_named_with_the_right_one(http: httpx.Client) -> None:
    answer = http.post("/v1/images/generations", json={"prompt": "x", "guidence": 3}).json()["error"]
    assert answer["message"] == "there is no field 'guidence'; did you mean guidance?"
    assert (answer["param"], answer["code"]) == ("guidence", "unknown_field")


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 20_000, b'{"prompt": 1e999}'),
        b'{"prompt": "x", "prompt": {"a": 1}}',
    ],
)
def test_bodies_that_are_no_request(http: httpx.Client, body: bytes) -> None:
    answer = http.post("/v1/images/generations", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_errors_reach_the_client_as_its_own_exceptions(api: OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="unknown style"):
        api.images.generate(prompt="x", extra_body={"style": "cubist"})
    with pytest.raises(openai.NotFoundError):
        api.images.generate(prompt="x", model="dall-e-3")
    with pytest.raises(openai.BadRequestError, match="cannot be read as a picture"):
        api.images.edit(image=("x.png", b"not a picture", "image/png"), prompt="x")
    with pytest.raises(openai.NotFoundError):
        api.images.create_variation(image=png(Image.new("RGB", (8, 8))))


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        *(("GET", "/nothing", 404), ("GET", "/v1", 404), ("GET", "/v1/images/generations", 405)),
        *(("DELETE", "/v1/models", 405), ("POST", "/api/jobs", 400), ("GET", "/static/nothing.js", 404)),
        *(("POST", "/v1/images/edits", 415), ("PUT", "/api/pictures/" + "0" * 32, 405)),
        *(("GET", "/api/pictures/" + "0" * 32, 404), ("GET", "/api/jobs/zz", 400)),
    ],
)
def test_every_path_fails_in_the_same_way(http: httpx.Client, method: str, path: str, status: int) -> None:
    answer = http.request(method, path)
    assert answer.status_code == status, answer.text
    assert set(answer.json()["error"]) == {"message", "type", "param", "code"}


def test_an_error_inside_shows_no_trace(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live.state.store, "search", lambda wanted: 1 / 0)
    with live.client() as client:
        answer = client.get("/api/pictures")
    assert answer.status_code == 500
    assert answer.json()["error"]["type"] == "server_error"
    assert "ZeroDivision" not in answer.text
