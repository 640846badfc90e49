"""What a view hands out: its files say what was measured and how to make it again, and no text is taken for markup."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from PIL import Image

from fromnoise.ground.errors import UserError
from fromnoise.inspection.figure import Figure, Table, check_out, save_figure
from fromnoise.inspection.subject import Subject
from fromnoise.provenance.marks import source_types_in

PROMPT = "a 'red' <b>fox</b> & $HOME"


def figure(moves: bool = False) -> Figure:
    frames = [Image.new("RGB", (6, 4), colour) for colour in ("red", "blue", "lime")] if moves else []
    table = Table(["word", "share"], [["<i>fox</i>", "0.5"]], "how much")
    command = Subject(PROMPT, seed=7).command("words", {"mute": ["red"]}, "x.png")
    return Figure(PROMPT, "Two & two.", Image.new("RGB", (6, 4), "red"), {"share": 0.5}, command, frames, [table])


def test_a_command_is_read_back_as_it_was_meant() -> None:
    subject = Subject(PROMPT, style="noto", seed=7, guidance=3.0, model="runs/my model")
    line = subject.command("words", {"mute": ["red", "a b"], "by_block": True, "off": False, "none": None}, "out.png")
    assert shlex.split(line) == [
        *("fromnoise", "inspect", "words", PROMPT, "--style", "noto", "--seed", "7", "--guidance", "3"),
        *("--model", "runs/my model", "--mute", "red", "--mute", "a b", "--by-block", "--out", "out.png"),
    ]


def test_all_files_carry_the_command(tmp_path: Path) -> None:
    shown = figure(moves=True)
    for suffix in shown.suffixes:
        save_figure(shown, tmp_path / f"x{suffix}")
    with Image.open(tmp_path / "x.png") as picture:
        assert picture.text["command"] == shown.command  # type: ignore[attr-defined]
    stored = json.loads((tmp_path / "x.json").read_text())
    assert (stored["command"], stored["share"], stored["title"]) == (shown.command, 0.5, PROMPT)
    with Image.open(tmp_path / "x.gif") as film:
        assert film.n_frames == 3  # type: ignore[attr-defined]


@pytest.mark.parametrize("suffix", [".png", ".webp", ".gif"])
def test_figures_and_their_films_say_that_pictures_of_a_model_may_be_on_them(tmp_path: Path, suffix: str) -> None:
    save_figure(figure(moves=True), tmp_path / f"x{suffix}")
    said = (tmp_path / f"x{suffix}").read_bytes().decode("latin-1")
    assert source_types_in(said) == ("compositeWithTrainedAlgorithmicMedia",)


def test_a_page_shows_texts_as_texts_and_asks_nothing_of_the_network(tmp_path: Path) -> None:
    save_figure(figure(moves=True), tmp_path / "x.html")
    page = (tmp_path / "x.html").read_text()
    assert "<b>fox" not in page
    assert "<i>fox" not in page
    assert "&lt;b&gt;fox" in page
    assert "http" not in page.replace("http-equiv", "")
    assert page.count("data:image/webp") == 1


def test_other_endings_are_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'x.gif' should be a file that ends in .png, .html or .json"):
        check_out(Path("x.gif"), moves=False)
    check_out(Path("x.gif"), moves=True)
    with pytest.raises(UserError, match="should be a file"):
        save_figure(figure(), tmp_path / "x.jpg")
