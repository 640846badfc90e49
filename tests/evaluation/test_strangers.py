"""The judges are strangers: nothing that is trained, or that chooses what is trained on, can have met one of them."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fromnoise.cli.train import load_recipe
from fromnoise.evaluation.judge import PACKAGES
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.continuing import Call
from fromnoise.training.recipe import Recipe
from fromnoise.training.retired import without_judges
from fromnoise.training.run import train
from fromnoise.training.run_data import begun_with
from test_structure import FILES, ROOT, SOURCE, file_graph, full_imports, module_name, nodes

# Rooms in which something is learnt, what is learnt from is made, or what is drawn is chosen.
LEARNING = ("training", "data", "models", "diffusion", "story", "system", "drawing", "backends", "weights", "ground")
RECIPES = [*sorted((ROOT / "recipes").glob("*.py"))]
SMALL = {
    "precision": "fp32", "threads": "1", "data.pixels": "32", "data.limit": "24", "clip.image.pixels": "32",
    "clip.vocabulary": "700", "clip.loop.pictures": "32", "clip.loop.batch": "16",
    "vae.model.block_out_channels": "16,32,32", "vae.loop.pictures": "32", "vae.loop.batch": "16",
    "vae.equivariance": "0.1", "diffusion.model.block_out_channels": "16,32", "diffusion.model.head_dim": "16",
    "diffusion.loop.pictures": "32", "diffusion.loop.batch": "16", "diffusion.sheet_steps": "1",
    "distill.loop.pictures": "16", "distill.loop.batch": "16", "distill.rank": "2", "distill.steps": "1",
    "data.scenes": "6",
}  # fmt: skip


def learning(module: str) -> bool:
    return module.split(".")[0] in LEARNING


def reached(start: str, graph: dict[str, set[str]]) -> set[str]:
    """Every module that comes along with one, by whatever way."""
    found, ahead = {start}, [start]
    while ahead:
        fresh = graph.get(ahead.pop(), set()) - found
        found |= fresh
        ahead += fresh
    return found


def test_no_way_leads_from_what_learns_to_what_judges() -> None:
    graph = file_graph()
    assert any(m.startswith("evaluation") for m in reached("cli.evaluate", graph))  # such a way would be seen
    ways = {m: {t for t in reached(m, graph) if t.split(".")[0] == "evaluation"} for m in graph if learning(m)}
    assert len(ways) > 100
    assert {m: t for m, t in ways.items() if t} == {}


def opened_by(file: Path) -> set[str]:
    """What a file imports from outside, and every text in it that names a judge or a file of theirs."""
    found = {name.split(".")[0] for node in nodes(file) for name in full_imports(node, file)}
    texts = [n.value for n in nodes(file) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    texts = [text for text in texts if "\n" not in text]  # what explains is no name
    told = (*PACKAGES, "fromnoise.evaluation", "assets/evaluation", "synonyms.tsv", "attributes.tsv", "free.tsv")
    return {name for name in found if name in PACKAGES} | {t for t in told for text in texts if t in text}


def test_a_judges_packages_and_questions_are_opened_by_the_evaluation_only() -> None:
    assert set(PACKAGES) <= opened_by(SOURCE / "evaluation" / "judge.py")
    elsewhere = {module_name(f): opened_by(f) for f in FILES if not module_name(f).startswith(("evaluation", "cli"))}
    left_out = {"data.unheard": {"synonyms.tsv"}}  # no lesson may have these words
    assert {module: opened for module, opened in elsewhere.items() if opened} == left_out
    for file in RECIPES:
        names = {name for node in nodes(file) for name in full_imports(node, file)}
        assert not opened_by(file)
        assert all(learning(n.removeprefix("fromnoise.")) for n in names if n.startswith("fromnoise.")), file


def test_every_packaged_judge_is_known_as_one() -> None:
    """What ``[evaluate]`` installs beside a library is a judge."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {line.split(">=")[0].replace("-", "_") for line in extras["evaluate"]} - {"scipy"}
    assert named == set(PACKAGES)
    others = {line.split(">=")[0].replace("-", "_") for extra in ("train", "meanings") for line in extras[extra]}
    assert not others & set(PACKAGES)


def test_no_recipe_learns_by_a_judge() -> None:
    for file in RECIPES:
        if file.stem != "story":
            found = load_recipe(str(file))
            assert getattr(found, "recipe", found).vae.perceptual == 0
    assert "perceptual" not in Recipe("x").vae.weights()


WATCHED = """
import importlib.abc, importlib.util, json, sys
from pathlib import Path
from fromnoise.cli.train import load_recipe

packages, settings, out = json.loads(sys.argv[1])
seen = []
homes = [f"{Path(importlib.util.find_spec(p).origin).parent}/" for p in packages]

class Trap(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in packages or name.startswith("fromnoise.evaluation"):
            seen.append(name)

def hook(event, arguments):
    if event == "open" and any(h in str(arguments[0]) for h in [*homes, "assets/evaluation"]):
        seen.append(str(arguments[0]))

from fromnoise.training.run import train
sys.meta_path.insert(0, Trap())
sys.addaudithook(hook)
recipe = load_recipe("first_model").with_overrides(settings)
train(recipe, "starter", Path(out), ("clip", "vae", "diffusion", "distill"))
loaded = [m for m in sys.modules if m.split(".")[0] in packages or m.startswith("fromnoise.evaluation")]
trained = [*seen, *loaded]
from fromnoise.evaluation.judge import network
network()
print(json.dumps({"trained": trained, "after": sorted({s.split("/")[-1] for s in seen})}))
"""


