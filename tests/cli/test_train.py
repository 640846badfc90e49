"""``fromnoise train`` as people call it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

import fromnoise
from fromnoise.ground.errors import UserError
from fromnoise.system.defaults import COPIES, MAP
from fromnoise.training.loop import Paused

COMMAND = ("train", "first_model", "--data", "starter", "--out", "x")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("diffusion.loop.bach=3", "did you mean batch"),
        ("diffusion.loop.batch=many", "must be a whole number"),
        ("diffusion.loop.batch", "name=value"),
        ("seed.x=1", "no settings inside"),
        ("clip.loop=3", "group of settings"),
        ("data.pixels=0", "data.pixels must be"),
        ("data.pixels=60", "multiple of 16"),
        ("clip.image.pixels=32", "set it to 64"),
        ("diffusion.model.sample_size=16", "set it to 8"),
        ("clip.text.width=64", "cross_attention_dim = 128 does not fit clip.text.width; set it to 64"),
        ("threads=-4", "threads must be"),
        ("precision=fp99", "auto, bf16 or fp32"),
        ("diffusion.noise_levels=foo", "noise_levels must be one of"),
        ("diffusion.mirror=nan", "mirror must be 0…1"),
        ("diffusion.time_mix.uniform=0.9", "sum to 1"),
        ("data.styles=nota", "no usable training pictures"),
    ],
)
def test_a_wrong_setting_is_one_clear_line(setting: str, message: str, run: Any, tmp_path: Path) -> None:
    done = run(*COMMAND, "--set", setting)
    assert done.code == 2
    assert done.err.strip().count("\n") == 0
    assert message in done.err
    assert not (tmp_path / "x").exists()


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Path, str]]:
    """A training that is done at once, and what is indexed after it."""
    (tmp_path / "x" / "model").mkdir(parents=True)
    found: list[tuple[Path, str]] = []

    def build(model: Path, data: str) -> None:
        found.append((model, data))
        (model / COPIES).write_bytes(b"")

    monkeypatch.setattr("fromnoise.training.run.train", lambda *_: Path("x/model"))
    monkeypatch.setattr("fromnoise.evaluation.copies.check.build_index", build)
    monkeypatch.setattr("fromnoise.cli.views.map.keep_map", lambda model, data: (model / MAP).write_bytes(b""))
    return found


def test_a_finished_model_keeps_what_finds_copies(run: Any, indexed: list[tuple[Path, str]]) -> None:
    done = run(*COMMAND)
    assert (done.code, indexed) == (0, [(Path("x/model"), "starter")])
    assert "fromnoise inspect copies PICTURE --model x/model" in done.out
    assert 'fromnoise inspect map "a cat" --model x/model' in done.out
    assert (indexed[0][0] / MAP).exists()
    assert run(*COMMAND).out.strip() == "x/model"
    assert len(indexed) == 1  # it is there


@pytest.mark.parametrize("option", [("--no-index",), ("--tasks", "clip,vae")])
def test_no_index_is_made_where_none_is_wanted(run: Any, indexed: list[tuple[Path, str]], option: tuple[str]) -> None:
    assert run(*COMMAND, *option).code == 0
    assert indexed == []


def test_a_paused_training_has_no_index_yet(
    run: Any, indexed: list[tuple[Path, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def paused(*_: Any) -> Path:
        raise Paused("half")

    monkeypatch.setattr("fromnoise.training.run.train", paused)
    assert run(*COMMAND, "--minutes", 2).code == 0
    assert indexed == []


@pytest.mark.usefixtures("indexed")
@pytest.mark.parametrize("trouble", [UserError("the judge is not installed"), KeyboardInterrupt()])
def test_without_an_index_the_model_is_finished_all_the_same(
    run: Any, monkeypatch: pytest.MonkeyPatch, trouble: BaseException
) -> None:
    def failing(*_: Any) -> None:
        raise trouble

    monkeypatch.setattr("fromnoise.evaluation.copies.check.build_index", failing)
    monkeypatch.setattr("fromnoise.cli.views.map.keep_map", failing)
    done = run(*COMMAND)
    assert (done.code, done.out.strip()) == (0, "x/model")
    assert (str(trouble) or "stopped") in done.err
    assert "fromnoise inspect make-map x/model --data starter" in done.err
    assert "fromnoise inspect index x/model --data starter" in done.err


def test_a_training_without_the_packages_for_evaluation_ends_well(
    run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``pip install fromnoise[train]`` brings no scipy."""
    (tmp_path / "x" / "model").mkdir(parents=True)
    monkeypatch.setattr("fromnoise.training.run.train", lambda *_: Path("x/model"))
    # Importing it anew hangs another module into the package; later tests must find the first one again.
    monkeypatch.setattr(fromnoise, "evaluation", importlib.import_module("fromnoise.evaluation"))
    for name in [n for n in sys.modules if n.startswith("fromnoise.evaluation") or n.split(".")[0] == "scipy"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "scipy", None)  # importing it fails
    find = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *a: None if name == "scipy" else find(name, *a))
    done = run(*COMMAND)
    assert (done.code, done.out.strip()) == (0, "x/model")
    assert "note: copies cannot be found yet: " in done.err
    assert "pip install 'fromnoise[evaluate]'" in done.err
    assert "fromnoise inspect index x/model --data starter" in done.err


RECIPES = {
    "from fromnoise.training.recipe import Magic": "line 1: ImportError: cannot import name 'Magic'",
    "import nothing_of_that_name": "line 1: ModuleNotFoundError: No module named 'nothing_of_that_name'",
    "\ndef recipe(:": "line 2: SyntaxError: invalid syntax",
    "a = \x00": "SyntaxError",
    "\n\nraise ValueError('two\\nlines')": "line 3: ValueError: two lines",
    "from fromnoise.training.recipe import Recipe\ndef recipe():\n    return Recipe(magic=1)": "line 3: TypeError: ",
    "def recipe(what, more): pass": "TypeError: recipe() missing 1 required positional argument: 'more'",
    "def recipe(): pass": "must return a Recipe or a StoryRecipe; it returns NoneType",
    "def recipe(): return {}": "must return a Recipe or a StoryRecipe; it returns dict",
    "from fromnoise.training.recipe import Recipe\ndef recipe(): return Recipe": "it returns type",
    "from fromnoise.training.recipe import Recipe\ndef recipe(): return Recipe('x', threads=-1)": "threads must be",
    "recipe = 3": "has no function recipe()",
}


@pytest.mark.parametrize("text", RECIPES)
def test_a_recipe_of_ones_own_that_is_wrong_is_one_clear_line(text: str, run: Any, tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(text)
    done = run("train", "mine.py", "--data", "starter", "--out", "x")
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("fromnoise: ")
    assert done.err.strip().count("\n") == 0
    assert RECIPES[text] in done.err
    assert "mine.py" in done.err or "threads" in done.err
    assert not (tmp_path / "x").exists()
