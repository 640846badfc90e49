"""A run that goes on on another kind of machine keeps its number formats to the bit, and tells what it cannot keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from fromnoise.cli.train import load_recipe
from fromnoise.models.layers import winograd
from fromnoise.training import checkpoint, machine, precision
from fromnoise.training.continuing import Call
from fromnoise.training.loop import Paused
from fromnoise.training.recipe import Recipe
from fromnoise.training.run import train
from fromnoise.training.story import StoryRecipe, train_story

pytestmark = pytest.mark.formats

STORY = {
    "precision": "auto", "threads": "1", "vocabulary": "400", "network.context": "16", "network.embedding": "32",
    "network.fixed": "0",
    "network.width": "32", "network.layers": "1", "network.heads": "2", "loop.pictures": "192", "loop.batch": "32",
    "loop.warmup": "32", "loop.optimizer": "muon",
}  # fmt: skip
PICTURES = {
    "threads": "1", "data.pixels": "32", "data.limit": "64", "clip.image.pixels": "32", "clip.loop.pictures": "256",
    "clip.loop.batch": "64", "clip.loop.optimizer": "muon", "vae.model.block_out_channels": "16,32,32",
    "diffusion.model.block_out_channels": "48,64", "diffusion.model.head_dim": "16",
    "clip.text.width": "32", "clip.text.layers": "1", "clip.image.width": "32", "clip.image.layers": "1",
    "diffusion.model.cross_attention_dim": "32",
}  # fmt: skip
MOVES = pytest.mark.parametrize(
    ("kind", "began", "precision_set"),
    [("story", True, "auto"), ("story", False, "auto"), ("story", True, "fp32"), ("pictures", True, "fp32")],
)


def be(monkeypatch: pytest.MonkeyPatch, bf16: bool) -> None:
    """Take this machine for one that multiplies bf16, or for one that does not."""
    monkeypatch.setattr(precision, "native_bf16", lambda: bf16)
    monkeypatch.setattr(machine, "cpu_class", lambda: "AVX512-BF16" if bf16 else "AVX2")


def go_on(out: Path, recipe: Recipe | StoryRecipe, data: Path | str, call: Call | None = None) -> None:
    if isinstance(recipe, StoryRecipe):
        train_story(recipe, data, out, call)
    else:
        train(recipe, data, out, ("clip",), call)


def one_step(out: Path, recipe: Recipe | StoryRecipe, data: Path | str) -> None:
    with pytest.raises(Paused):
        go_on(out, recipe, data, Call(minutes=0.0))


def bits(folder: Path) -> dict[str, bytes]:
    found, _ = checkpoint.newest(folder)
    assert found is not None
    return {f"{g}/{n}": t.numpy().tobytes() for g, tensors in found.groups.items() for n, t in tensors.items()}


def story(**changes: str) -> StoryRecipe:
    found: StoryRecipe = load_recipe("story").with_overrides({**STORY, **changes})
    return found


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lines")
    rows = [f"a shy {who} finds a {what}" for who in ("baker", "sailor") for what in ("diamond", "letter", "dancer")]
    text = "".join(json.dumps({"text": row, "genre": "mystery", "place": "France"}) + "\n" for row in rows)
    for name in ("train.jsonl", "held_out.jsonl"):
        (folder / name).write_text(text)
    return folder


def facts(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "run.json").read_text())
    return found


@MOVES
def test_a_run_moved_between_machines_ends_with_the_bits_of_its_first(
    kind: str, began: bool, precision_set: str, lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    recipe: Recipe | StoryRecipe = story(precision=precision_set)
    if kind == "pictures":
        recipe = load_recipe("first_model").with_overrides({**PICTURES, "precision": precision_set})
    data, task = (lines, "story") if kind == "story" else ("starter", "clip")
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    be(monkeypatch, began)
    go_on(whole, recipe, data)
    for native in (began, not began, began):
        be(monkeypatch, native)
        one_step(broken, recipe, data)
    be(monkeypatch, not began)
    capfd.readouterr()
    go_on(broken, recipe, data)
    said = [line for line in capfd.readouterr().err.splitlines() if "in software on this machine" in line]
    assert len(said) == began  # one line where what was kept is slow
    assert bits(broken / task) == bits(whole / task)
    assert facts(broken)["muon_products"] == ("bfloat16" if began else "float32")
    be(monkeypatch, not began)
    go_on(tmp_path / "other", recipe, data)  # so the formats do differ in bits
    assert bits(tmp_path / "other" / task) != bits(whole / task)


def test_a_run_of_an_earlier_version_goes_on_as_it_did_and_says_nothing(
    lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    whole, old = tmp_path / "whole", tmp_path / "old"
    be(monkeypatch, False)
    go_on(whole, story(), lines)
    one_step(old, story(), lines)
    stored = facts(old)
    left = {key: value for key, value in stored.items() if key not in ("muon_products", "machines")}
    (old / "run.json").write_text(json.dumps(left))
    be(monkeypatch, True)
    capfd.readouterr()
    one_step(old, story(), lines)
    said = capfd.readouterr().err
    assert "round otherwise" not in said
    assert "Muon" not in said
    assert facts(old) == {**stored, "machines": [{"class": "AVX512-BF16", "winograd": True}]}
    be(monkeypatch, False)
    go_on(old, story(), lines)
    assert bits(old / "story") == bits(whole / "story")


def test_another_class_of_cpu_and_winograds_switch_are_kept_and_told_in_one_line(
    tmp_path: Path, lines: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(winograd.SWITCH, raising=False)
    out, said = tmp_path / "run", []
    for native, switch in ((True, "1"), (True, "1"), (False, "1"), (False, "0")):
        be(monkeypatch, native)
        monkeypatch.setenv(winograd.SWITCH, switch)
        one_step(out, story(), lines)
        said.append([line for line in capfd.readouterr().err.splitlines() if "round otherwise" in line])
    assert [len(lines) for lines in said] == [0, 0, 1, 1]
    assert "trained on AVX512-BF16 and goes on on AVX2:" in said[2][0]
    assert "trained on AVX2 and goes on on AVX2 with FROMNOISE_WINOGRAD=0:" in said[3][0]
    assert facts(out)["machines"] == [
        {"class": "AVX512-BF16", "winograd": True},
        {"class": "AVX2", "winograd": True},
        {"class": "AVX2", "winograd": False},
    ]


def test_a_gpu_has_no_class_of_cpu() -> None:
    assert machine.here(torch.device("cuda"))["class"] == "cuda"
