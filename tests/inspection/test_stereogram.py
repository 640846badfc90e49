"""The hidden picture's view, and ``generate --as stereogram``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fromnoise.drawing.generate import draw
from fromnoise.drawing.picture_file import KEY, as_tensor, read_origin, save_png
from fromnoise.drawing.stereogram import FAR, NO_SHAPE, TOP, stereogram
from fromnoise.ground.errors import UserError
from fromnoise.inspection.stereogram import Hidden, fade, hidden, hide
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage


def disc() -> torch.Tensor:
    y, x = np.mgrid[:64, :64]
    picture = np.full((3, 64, 64), 255, np.uint8)
    picture[:, np.hypot(y - 31.5, x - 31.5) < 20] = np.array([[200], [30], [40]], np.uint8)
    return torch.from_numpy(picture)


def test_the_shape_fades_in_and_the_ground_stays_static() -> None:
    found = hide(disc(), 3)
    frames = [np.asarray(frame).astype(int) for frame in fade(found)]
    page, inside = found.page.permute(1, 2, 0).numpy(), found.depth > 0
    assert (frames[0] == page).all()
    assert all((frame[~inside] == page[~inside]).all() for frame in frames)
    middle = (TOP + 256, FAR + 256)
    grey, last = frames[8][middle], frames[-1][middle]
    assert grey.tolist() == [round(float(found.depth[middle]) * 255)] * 3
    assert last.tolist() == [200, 30, 40]
    spread = [float(frame[inside].std()) for frame in frames[:9]]
    assert spread == sorted(spread, reverse=True)  # the static goes, step by step


def test_what_is_hidden_is_what_the_same_words_and_seed_draw(tiny_model: TextToImage) -> None:
    subject = Subject("red apple", style="noto", seed=5, steps=2)
    *steps, last = hidden(tiny_model, subject)
    assert len(steps) == 2
    assert isinstance(last, Hidden)
    assert torch.equal(last.picture, draw(tiny_model, subject.request)[0])
    assert torch.equal(last.page, stereogram(last.picture, 5))


def said(model: Path, *more: object) -> tuple[object, ...]:
    return ("generate", "red apple", "--model", model, "--steps", 2, "--seed", 4, *more)


def test_generate_as_stereogram_hides_the_picture_it_would_have_drawn_and_does_so_again(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    assert run(*said(tiny_model_folder, "-n", 2, "--out", "plain.png")).code == 0
    done = run(*said(tiny_model_folder, "-n", 2, "--as", "stereogram", "--out", "page.png"))
    assert (done.code, done.out) == (0, "page-0.png\npage-1.png\n")
    assert done.err.count(NO_SHAPE) == 2  # the tiny model's noise has no white background
    for i in range(2):
        page = as_tensor(tmp_path / f"page-{i}.png")
        assert torch.equal(page, stereogram(as_tensor(tmp_path / f"plain-{i}.png"), 4 + i))
        assert read_origin(tmp_path / f"page-{i}.png").shown_as == "stereogram"
        assert read_origin(tmp_path / f"plain-{i}.png").shown_as == "picture"
    again = run("generate", "--again", "page-1.png", "--model", tiny_model_folder, "--out", "again.png")
    assert again.code == 0
    assert "differ" not in again.err
    assert torch.equal(as_tensor(tmp_path / "again.png"), as_tensor(tmp_path / "page-1.png"))
    assert read_origin(tmp_path / "again.png").shown_as == "stereogram"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (("--as", "poster"), "--as is picture or stereogram, not 'poster'"),
        (("--as", "stereogram", "--film", "a.gif"), "fromnoise inspect stereogram writes one"),
        (("--as", "stereogram", "--transparent"), "leave out --transparent"),
    ],
)
def test_what_cannot_be_shown_so_is_refused(run: Any, tiny_model_folder: Path, options: Any, why: str) -> None:
    done = run(*said(tiny_model_folder, *options, "--out", "a.png"))
    assert done.code == 2
    assert why in done.err
    assert done.err.count("\n") == 1
    assert not Path("a.png").exists()


def test_prompts_and_again_do_not_take_it(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("red apple\n")
    done = run("generate", "--prompts", "list.txt", "--as", "stereogram", "--out", "f", "--model", tiny_model_folder)
    assert (done.code, "--prompts draws pictures" in done.err) == (2, True)
    (tmp_path / "f").mkdir()
    assert run(*said(tiny_model_folder, "--as", "stereogram", "--out", "f/0000.png")).code == 0
    more = ("--model", tiny_model_folder, "--steps", 2, "--seed", 4)
    done = run("generate", "--prompts", "list.txt", "--out", "f", *more)  # a page is not the picture that is wanted
    assert (done.code, "is something else" in done.err) == (2, True)
    assert run(*said(tiny_model_folder, "--out", "a.png")).code == 0
    done = run("generate", "--again", "a.png", "--as", "stereogram", "--model", tiny_model_folder)
    assert (done.code, "give only --out and --model" in done.err) == (2, True)


def test_explain_says_so(run: Any, tiny_model_folder: Path) -> None:
    assert "stereogram" in run(*said(tiny_model_folder, "--as", "stereogram", "--explain")).out
    assert "stereogram" not in run(*said(tiny_model_folder, "--explain")).out


def test_a_file_that_says_something_else_is_damaged(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    assert run(*said(tiny_model_folder, "--out", "a.png")).code == 0
    origin = read_origin(tmp_path / "a.png")
    object.__setattr__(origin, "shown_as", "poster")
    save_png(as_tensor(tmp_path / "a.png"), tmp_path / "b.png", origin)
    with pytest.raises(UserError, match="damaged: it is shown as 'poster'"):
        read_origin(tmp_path / "b.png")
    with Image.open(tmp_path / "b.png") as picture:
        assert json.loads(picture.text[KEY])["shown_as"] == "poster"  # type: ignore[attr-defined]


def test_a_stereogram_is_not_judged_as_if_it_were_the_picture(run: Any, tiny_model_folder: Path) -> None:
    assert run(*said(tiny_model_folder, "--as", "stereogram", "--out", "page.png")).code == 0
    done = run("inspect", "copies", "page.png", "--model", tiny_model_folder)
    assert (done.code, "page.png hides what was drawn" in done.err) == (2, True)


def test_the_command_writes_the_page_and_the_film(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    more = ("--model", tiny_model_folder, "--steps", 2, "--seed", 4)
    assert run(*said(tiny_model_folder, "--as", "stereogram", "--out", "same.png")).code == 0
    for out in ("page.png", "page.webp"):
        done = run("inspect", "stereogram", "red apple", *more, "--out", out)
        assert (done.code, done.out.splitlines()[-1]) == (0, out), done.err
    assert torch.equal(as_tensor(tmp_path / "page.png"), as_tensor(tmp_path / "same.png"))
    with Image.open(tmp_path / "page.webp") as film:
        assert (film.n_frames, film.size) == (17, (704, 592))  # type: ignore[attr-defined]
    wrong = run("inspect", "stereogram", "red apple", *more, "--style", "crayon")
    assert (wrong.code, wrong.err.count("\n")) == (2, 1)
