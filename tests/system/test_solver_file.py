"""A fitted solver beside a model: fitted, written, drawn with, redrawn; damaged or of another model it is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import make_tiny_model
from fromnoise.data.texts import captions_in
from fromnoise.drawing.fitting import fit_solvers, fit_to
from fromnoise.drawing.generate import draw
from fromnoise.drawing.picture_file import read_origin
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.system.few_steps import few_steps_of, save_few_steps, save_solvers, with_few_steps
from fromnoise.system.solver_file import Solver
from fromnoise.system.text_to_image import TextToImage

PROMPTS = [
    f"a {colour} {thing}" for colour in ("red", "blue", "green", "yellow") for thing in ("apple", "house", "tree")
]
FOUR = Solver((999, 700, 400, 100), ((0.5, 0.5), (0.4, 0.5, 0.1), (0.3, 0.6, 0.1), (0.0, 1.0)))


@pytest.fixture(scope="module")
def folder(tiny_model_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model with a solver that nothing was fitted for."""
    made = tmp_path_factory.mktemp("fitted") / "tiny"
    shutil.copytree(tiny_model_folder, made)
    save_solvers(made, TextToImage.load(made), {4: FOUR})
    return made


def test_a_request_takes_the_solver_and_keeps_guidance(folder: Path) -> None:
    fast = with_few_steps(TextToImage.load(folder))
    found = plan(fast, Request(prompt="red apple"))
    assert (found.steps, found.levels.sampler, found.guidance) == (4, "fitted", 3.0)
    assert found.levels.walk.times == FOUR.times
    assert found.levels.options == {"moves": FOUR.moves}
    with pytest.raises(UserError, match=r"fast draws in 4 steps \(4 by default\), not 5"):
        plan(fast, Request(prompt="red apple", steps=5))
    with pytest.raises(UserError, match="comes with fast: leave the sampler out"):
        plan(TextToImage.load(folder), Request(prompt="red apple", sampler="fitted"))


def test_in_how_many_steps_it_is_fast(folder: Path, few_steps_folder: Path, tmp_path: Path) -> None:
    assert few_steps_of(TextToImage.load(folder)) == 4
    assert few_steps_of(TextToImage.load(few_steps_folder)) == 4
    shutil.copytree(folder, tmp_path / "m")
    model = TextToImage.load(tmp_path / "m")
    save_solvers(tmp_path / "m", model, {n: Solver(FOUR.times[:n], FOUR.moves[:n]) for n in (3, 2)})
    assert few_steps_of(model) == 2
    assert with_few_steps(model).defaults.steps == 2
    (tmp_path / "m" / "few_steps" / "solver.json").write_text("{}")
    assert few_steps_of(model) == 4


def test_weights_stay_and_the_name_tells_of_the_solver(folder: Path, tmp_path: Path) -> None:
    plain, fast = TextToImage.load(folder), with_few_steps(TextToImage.load(folder))
    assert fast.hash != plain.hash
    for a, b in zip(plain.unet.parameters(), fast.unet.parameters(), strict=True):
        assert torch.equal(a, b)
    plain.save(tmp_path / "copy")
    assert with_few_steps(TextToImage.load(tmp_path / "copy")).hash == fast.hash
    save_solvers(tmp_path / "copy", plain, {4: Solver(FOUR.times, ((0.5, 0.4), *FOUR.moves[1:]))})
    assert with_few_steps(TextToImage.load(tmp_path / "copy")).hash != fast.hash


@pytest.mark.formats
def test_a_picture_of_a_batch_is_the_picture_alone(folder: Path) -> None:
    fast = with_few_steps(TextToImage.load(folder))
    together = draw(fast, Request(prompt="red apple", seed=3, count=3))
    alone = torch.cat([draw(fast, Request(prompt="red apple", seed=seed)) for seed in (3, 4, 5)])
    assert torch.equal(together, alone)


def test_a_solver_and_a_distillation_take_each_others_place(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "m")
    model = TextToImage.load(tmp_path / "m")
    layer = next(n for n, m in model.unet.named_modules() if isinstance(m, torch.nn.Linear))
    weight = model.unet.get_submodule(layer).weight
    change = {layer: (torch.zeros(1, weight.shape[1]), torch.zeros(weight.shape[0], 1))}
    save_few_steps(tmp_path / "m", change, model.unet.config, model.schedule, "v")
    assert with_few_steps(TextToImage.load(tmp_path / "m")).defaults.sampler == "lcm"
    save_solvers(tmp_path / "m", model, {4: FOUR})
    assert with_few_steps(TextToImage.load(tmp_path / "m")).defaults.sampler == "fitted"


def test_a_solver_of_another_model_is_refused(folder: Path, tmp_path: Path) -> None:
    make_tiny_model(seed=1).save(tmp_path / "other")
    shutil.copytree(folder / "few_steps", tmp_path / "other" / "few_steps")
    with pytest.raises(UserError, match="was fitted to another model"):
        with_few_steps(TextToImage.load(tmp_path / "other"))


