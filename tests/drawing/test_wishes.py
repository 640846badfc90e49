"""What a program may say to the library call: other types, other kinds of pictures, several generators, lists."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

import fromnoise
from fromnoise.drawing.picture_file import read_origin
from fromnoise.drawing.request import Towards
from fromnoise.ground.errors import UserError


@pytest.fixture(scope="module")
def model(tiny_model_folder: Path) -> fromnoise.Pipeline:
    return fromnoise.load(tiny_model_folder)


def pixels(picture: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(picture)


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


GREY = Image.fromarray(np.arange(32 * 32, dtype=np.uint16).reshape(32, 32) * 64)  # 16 bits
PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 64, 3), dtype=np.uint8))


def half(mode: str = "L", white: Any = 255, size: tuple[int, int] = (64, 32)) -> Image.Image:
    mask = Image.new(mode, size, 0)
    ImageDraw.Draw(mask).rectangle((0, 0, size[0] // 2 - 1, size[1]), fill=white)
    return mask


# --- numbers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "wishes",
    [
        {"steps": 2.0},
        {"steps": "2"},
        {"steps": np.int64(2)},
        {"guidance": "3"},
        {"guidance": np.float32(3)},
        {"interval": [60, 850]},
        {"interval": (60.0, np.int64(850))},
        {"seed": 1.0},
        {"seed": np.int64(1)},
        {"width": "32", "height": 32.0},
        {"negative": None, "native": None, "free": None, "n": None, "image": None, "mask": None},
        {"steps": None, "num_inference_steps": 2},
    ],
    ids=str,
)
def test_what_means_the_same_draws_the_same(model: fromnoise.Pipeline, wishes: dict[str, Any]) -> None:
    plain = {"seed": 1, "steps": 2}
    if wishes.get("num_inference_steps"):
        del plain["steps"]
    ours, theirs = model("red apple", seed=1, steps=2)[0], model("red apple", **{**plain, **wishes})[0]
    assert np.array_equal(pixels(ours), pixels(theirs))
    assert ours.info == theirs.info  # the file says the same, too


@pytest.mark.parametrize(
    ("wishes", "field"),
    [
        ({"n": 0}, "count"),
        ({"num_images_per_prompt": 0}, "count"),
        ({"n": -1}, "count"),
        ({"n": 2.5}, "count"),
        ({"steps": 2.5}, "steps"),
        ({"steps": "two"}, "steps"),
        ({"steps": True}, "steps"),
        ({"guidance": "much"}, "guidance"),
        ({"guidance": [3.0]}, "guidance"),
        ({"interval": [60]}, "interval"),
        ({"interval": 60}, "interval"),
        ({"interval": ["a", "b"]}, "interval"),
        ({"width": "wide"}, "width"),
        ({"seed": 1.5}, "seed"),
        ({"negative": 3}, "negative"),
        ({"style": 3}, "style"),
        ({"towards": 3}, "towards"),
        ({"generator": []}, "generator"),
        ({"generator": 3}, "generator"),
        ({"generator": [3]}, "generator"),
        ({"image": "photo.png"}, "image"),
        ({"image": Path("photo.png")}, "image"),
        ({"image": np.zeros((8, 8, 3), np.uint8)}, "image"),
        ({"image": PHOTO, "mask": "mask.png"}, "mask"),
        ({"strength": 0.5}, "image"),
        ({"image": PHOTO, "strength": "half"}, "strength"),
    ],
    ids=lambda value: f"{value!s:.40}",
)
def test_what_means_nothing_is_one_line_about_its_field(
    model: fromnoise.Pipeline, wishes: dict[str, Any], field: str
) -> None:
    for ask in (model, model.stream, model.plan):
        with pytest.raises(UserError) as caught:
            ask("red apple", **wishes)
        assert caught.value.field == field
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prompt", [3, None, ["red apple", 3], b"red apple"])
def test_a_prompt_is_text(model: fromnoise.Pipeline, prompt: Any) -> None:
    with pytest.raises((UserError, TypeError)) as caught:
        model(prompt, steps=2)
    assert isinstance(caught.value, UserError)
    assert caught.value.field == "prompt"


# --- several pictures ------------------------------------------------------------------------------------------


def test_the_stream_draws_what_the_call_draws_of_several_generators(model: fromnoise.Pipeline) -> None:
    last = list(model.stream("red apple", steps=2, n=2, generator=generators(9, 4)))[-1]
    drawn = model("red apple", steps=2, n=2, generator=generators(9, 4))
    assert last.seeds == (9, 4)
    assert np.array_equal(last.pictures.permute(0, 2, 3, 1).numpy(), np.stack([pixels(x) for x in drawn]))


def test_stream_and_plan_take_one_prompt(model: fromnoise.Pipeline) -> None:
    for ask in (model.stream, model.plan):
        with pytest.raises(UserError, match="one prompt") as caught:
            ask(["red apple", "a blue house"], seed=1)  # type: ignore[arg-type]
        assert caught.value.field == "prompt"


def test_a_plan_has_the_seeds_of_the_call_or_is_refused(model: fromnoise.Pipeline) -> None:
    made = model.plan("red apple", n=2, generator=generators(8, 9))
    assert (made.seed, made.count) == (8, 2)
    with pytest.raises(UserError) as caught:
        model.plan("red apple", n=2, generator=generators(9, 4))
    assert caught.value.field == "generator"


def test_several_generators_write_no_way_that_nobody_went(model: fromnoise.Pipeline, tmp_path: Path) -> None:
    drawn = model("red apple", steps=2, n=2, generator=generators(9, 4))
    for i, picture in enumerate(drawn):
        model.save(picture, tmp_path / "a.png")
        origin = read_origin(tmp_path / "a.png")
        assert origin.request.towards is None
        assert (origin.request.seed, origin.index) == ((9, 4)[i], i)
    one = model("red apple", steps=2, seed=4)[0].info
    assert {**drawn[1].info, "fromnoise": ""} == {**one, "fromnoise": ""}


def test_a_way_to_another_picture_keeps_its_goal_with_several_generators(model: fromnoise.Pipeline) -> None:
    far = Towards(0.5, 3)
    drawn = model("red apple", steps=2, n=2, generator=generators(9, 1), towards=far)
    assert np.array_equal(pixels(drawn[0]), pixels(model("red apple", steps=2, seed=9, towards=far)[0]))
    assert np.array_equal(pixels(drawn[1]), pixels(model("red apple", steps=2, seed=1, towards=Towards(0.5, 4))[0]))


# --- pictures --------------------------------------------------------------------------------------------------


def drawn_from(model: fromnoise.Pipeline, image: Any, mask: Any = None) -> np.ndarray[Any, Any]:
    return pixels(model("red apple", image=image, mask=mask, strength=0.5, steps=4, seed=1)[0])


def test_sixteen_bits_are_grey_and_not_white(model: fromnoise.Pipeline, tmp_path: Path) -> None:
    eight = Image.fromarray((np.asarray(GREY) // 257).astype(np.uint8))
    assert np.array_equal(drawn_from(model, GREY), drawn_from(model, eight))
    GREY.save(tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as picture:  # as people hand it in, not yet unpacked
        assert np.array_equal(drawn_from(model, picture), drawn_from(model, eight))


def test_a_mask_of_sixteen_bits_protects_what_it_shows_black(model: fromnoise.Pipeline) -> None:
    deep = Image.fromarray(np.asarray(half()).astype(np.uint16) * 100)  # 25500 of 65535 is dark
    with pytest.raises(UserError, match="brightest grey is 99") as caught:
        drawn_from(model, PHOTO, deep)
    assert caught.value.field == "mask"
    full = Image.fromarray(np.asarray(half()).astype(np.uint16) * 257)
    assert np.array_equal(drawn_from(model, PHOTO, full), drawn_from(model, PHOTO, half()))


@pytest.mark.parametrize("mode", ["LA", "RGBA", "La", "P"])
def test_a_clear_mask_that_is_white_all_over_is_refused(model: fromnoise.Pipeline, mode: str) -> None:
    mask = Image.new("RGBA", (64, 32), (255, 255, 255, 0))
    if mode == "P":
        mask = Image.new("P", (64, 32), 0)
        mask.putpalette([255, 255, 255])
        mask.info["transparency"] = 0
    elif mode != "RGBA":
        mask = Image.new("LA", (64, 32), (255, 0)) if mode == "LA" else Image.new("La", (64, 32), (255, 0))  # type: ignore[arg-type]
    with pytest.raises(UserError, match="protects nothing") as caught:
        drawn_from(model, PHOTO, mask)
    assert caught.value.field == "mask"


def test_pictures_are_turned_as_their_camera_says(model: fromnoise.Pipeline, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90°
    for name, picture in (("photo.png", PHOTO), ("mask.png", half())):
        picture.save(tmp_path / name, exif=exif)
    with Image.open(tmp_path / "photo.png") as photo, Image.open(tmp_path / "mask.png") as mask:
        found = drawn_from(model, photo, mask)
    turned = [picture.transpose(Image.Transpose.ROTATE_270) for picture in (PHOTO, half())]
    assert found.shape[0] > found.shape[1]
    assert np.array_equal(found, drawn_from(model, *turned))


def test_files_may_be_named_as_in_the_command(model: fromnoise.Pipeline, tmp_path: Path) -> None:
    PHOTO.save(tmp_path / "photo.png")
    half().save(tmp_path / "mask.png")
    named = model("sun", image=tmp_path / "photo.png", mask=str(tmp_path / "mask.png"), seed=1, steps=2)[0]
    assert np.array_equal(pixels(named), pixels(model("sun", image=PHOTO, mask=half(), seed=1, steps=2)[0]))
    with pytest.raises(UserError, match="there is no file"):
        model("sun", image=tmp_path / "none.png")


def test_a_mask_that_no_latent_feels_is_refused_before_drawing(model: fromnoise.Pipeline) -> None:
    photo, mask = PHOTO.resize((32, 32)), Image.new("L", (32, 32), 0)
    ImageDraw.Draw(mask).rectangle((1, 1, 2, 2), fill=255)
    for ask in (model, model.stream, model.plan):
        with pytest.raises(UserError, match="smaller than the model can draw") as caught:
            ask("red apple", image=photo, mask=mask, steps=2)
        assert caught.value.field == "mask"


def test_a_picture_that_was_changed_is_not_saved_as_the_one_that_was_drawn(
    model: fromnoise.Pipeline, tmp_path: Path
) -> None:
    picture = model("red apple", seed=5, steps=2)[0]
    for changed in (picture.convert("RGBA"), picture.convert("L"), picture.resize((20, 10)), picture.resize((16, 64))):
        changed.info.update(picture.info)
        with pytest.raises(UserError, match="was changed"):
            model.save(changed, tmp_path / "a.png")
    with pytest.raises(UserError, match=r"should end in \.png"):
        model.save(picture, tmp_path / "a.jpg")
    with pytest.raises(UserError, match="no picture that says"):
        model.save("a.png", tmp_path / "b.png")  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())
    model.save(picture.copy(), tmp_path / "a.png")
