"""A model's own choice of a style on the command line: how it gets one, what is said, and what stays as it was."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fromnoise.drawing.picture_file import as_tensor, read_origin
from fromnoise.system.text_to_image import TextToImage

FEW = ("--steps", 2, "--seed", 3)
ADDED = "no style is named: drawn in noto, the model's own choice; the style any is none"


@pytest.fixture
def choosy(run: Any, tiny_model_folder: Path, tmp_path: Path) -> Path:
    done = run("convert", tiny_model_folder, "choosy", "--default-style", "noto", "--dtype", "fp32")
    assert done.code == 0, done.err
    return tmp_path / "choosy"


def test_convert_writes_it_and_takes_it_away(run: Any, choosy: Path, tmp_path: Path) -> None:
    assert TextToImage.load(choosy).default_style == "noto"
    assert "where none is named  noto" in run("info", choosy).out
    assert run("convert", choosy, "kept").code == 0
    assert TextToImage.load(tmp_path / "kept").default_style == "noto"
    assert run("convert", choosy, "without", "--default-style", "").code == 0
    assert TextToImage.load(tmp_path / "without").default_style == ""
    assert "where none is named" not in run("info", "without").out
    wrong = run("convert", choosy, "wrong", "--default-style", "linocut")
    assert (wrong.code, (tmp_path / "wrong").exists()) == (2, False)
    assert "the default style 'linocut' is none of the model's styles: " in wrong.err
    file = run("convert", choosy, "one.safetensors", "--default-style", "noto")
    assert (file.code, "a single file cannot say its default style" in file.err) == (2, True)


def test_generate_draws_in_it_says_so_and_can_do_without(
    run: Any, choosy: Path, tiny_model_folder: Path, tmp_path: Path
) -> None:
    def drawn(name: str, model: Path, *options: str) -> str:
        done = run("generate", "red apple", "--model", model, *FEW, "--out", name, *options)
        assert done.code == 0, done.err
        return str(done.err)

    assert ADDED in drawn("none.png", choosy)
    for name, model, options in (
        ("noto.png", choosy, ("--style", "noto")), ("any.png", choosy, ("--style", "any")),
        ("plain.png", tiny_model_folder, ()), ("plain-any.png", tiny_model_folder, ("--style", "any")),
    ):  # fmt: skip
        assert "style" not in drawn(name, model, *options)
    pictures = {name: as_tensor(tmp_path / f"{name}.png") for name in ("none", "noto", "any", "plain", "plain-any")}
    assert pictures["none"].equal(pictures["noto"])
    assert pictures["any"].equal(pictures["plain"])
    assert pictures["plain-any"].equal(pictures["plain"])
    assert not pictures["none"].equal(pictures["any"])
    styles = [read_origin(tmp_path / f"{name}.png").request.style for name in pictures]
    assert styles == ["noto", "noto", "any", None, None]


@pytest.mark.parametrize("drawn_by", ["before", "now", "any"])
def test_again_draws_what_is_there(
    run: Any, choosy: Path, tiny_model_folder: Path, tmp_path: Path, drawn_by: str
) -> None:
    """Also a picture from before the same weights had a style of their own choice."""
    model, options = {"before": (tiny_model_folder, ()), "now": (choosy, ()), "any": (choosy, ("--style", "any"))}[
        drawn_by
    ]
    assert run("generate", "red apple", "--model", model, *FEW, "--out", "a.png", *options).code == 0
    again = run("generate", "--again", "a.png", "--model", choosy, "--out", "b.png")
    assert again.code == 0, again.err
    assert "differ" not in again.err
    assert as_tensor(tmp_path / "b.png").equal(as_tensor(tmp_path / "a.png"))


def test_a_list_of_prompts_knows_what_is_drawn(run: Any, choosy: Path, tiny_model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("red apple\nblue house, noto style")
    wish = ("generate", "--prompts", "list.txt", *FEW, "--model")
    assert run(*wish, tiny_model_folder, "--out", "before").code == 0
    for options in ((), ("--style", "any"), ("--style", "noto")):
        out = f"out{len(options)}{options[-1:]}"
        assert run(*wish, choosy, "--out", out, *options).code == 0
        assert "2 of 2 are there already" in run(*wish, choosy, "--out", out, *options).err
    assert "2 of 2 are there already" in run(*wish, choosy, "--out", "before", "--style", "any").err
    assert run(*wish, choosy, "--out", "before").code == 2  # drawn without a style, which is not asked for now