@pytest.mark.parametrize(
    ("solvers", "said"),
    [
        ({}, "do not have the steps"),
        ({"5": {"times": [999], "moves": [[0.5, 0.5]]}}, "do not have the steps"),
        ({"x": {"times": [999], "moves": [[0.5, 0.5]]}}, "do not have the steps"),
        ({"1": [999]}, "a solver needs times"),
        ({"1": {"times": [999], "moves": []}}, "a solver needs times"),
        ({"1": {"times": [999.5], "moves": [[0.5, 0.5]]}}, "whole numbers that fall"),
        ({"2": {"times": [500, 999], "moves": [[0.5, 0.5], [0.5, 0.5]]}}, "whole numbers that fall"),
        ({"1": {"times": [True], "moves": [[0.5, 0.5]]}}, "whole numbers that fall"),
        ({"1": {"times": [1000], "moves": [[0.5, 0.5]]}}, "1000 levels only"),
        ({"1": {"times": [999], "moves": [[0.5]]}}, "a move has 2 to 5 numbers"),
        ({"1": {"times": [999], "moves": [[0.5, 0.5, 0.1]]}}, "a move has 2 to 5 numbers"),
        ({"1": {"times": [999], "moves": [[0.5, "0.5"]]}}, "a move has 2 to 5 numbers"),
        ({"1": {"times": [999], "moves": [[0.5, float("nan")]]}}, "a move has 2 to 5 numbers"),
        ({"1": {"times": [999], "moves": [[0.5, 1e300]]}}, "a move has 2 to 5 numbers"),
    ],
)
def test_damaged_files_are_refused_in_one_line(folder: Path, tmp_path: Path, solvers: Any, said: str) -> None:
    shutil.copytree(folder, tmp_path / "m")
    file = tmp_path / "m" / "few_steps" / "solver.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "solvers": solvers}))
    with pytest.raises(UserError, match=said) as caught:
        with_few_steps(TextToImage.load(tmp_path / "m"))
    assert "\n" not in str(caught.value)


def test_fitted_to_a_model_it_comes_nearer_to_forty_steps(tiny_model: TextToImage, tmp_path: Path) -> None:
    lines: list[str] = []
    found = fit_solvers(tiny_model, PROMPTS, [4], seed=2, told=lines.append)
    assert set(found.distances) == {"4 fitted", "4", "5", "6"}
    assert found.distances["4 fitted"] < found.distances["4"]
    assert lines[0] == "a walk of 40 steps for 9 captions"
    again = fit_solvers(tiny_model, PROMPTS, [4], seed=2)
    assert again.solvers == found.solvers
    for wrong, said in (([0], "1 to 20 steps"), ([21], "1 to 20 steps")):
        with pytest.raises(UserError, match=said):
            fit_solvers(tiny_model, PROMPTS, wrong)
    with pytest.raises(UserError, match="8 captions or more"):
        fit_solvers(tiny_model, PROMPTS[:7], [4])


def test_a_copy_is_written_and_what_else_is_there_stays(tiny_model_folder: Path, tmp_path: Path) -> None:
    copy, found = fit_to(tiny_model_folder, PROMPTS, tmp_path / "out", [2])
    fast = with_few_steps(TextToImage.load(copy))
    assert fast.solvers == found.solvers
    with pytest.raises(UserError, match="draws in few steps already"):
        fit_solvers(fast, PROMPTS, [2])
    (copy / "note.txt").write_text("mine")
    fit_to(tiny_model_folder, PROMPTS, tmp_path / "out", [3])
    both = with_few_steps(TextToImage.load(copy)).solvers
    assert set(both) == {2, 3}
    assert both[2] == found.solvers[2]
    assert (copy / "note.txt").read_text() == "mine"
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="is a file"):
        fit_to(tiny_model_folder, PROMPTS, tmp_path / "file", [2])
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    with pytest.raises(UserError, match="folder of a training"):
        fit_to(tiny_model_folder, PROMPTS, tmp_path / "run", [2])
    make_tiny_model(seed=1).save(tmp_path / "out" / "model")
    with pytest.raises(UserError, match="is another model"):
        fit_to(tiny_model_folder, PROMPTS, tmp_path / "out", [2])


def test_captions_are_those_of_the_styles_each_once_and_in_an_order_of_the_seed() -> None:
    some = captions_in("starter", ("noto",), 12, seed=1)
    assert len(set(some)) == len(some) == 12
    assert some == captions_in("starter", ("noto",), 12, seed=1)
    assert some != captions_in("starter", ("noto",), 12, seed=2)


def test_the_command_fits_and_fast_draws_and_redraws(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    made = run("distill", tiny_model_folder, "--data", "starter", "--out", "out", "--solver", "3")
    assert made.code == 0
    assert "3 fitted" in made.err
    assert "generate --fast draws in 3" in run("info", "out/model").out
    assert run("distill", tiny_model_folder, "--data", "starter", "--out", "out", "--solver", "3").code == 0
    (tmp_path / "file").write_text("")
    refused = run("distill", tiny_model_folder, "--data", "starter", "--out", "file", "--solver", "3")
    assert (refused.code, "walk" in refused.err) == (2, False)  # before anything is drawn
    fast = ("--model", tmp_path / "out" / "model", "--fast")
    assert run("generate", "red apple", "--seed", 4, *fast, "--steps", 3, "--out", "a.png").err == ""
    origin = read_origin(tmp_path / "a.png")
    assert (origin.fast, origin.request.steps, origin.request.sampler) == (True, 3, "fitted")
    assert run("generate", "--again", "a.png", *fast[:2], "--out", "b.png").err == ""
    assert (tmp_path / "b.png").exists()
    photo = run("generate", "blue house", "--image", "a.png", *fast, "--out", "c.png")
    assert photo.code == 0
    for wrong, said in (
        (("--solver", "x"), "whole numbers"),
        (("--solver", ""), "whole numbers"),
        (("--solver", "4", "--set", "distill.rank=4"), "--solver learns no weights"),
    ):
        refused = run("distill", tiny_model_folder, "--data", "starter", "--out", "o", *wrong)
        assert refused.code == 2
        assert said in refused.err
