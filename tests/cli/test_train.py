"""``fromnoise train`` as people call it."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

import fromnoise
from fromnoise.cli.train import load_recipe
from fromnoise.ground.errors import UserError
from fromnoise.system.defaults import COPIES, MAP
from fromnoise.training.health.process import NOTE
from fromnoise.training.loop import Paused
from fromnoise.training.recipe import Recipe
from fromnoise.training.situation import Situation, Suited

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


def begun(out: Path, recipe: str) -> None:
    """A run as it is after its first moment."""
    found = load_recipe(recipe, lambda: Situation(12, 64))
    out.mkdir()
    asked = found.recipe if isinstance(found, Suited) else found
    (out / "run.json").write_text(json.dumps({"recipe": asked.to_dict(), "data": "starter"}))


@pytest.fixture
def indexed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[Path, str]]:
    """A training that is done at once, and what is indexed after it."""
    begun(tmp_path / "x", "first_model")
    (tmp_path / "x" / "model").mkdir()
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
    for minutes, said in ((2, "2 min"), (0.2, "12 s"), (90.5, "1 h 30 min 30 s")):
        done = run(*COMMAND, "--minutes", minutes)
        assert (done.code, done.out) == (0, f"paused after {said}: half; the same command goes on\n")
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
    begun(tmp_path / "x", "first_model")
    (tmp_path / "x" / "model").mkdir()
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


SUITED = ("lora", "finetune", "scratch")


@pytest.mark.parametrize(("before", "now"), itertools.permutations(SUITED, 2))
def test_another_recipe_does_not_go_on_with_a_run(
    before: str, now: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fromnoise.training.run.train", lambda *_: pytest.fail("it trains"))
    begun(tmp_path / "x", before)
    done = run("train", now, "--data", "starter", "--out", "x")
    said = f"fromnoise: x was begun by 'train {before}'; go on with that, or use a new --out\n"
    assert (done.code, done.out, done.err) == (2, "", said)


def test_a_recipe_of_another_kind_is_called_by_its_name(run: Any, tmp_path: Path) -> None:
    begun(tmp_path / "x", "first_model")
    done = run("train", "lora", "--data", "starter", "--out", "x")
    assert (done.code, done.out) == (2, "")
    assert "x was begun by another recipe (first-model); go on with that, or use a new --out" in done.err


@pytest.mark.parametrize("recipe", SUITED)
def test_what_was_trained_is_told_of_what_the_run_holds(
    recipe: str, run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same recipe goes on as it is stored, and where there is no model nobody is told to draw with it."""
    asked: list[Any] = []
    monkeypatch.setattr("fromnoise.training.run.train", lambda *args: asked.append(args) or Path("x/model"))
    monkeypatch.setattr("fromnoise.cli.plan.tell_lora", lambda out: print(f"{out}/lora.safetensors"))
    begun(tmp_path / "x", recipe)
    told = json.loads((tmp_path / "x" / "run.json").read_text())
    stored = replace(Recipe.from_dict(told["recipe"]), seed=7)
    (tmp_path / "x" / "run.json").write_text(json.dumps({**told, "recipe": stored.to_dict()}))
    for named in ((recipe,), (SUITED[SUITED.index(recipe) - 1], "--as-before")):
        done = run("train", *named, "--data", "starter", "--out", "x")
        assert (done.code, done.err) == (0, "")
        what = {"lora": "", "finetune": "diffusion", "scratch": "clip, vae, diffusion"}[recipe]
        trained = f"x: trained {what}; the model appears with 'diffusion'\n"
        assert done.out == (trained if what else "x/lora.safetensors\n")
        recipe_then, *_, call = asked.pop()
        assert (recipe_then, call.as_before) == (stored, True)


@pytest.mark.parametrize(
    ("out", "said"),
    [
        ("notes.txt", "notes.txt is a file, and a training needs a folder; use a new --out"),
        ("notes.txt/mine", "notes.txt is a file, and a training needs a folder; use a new --out"),
        ("letters", "letters holds something that is not a training run; use a new --out"),
        ("theirs/mine", "cannot write to theirs/mine; take an --out that you may write to"),
        ("busy", "another training is writing to busy; stop it first, or use a new --out"),
    ],
)
@pytest.mark.parametrize("command", [("train", "lora"), ("train", "first_model"), ("distill", "stickers-64")])
def test_a_wrong_out_is_told_before_anything_is_read_or_measured(
    out: str, said: str, command: tuple[str, ...], run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("training.situation.situation_of", "cli.plan.tell_plan", "system.text_to_image.TextToImage.load"):
        monkeypatch.setattr(f"fromnoise.{name}", lambda *_, **__: pytest.fail("it begins"))
    (tmp_path / "notes.txt").write_text("dear diary")
    for name in ("letters", "theirs", "busy"):
        (tmp_path / name).mkdir()
    (tmp_path / "letters" / "to_mum.txt").touch()
    other = psutil.Process(os.getppid())
    (tmp_path / "busy" / NOTE).write_text(json.dumps({"process": other.pid, "begun": other.create_time()}))
    access = os.access
    monkeypatch.setattr("os.access", lambda place, mode: Path(place).name != "theirs" and access(place, mode))
    done = run(*command, "--data", "starter", "--out", out)
    assert (done.code, done.out, done.err) == (2, "", f"fromnoise: {said}\n")
    assert not list(tmp_path.rglob("mine"))


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
