"""How a model learned: the film that it carries, whatever is wrong with its file, and lessons that are given now."""

from __future__ import annotations

import base64
import io
import json
import shlex
import shutil
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load, save
from torch import Tensor

from conftest import make_tiny_model
from fromnoise.diffusion.loss import diffusion_loss, v_target
from fromnoise.drawing.picture_file import to_image
from fromnoise.ground.errors import UserError
from fromnoise.inspection.learning import fall_of, learning_of, lessons
from fromnoise.inspection.learning_figure import learning_figure, verdict
from fromnoise.inspection.learning_live import errors_picture, film_news
from fromnoise.inspection.noise import Looked, encoded, noises
from fromnoise.system.copies_file import pictures_of
from fromnoise.system.defaults import MOST_LEARNING
from fromnoise.system.learning_file import Learning, Moment, learning_bytes, read_learning, webp
from fromnoise.system.text_to_image import TextToImage
from training.test_learning import a_run, noise

MOMENTS = (
    Moment(64, 0.1, 1.0, None, {"..-4": 0.99, "-2..0": 0.9}),
    Moment(640, 0.5, 0.6, 0.7, {"..-4": 0.9, "-2..0": 0.5}),
    Moment(6400, None, 0.4, 0.5, {}),
)
PROMPTS = ("red apple, noto style", "a <b> house")


def drawn() -> Tensor:
    """uint8 [3,2,3,24,32]."""
    generator = torch.Generator().manual_seed(4)
    return torch.randint(0, 256, (3, 2, 3, 24, 32), generator=generator, dtype=torch.uint8)


def a_film(model: TextToImage) -> Learning:
    files = tuple(webp(to_image(picture)) for picture in drawn().flatten(0, 1))
    return Learning(PROMPTS, MOMENTS, files, (24, 32), 32, pictures_of(model.styles, model.card))


@pytest.fixture(scope="module")
def model() -> TextToImage:
    """The tiny model with a film of three moments."""
    bare = make_tiny_model()
    return replace(bare, learning=learning_bytes(a_film(bare)))


# --- the file --------------------------------------------------------------------------------------------------------


def test_the_film_comes_back_as_it_was(model: TextToImage) -> None:
    film = learning_of(model)
    assert film.prompts == PROMPTS
    assert film.moments == MOMENTS
    assert torch.equal(film.pictures(), drawn())


@pytest.mark.formats
def test_save_and_convert_keep_the_file(model: TextToImage, run: Any, tmp_path: Path) -> None:
    model.save(tmp_path / "a")
    done = run("convert", "a", "b", "--dtype", "bf16")
    assert done.code == 0, done.err
    for name in ("a", "b"):
        assert (tmp_path / name / "learning.safetensors").read_bytes() == model.learning
        assert torch.equal(learning_of(TextToImage.load(tmp_path / name)).pictures(), drawn())
    assert TextToImage.load(tmp_path / "b").for_drawing("bf16").learning == model.learning


def changed(data: bytes, tensors: dict[str, Tensor] | None = None, about: dict[str, Any] | None = None) -> bytes:
    stored = {**load(data), **(tensors or {})}
    if about is not None:
        told = json.loads(zlib.decompress(stored["about"].numpy().tobytes())) | about
        stored["about"] = torch.frombuffer(bytearray(zlib.compress(json.dumps(told).encode())), dtype=torch.uint8)
    return save(stored, {"learning": "1"})


def with_moment(**other: Any) -> dict[str, Any]:
    moments = [{**vars(moment), "levels": dict(moment.levels)} for moment in MOMENTS]
    return {"moments": [*moments[:2], {**moments[2], **other}]}


def with_picture(data: bytes, picture: bytes) -> bytes:
    """The film with another file in place of its last picture."""
    stored = load(data)
    before = int(stored["ends"][-2])
    whole = torch.frombuffer(bytearray(stored["pictures"][:before].numpy().tobytes() + picture), dtype=torch.uint8)
    ends = torch.cat([stored["ends"][:-1], torch.tensor([len(whole)], dtype=torch.int32)])
    return changed(data, {"pictures": whole, "ends": ends})