def test_a_training_of_all_tasks_never_opens_a_judge(tmp_path: Path) -> None:
    out = tmp_path / "run"
    asked = json.dumps([PACKAGES, SMALL, str(out)])
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    found = subprocess.run([sys.executable, "-c", WATCHED, asked], capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
    said: dict[str, list[str]] = json.loads(found.stdout.splitlines()[-1])
    assert said["trained"] == []
    # The traps were there: the same process then opens the judge, and is seen.
    assert {"fromnoise.evaluation.judge", *PACKAGES} <= set(said["after"])
    assert any(name.endswith((".pth", ".pt", ".bin", ".tar")) for name in said["after"]), said["after"]
    assert (out / "model" / "few_steps").is_dir()


CHOSEN = (
    WATCHED.partition("from fromnoise.training.run import train")[0].replace(
        "from fromnoise.cli.train import load_recipe", "from fromnoise.drawing.pipeline import load"
    )
    + """
sys.meta_path.insert(0, Trap())
sys.addaudithook(hook)
picture = load()("red apple", style="noto", seed=7, steps=1, best_of=2)[0]
loaded = [m for m in sys.modules if m.split(".")[0] in packages or m.startswith("fromnoise.evaluation")]
chosen = [*seen, *loaded]
from fromnoise.evaluation.judge import network
network()
print(json.dumps({"chosen": chosen, "after": sorted({s.split("/")[-1] for s in seen}), "notes": picture.info["notes"]}))
"""
)


def test_a_choice_among_candidates_never_opens_a_judge() -> None:
    asked = json.dumps([PACKAGES, {}, ""])
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    found = subprocess.run([sys.executable, "-c", CHOSEN, asked], capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
    said: dict[str, list[str]] = json.loads(found.stdout.splitlines()[-1])
    assert said["chosen"] == []
    assert {"fromnoise.evaluation.judge", *PACKAGES} <= set(said["after"])  # the traps were there
    assert said["notes"][0].startswith("of 2 candidates seed ")


# --- runs that began with a judge's help ------------------------------------------------------------------------


def of_earlier(weight: float) -> dict[str, Any]:
    return {"recipe": Recipe("old").with_overrides({"vae.perceptual": str(weight)}).to_dict()}


@pytest.mark.parametrize("stored", [None, of_earlier(0.0), {"recipe": {"name": "x"}}])
def test_what_never_learnt_by_a_judge_does_not_begin_to(stored: dict[str, Any] | None, tmp_path: Path) -> None:
    asked = {"vae.perceptual": "0.2"}
    recipe = Recipe("old").with_overrides(asked)
    for call in (Call(), Call(settings=asked), Call(settings=asked, as_before=True)):
        with pytest.raises(UserError, match=r"^vae\.perceptual is no longer .* set it to 0$"):
            without_judges(recipe, stored, tmp_path, call)
    call = Call(settings={"vae.perceptual": "0"})
    assert without_judges(Recipe("old"), stored, tmp_path, call) == (Recipe("old"), call)


@pytest.mark.parametrize("asked", [{}, {"vae.perceptual": "0"}, {"vae.perceptual": "0.3"}])
@pytest.mark.parametrize(("begun", "kept"), [("vae", 0.2), ("diffusion", 0.2), ("clip", 0.0)])
def test_a_run_says_for_good_that_its_vae_learnt_by_a_judge(
    begun: str, kept: float, asked: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / begun / "step-10").mkdir(parents=True)
    recipe = Recipe("old").with_overrides(asked)
    found, call = without_judges(recipe, of_earlier(0.2), tmp_path, Call(settings={**asked, "threads": "1"}))
    assert found.vae.perceptual == kept
    assert call.settings == {"threads": "1"} | ({} if kept else {"vae.perceptual": "0"})


@pytest.mark.parametrize("as_before", [False, True])
def test_an_earlier_run_goes_on_without_the_judge_and_says_so(
    as_before: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out, file = tmp_path / "run", tmp_path / "run" / "run.json"
    recipe = load_recipe("first_model").with_overrides(SMALL)
    train(recipe, "starter", out, ("vae",))
    facts = json.loads(file.read_text())
    facts["recipe"]["vae"]["perceptual"] = 0.2
    file.write_text(json.dumps(facts))
    train(recipe, "starter", out, ("vae",), Call(as_before=as_before))  # it has learnt all: nothing to say
    assert "perceptual" not in capfd.readouterr().err
    longer = {"vae.loop.pictures": "64"}
    train(recipe.with_overrides(longer), "starter", out, ("vae",), Call(settings=longer, as_before=as_before))
    assert "began with vae.perceptual = 0.2; its VAE goes on without that term" in capfd.readouterr().err
    assert json.loads(file.read_text())["recipe"]["vae"]["perceptual"] == 0.2
    log = [json.loads(line) for line in (out / "vae" / "log.jsonl").read_text().splitlines()]
    assert not any("perceptual" in row for row in log)


def test_a_model_that_begins_with_one_that_learnt_by_a_judge_carries_that_along(tiny_model: TextToImage) -> None:
    words = "the latents of stickers-64's VAE, decoder alone, perceptual 0.2"
    shipped = TextToImage.load("stickers-64")
    assert begun_with(shipped) == {"started_from": shipped.hash, "decoder": {"of": words}}
    heir = replace(tiny_model, card={"name": "heir", **begun_with(shipped)})
    assert begun_with(heir) == {"started_from": heir.hash, "decoder": {"of": words}}
    own = replace(tiny_model, card={"name": "own", "recipe": {"vae": {"perceptual": 0.2}}})
    assert begun_with(own)["decoder"] == {"of": "the decoder of own, perceptual 0.2"}
    for card in ({}, {"recipe": {"vae": {"perceptual": 0.0}}}, {"decoder": "odd", "recipe": []}):
        assert begun_with(replace(tiny_model, card=card)) == {"started_from": tiny_model.hash}
