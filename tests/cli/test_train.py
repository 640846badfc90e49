"""``fromnoise train`` as people call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fromnoise.ground.errors import UserError
from fromnoise.system.defaults import COPIES
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
    return found


def test_a_finished_model_keeps_what_finds_copies(run: Any, indexed: list[tuple[Path, str]]) -> None:
    done = run(*COMMAND)
    assert (done.code, indexed) == (0, [(Path("x/model"), "starter")])
    assert "fromnoise inspect copies PICTURE --model x/model" in done.out
    run(*COMMAND)
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
    done = run(*COMMAND)
    assert (done.code, done.out.strip()) == (0, "x/model")
    assert str(trouble) in done.err
    assert "fromnoise inspect index x/model --data starter" in done.err