def other_pictures() -> Iterator[bytes]:
    """Files that are no picture of the film's: none of them may be unpacked."""
    right = to_image(drawn()[0, 0])
    for kind, options in (("PNG", {}), ("JPEG", {}), ("WEBP", {"quality": 90}), ("GIF", {})):
        buffer = io.BytesIO()
        right.save(buffer, kind, **options)
        yield buffer.getvalue()
    buffer = io.BytesIO()
    right.save(buffer, "WEBP", lossless=True, save_all=True, append_images=[right.rotate(180)])
    yield buffer.getvalue()
    yield webp(right.resize((33, 24)))
    whole = webp(right)
    yield whole[: len(whole) // 2]
    yield whole[:24]
    huge = bytearray(whole)
    huge[21:25] = (0x3FFF | 0x3FFF << 14).to_bytes(4, "little")  # 16,384 pixels each way
    yield bytes(huge)


def damages(data: bytes) -> Iterator[bytes]:
    """A film damaged or changed in every part."""
    stored = load(data)
    yield b""
    yield data[:9]
    yield data[: len(data) // 2]
    yield b"\xff" * 64 + data[64:]
    yield save({k: v for k, v in stored.items() if k != "ends"}, {"learning": "1"})
    yield save({k: v for k, v in stored.items() if k != "about"}, {"learning": "1"})
    yield changed(data, {"ends": stored["ends"].long()})
    yield changed(data, {"ends": stored["ends"][:-1].contiguous()})
    yield changed(data, {"ends": stored["ends"].flip(0).contiguous()})
    yield changed(data, {"ends": stored["ends"] - 1})
    yield changed(data, {"ends": torch.zeros_like(stored["ends"])})
    yield changed(data, {"ends": stored["ends"][None].contiguous()})
    yield changed(data, {"pictures": stored["pictures"].to(torch.int16)})
    yield changed(data, {"pictures": stored["pictures"][:-1].contiguous()})
    yield changed(data, {"about": torch.zeros(5, dtype=torch.uint8)})
    bomb = zlib.compress(b" " * (80 * 2**20), 9)
    yield changed(data, {"about": torch.frombuffer(bytearray(bomb), dtype=torch.uint8)})
    deep = zlib.compress(b"[" * 200_000)
    yield changed(data, {"about": torch.frombuffer(bytearray(deep), dtype=torch.uint8)})
    texts: tuple[Any, ...] = ("ab", [], [1, 2], ["a", "b", "c"], ["a"] * 9, ["a", "b" * 5000], None)
    yield from (changed(data, about={"prompts": prompts}) for prompts in texts)
    sizes: tuple[Any, ...] = ([24], [32, 24], [0, 32], [24, 20_000], [24.5, 32], [True, 32], None)
    yield from (changed(data, about={"size": size}) for size in sizes)
    yield from (changed(data, about={"drawn_at": value}) for value in (0, -1, "32", None, 1e3))
    yield changed(data, about={"trained_on": 5})
    yield changed(data, about={"moments": []})
    yield changed(data, about={"moments": [{}] * 3})
    for pictures in (-1, 640, 1.5, "many", None, True, 10**400):
        yield changed(data, about=with_moment(pictures=pictures))
    for name in ("hours", "held_out", "loss"):
        for value in (-1, float("nan"), float("inf"), "1", True, 10**400):
            yield changed(data, about=with_moment(**{name: value}))
    levels: tuple[Any, ...] = ([], {"a": None}, {"a": float("nan")}, {"a" * 40: 1.0}, {str(i): 1.0 for i in range(40)})
    yield from (changed(data, about=with_moment(levels=value)) for value in levels)
    yield from (with_picture(data, picture) for picture in other_pictures())


def test_damaged_files_are_refused_in_one_line(model: TextToImage) -> None:
    data, whose = learning_bytes(a_film(model)), pictures_of(model.styles, model.card)
    assert read_learning(changed(data, about={}), whose).prompts == PROMPTS
    assert read_learning(with_picture(data, webp(to_image(drawn()[2, 1]))), whose).prompts == PROMPTS
    for number, damaged in enumerate(damages(data)):
        with pytest.raises(UserError, match=r"damaged \(.*\); make it again with: .* make-film RUN$") as told:
            read_learning(damaged, whose, "f")
        assert "\n" not in str(told.value), number


def test_flipped_bytes_are_refused_or_harmless(model: TextToImage) -> None:
    data, whose = learning_bytes(a_film(model)), pictures_of(model.styles, model.card)
    rng = np.random.default_rng(0)
    for _ in range(150):
        spoilt = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            spoilt[place] = rng.integers(0, 256)
        told = read_or_message(bytes(spoilt), whose)
        if isinstance(told, str):
            assert "\n" not in told
        else:
            assert told.pictures().shape[2:] == (3, 24, 32)


def read_or_message(data: bytes, whose: str) -> Learning | str:
    try:
        return read_learning(data, whose)
    except UserError as error:
        return error.message


def test_foreign_files_are_refused_in_one_line(model: TextToImage) -> None:
    data, whose = learning_bytes(a_film(model)), pictures_of(model.styles, model.card)
    with pytest.raises(UserError, match=r"^f is no film of a training; this version reads format 1: "):
        read_learning(save(load(data), {"map": "1"}), whose, "f")
    with pytest.raises(UserError, match=r"^f is in format 2; this version reads format 1: update fromnoise, or make "):
        read_learning(save(load(data), {"learning": "2"}), whose, "f")
    with pytest.raises(UserError, match="belongs to a model that was trained on other pictures"):
        learning_of(replace(model, card={"name": "tiny", "pictures": 31}))
    with pytest.raises(UserError, match=r"^tiny \(.*\) carries no film of its training\. .*make-film RUN$"):
        learning_of(make_tiny_model())


def test_a_huge_file_beside_a_model_is_not_read_whole(model: TextToImage, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    model.save(folder)
    with (folder / "learning.safetensors").open("r+b") as file:
        file.truncate(4 * 2**30)  # sparse
    opened = TextToImage.load(folder)  # it draws, whatever lies beside it
    assert opened.learning is not None
    assert len(opened.learning) == MOST_LEARNING + 1
    with pytest.raises(UserError, match="is larger than the 1,048,576 bytes that such a film may have"):
        learning_of(opened)


# --- what is said of it ----------------------------------------------------------------------------------------------


def test_the_fall_of_the_loss_is_as_reckoned_by_hand() -> None:
    fall = fall_of(MOMENTS)
    assert fall is not None
    assert (fall.held_out, fall.first, fall.last, fall.half) == (True, 1.0, 0.4, 640)
    lessons_only = fall_of([replace(moment, held_out=None) for moment in MOMENTS])
    assert lessons_only is not None
    assert (lessons_only.held_out, lessons_only.first, lessons_only.last, lessons_only.half) == (False, 0.7, 0.5, 6400)
    rising = fall_of(MOMENTS[::-1])
    assert rising is not None
    assert rising.half is None
    assert fall_of(MOMENTS[:1]) is None
    assert verdict(MOMENTS).endswith("fell from 1 to 0.4; half of that had happened after 640 of 6,400 pictures.")
    assert "did not become smaller: 0.4 at first, 1 at last" in verdict(MOMENTS[::-1])
    assert verdict([Moment(1), Moment(2)]) == ""


def test_the_figure_shows_every_picture_at_its_place(model: TextToImage) -> None:
    figure = learning_figure(learning_of(model), "tiny", "fromnoise inspect learning")
    shown = np.asarray(figure.picture)
    zoom = 3  # 96 pixels or a little more
    places = []
    for i in range(3):
        for j in range(2):
            enlarged = np.kron(drawn()[i, j].permute(1, 2, 0).numpy(), np.ones((zoom, zoom, 1), dtype=np.uint8))
            hits = np.argwhere((shown[:, :, 0] == enlarged[0, 0, 0]) & (shown[:, :, 1] == enlarged[0, 0, 1]))
            found = [
                (y, x)
                for y, x in hits.tolist()
                if np.array_equal(shown[y : y + 24 * zoom, x : x + 32 * zoom], enlarged)
            ]
            assert len(found) == 1, (i, j)
            places.append(found[0])
    ys, xs = [place[0] for place in places], [place[1] for place in places]
    assert ys[0] == ys[2] == ys[4] < ys[1] == ys[3] == ys[5]  # rows are prompts
    assert xs[0] == xs[1] < xs[2] == xs[3] < xs[4] == xs[5]  # columns are moments
    assert len(figure.frames) == 3
    assert len({frame.size for frame in figure.frames}) == 1
    rows = figure.tables[0].rows
    assert [list(row) for row in rows] == [
        ["64", "0.1", "1.000", "", "0.990", "0.900"],
        ["640", "0.5", "0.600", "0.700", "0.900", "0.500"],
        ["6,400", "", "0.400", "0.500", "", ""],
    ]


def test_the_page_gets_the_very_files(model: TextToImage) -> None:
    (news,) = film_news(model)
    film = learning_of(model)
    for i, moment in enumerate(news["film"]["moments"]):
        assert [base64.b64decode(each.partition(",")[2]) for each in moment["files"]] == [
            film.file(i, j) for j in (0, 1)
        ]
    assert news["film"]["fall"] == {"held_out": True, "first": 1.0, "last": 0.4, "half": 640}
    (none,) = film_news(make_tiny_model())
    assert (none["film"], none["why"]) == (None, "")
    (damaged,) = film_news(replace(model, learning=b"film"))
    assert damaged["film"] is None
    assert "damaged" in damaged["why"]


# --- lessons ---------------------------------------------------------------------------------------------------------


def test_a_lesson_is_a_training_step_without_the_change(tiny_model: TextToImage) -> None:
    """Loss and errors, reckoned with the parts that training uses, for the words and the noise of the lesson."""
    picture = torch.randint(0, 256, (3, 32, 32), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    looked = Looked(picture, "red apple", "noto", 5)
    before = {name: weight.clone() for name, weight in tiny_model.unet.state_dict().items()}
    given = list(lessons(tiny_model, looked, (20, 50, 80)))
    assert [(lesson.percent, lesson.level.t) for lesson in given] == [(20, 199), (50, 499), (80, 799)]
    assert all(torch.equal(weight, before[name]) for name, weight in tiny_model.unet.state_dict().items())
    clean, schedule = encoded(tiny_model, picture), tiny_model.schedule
    noise = noises(looked, clean.shape[1:], 1)[0]
    cond = tiny_model.text_tower(tiny_model.tokenizer.encode(["red apple, noto style"])).tokens
    for lesson in given:
        t = torch.tensor([lesson.level.t])
        alpha, sigma = schedule.alpha(t), schedule.sigma(t)
        with torch.no_grad():
            out = tiny_model.unet(schedule.add_noise(clean, noise, t), t, cond)
        target = v_target(clean, noise, alpha, sigma)
        assert lesson.loss == pytest.approx(float(diffusion_loss(out, target)), rel=1e-4)
        assert float(lesson.errors.mean()) == pytest.approx(lesson.loss * float(sigma) ** 2, rel=1e-3)
        assert lesson.errors.shape == clean.shape[2:]


def test_errors_are_dark_where_there_are_none() -> None:
    shown = errors_picture(torch.tensor([[0.0, 1.0], [0.25, 9.0]]), side=4)
    assert shown.shape == (3, 4, 4)
    dark, bright = [26, 23, 36], [255, 219, 64]
    assert shown[:, 0, 0].tolist() == dark
    assert shown[:, 1, 3].tolist() == shown[:, 3, 3].tolist() == bright
    assert all(a < b < c for a, b, c in zip(dark, shown[:, 2, 0].tolist(), bright, strict=True))


# --- the commands ----------------------------------------------------------------------------------------------------


def test_the_commands_make_and_show_a_film(run: Any, model: TextToImage, tmp_path: Path) -> None:
    bare = tmp_path / "run"
    a_run(bare, {64: noise(0, 4), 640: noise(1, 4)}, PROMPTS)
    live = run("inspect", "learning", "--model", bare, "--out", "live.json")
    assert live.code == 0, live.err
    assert not (bare / "model").exists()
    make_tiny_model().save(bare / "model")
    missing = run("inspect", "learning", "--model", bare / "model")
    assert missing.code
    assert missing.err.count("\n") == 1
    assert "carries no film of its training" in missing.err
    done = run("inspect", "make-film", bare)
    assert done.code == 0, done.err
    assert done.out.startswith("2 prompts at 2 moments, 64 to 640 pictures seen, 0.0")
    moved = tmp_path / "elsewhere"
    shutil.move(bare / "model", moved)
    for name in ("l.png", "l.gif", "l.webp", "l.html", "l.json"):
        done = run("inspect", "learning", "--model", moved, "--out", name)
        assert done.code == 0, done.err
    facts = json.loads((tmp_path / "l.json").read_text(encoding="utf-8"))
    assert facts["prompts"] == list(PROMPTS)
    assert [moment["pictures"] for moment in facts["moments"]] == [64, 640]
    assert {**facts, "command": "", "title": ""} == {
        **json.loads((tmp_path / "live.json").read_text(encoding="utf-8")),
        "command": "",
        "title": "",
    }
    again = run(*shlex.split(facts["command"])[1:])
    assert again.code == 0, again.err
    with Image.open(tmp_path / "l.gif") as film:
        assert film.n_frames == 2
    assert "<b>" not in (tmp_path / "l.html").read_text(encoding="utf-8")


def test_the_commands_refuse_in_one_line(run: Any, tmp_path: Path) -> None:
    for asked, said in (
        (("make-film", tmp_path), "is no run's folder"),
        (("make-film", tmp_path / "none"), "is no run's folder"),
        (("learning", "--model", tmp_path / "none"), "none"),
        (("learning", "--out", "film.mp4"), "should be a file that ends in .png, .gif, .webp, .html or .json"),
    ):
        done = run("inspect", *asked)
        assert done.code, asked
        assert said in done.err
        assert done.err.count("\n") == 1
