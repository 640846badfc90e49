"""Pictures that a training keeps aside by itself, and the warnings that this brings to an ordinary folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from fromnoise.cli.train import load_recipe
from fromnoise.data.aside import divided, kept_aside, place
from fromnoise.data.check.checked import checked
from fromnoise.data.pictures import PictureSet, load_folder
from fromnoise.data.record import ASIDE, Entry, Record
from fromnoise.evaluation.copies.check import loaded, training_pictures
from fromnoise.evaluation.trained import reading_of
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.system.defaults import read_facts
from fromnoise.training.continuing import Call
from fromnoise.training.health.beside import Beside
from fromnoise.training.health.history import read_rows
from fromnoise.training.recipe import Recipe
from fromnoise.training.run import Run, train
from fromnoise.training.run_data import SET_ASIDE, read_pictures, read_shapes
from fromnoise.training.situation import Situation
from training.test_run import small
from training.test_tasks import diffusion_task, pictures, tokenizer

__all__ = ["pictures", "tokenizer"]  # fixtures

THINGS = ("cat", "dog", "house", "tree", "car")


def of_noise(folder: Path, count: int, side: int = 32, split: str = "") -> Path:
    """Pictures of the finest detail that there is, as people keep them: a text beside each."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / f"{i:03}.png")
        (folder / f"{i:03}.txt").write_text(f"a {THINGS[i % len(THINGS)]}")
    if split:
        rows = [{"file_name": f"{i:03}.png", "text": "a cat", "split": "" if i else split} for i in range(count)]
        (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return folder


def records(count: int, **more: Any) -> list[Record]:
    return [Record(file_name=f"{i}.png", text="a cat", **more) for i in range(count)]


@pytest.mark.parametrize(("count", "aside"), [(20, 0), (59, 0), (60, 4), (200, 10), (5_000, 64)])
def test_a_twentieth_is_kept_aside_where_there_are_enough(count: int, aside: int) -> None:
    all_of_them = records(count)
    up_to = kept_aside(all_of_them)
    assert sum(place(r.file_name) <= up_to for r in all_of_them) == aside
    assert kept_aside(all_of_them, 0) == 0
    assert kept_aside([*all_of_them, Record(file_name="x", text="x", split="test_pair")]) == 0


def test_the_name_alone_says_on_which_side_a_picture_is(tmp_path: Path) -> None:
    """Not its order, its caption, or what else there is; a file with two captions is on one side with both."""
    some = [Entry(record, tmp_path) for record in records(300)]
    up_to = kept_aside([entry.record for entry in some])
    twice = [Entry(Record(file_name=e.record.file_name, text="another", style="x"), tmp_path) for e in some[::-1]]

    def aside(entries: list[Entry]) -> set[str]:
        return {e.record.file_name for e in divided(entries, up_to) if e.record.split == ASIDE}

    assert len(aside(some)) == 15
    assert aside(some) == aside(twice) == aside([*some, *twice])
    assert kept_aside([e.record for e in [*some, *twice]]) == up_to
    fewer = [e.record for e in some if e.record.file_name != min(aside(some))]
    assert kept_aside(fewer) >= up_to  # whoever was aside stays aside
    assert divided(some, 0.0) == some


def read(recipe: Recipe, data: Path) -> tuple[list[str], list[str]]:
    sets = read_pictures(recipe, str(data), Console(stderr=True))
    return [r.file_name for r in sets[0].records], [r.file_name for r in sets[1].records]


def test_a_folder_without_splits_is_divided_and_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, recipe = of_noise(tmp_path / "mine", 80, side=16), small()
    learnt, aside = read(recipe, data)
    said = capsys.readouterr().err.splitlines()
    assert said == ["76 pictures to train on, 4 held out", SET_ASIDE]
    assert (
        checked(data, 16, workers=1).points()[0].startswith("No picture is held out by a split, so a training keeps 4")
    )
    assert sorted([*learnt, *aside]) == [f"{i:03}.png" for i in range(80)]
    of_shapes = recipe.with_overrides({"data.fit": "shapes"})
    sets = read_shapes(of_shapes, str(data), 8, tmp_path / "run")
    assert sorted(r.file_name for pictures in sets for r in pictures.records) == learnt
    assert read(recipe.with_overrides({"data.aside": "0"}), data) == (sorted([*learnt, *aside]), [])
    assert SET_ASIDE not in capsys.readouterr().err
    # The picture of one that is kept aside lies among the others, too, under another name.
    (data / "zzz.png").write_bytes((data / aside[0]).read_bytes())
    (data / "zzz.txt").write_text("other words")
    again = read(recipe, data)
    assert "zzz.png" in again[0]
    assert again[1] == aside[1:]


def test_where_the_data_hold_pictures_out_or_they_are_few_nothing_more_is(tmp_path: Path) -> None:
    assert read(small(), of_noise(tmp_path / "own", 70, 8, "test"))[1] == ["000.png"]
    few = of_noise(tmp_path / "few", 59, 8)
    assert len(read(small(), few)[0]) == 59
    assert checked(few, 8, workers=1).aside == 0
    with pytest.raises(UserError, match=r"data\.aside must be 0 \(none\) to 0\.5"):
        small(**{"data.aside": "0.7"})


def warnings(folder: Path) -> dict[str, str]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {row["warning"]: row["text"] for row in rows if "warning" in row}


def figures(folder: Path, name: str) -> list[float]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [row[name] for row in rows if name in row]


SHORT = {
    "data.pixels": "32", "vae.loop.pictures": "64", "clip.loop.pictures": "128", "diffusion.loop.pictures": "128",
    "vae.loop.batch": "8", "vae.loop.log_steps": "2", "clip.loop.batch": "32", "diffusion.loop.batch": "32",
}  # fmt: skip


def test_a_vae_that_blurs_an_ordinary_folder_is_told_of(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """From a folder of texts and pictures to the sentence; and whoever reads the pictures later divides them alike."""
    data, out = of_noise(tmp_path / "mine", 64), tmp_path / "run"
    train(small(**SHORT), data, out)
    said = capfd.readouterr().err
    assert "60 pictures to train on, 4 held out\n" + SET_ASIDE in said
    assert set(warnings(out / "vae")) == {"blurry"}
    assert warnings(out / "diffusion")["blurred_before"] in said
    for task in ("clip", "vae", "diffusion"):
        assert figures(out / task, "held_out_loss")
    assert all(0 <= share <= 1 for share in figures(out / "diffusion", "near_training"))
    assert len(figures(out / "diffusion", "near_training")) == len(list((out / "diffusion" / "sheets").glob("*.png")))
    card = read_facts(out / "model").card
    learnt = training_pictures(card, loaded(card, data))  # what the index of copies is made of
    assert sum(r.split == "train" for r in learnt.records) == card["pictures"] == 60
    assert sum(r.split == ASIDE for r in learnt.records) == 4
    assert {r.file_name for r in load_folder(data, 32, ASIDE, reading=reading_of(card)).records} == {
        r.file_name for r in learnt.records if r.split == ASIDE
    }


def test_without_pictures_aside_a_task_tells_what_needs_none(pictures: PictureSet, tokenizer: Tokenizer) -> None:
    task = diffusion_task(pictures, tokenizer)
    task.beside = Beside(pictures.images, pictures.images[:0])
    task.samples_for_log(task.network)
    told = task.score(task.network)
    assert list(told) == ["vae_detail"]
    assert told["vae_detail"] < 0.4  # of a VAE that has learnt nothing
    task.samples_for_log(task.network)
    assert task.score(task.network) == {}  # once in a session


def test_a_run_of_before_goes_on_with_all_its_pictures(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    data, out = of_noise(tmp_path / "mine", 64), tmp_path / "run"
    begun = Run(small(**SHORT, **{"data.aside": "0"}), data, out)
    assert len(begun.train_set.records) == 64
    begun._lock.release()
    stored = json.loads((out / "run.json").read_text())
    del stored["recipe"]["data"]["aside"]
    (out / "run.json").write_text(json.dumps(stored))
    train(small(**SHORT), data, out, ("clip",))
    assert "64 pictures to train on, 0 held out" in capfd.readouterr().err
    with pytest.raises(UserError, match=r"data\.aside: 0\.0 → 0\.05 cannot be changed in"):
        train(small(**SHORT), data, out, ("clip",), Call(settings={"data.aside": "0.05"}))


@pytest.mark.parametrize("count", [12, 60])
def test_a_lora_has_the_figures_that_its_pictures_allow(count: int, tiny_model_folder: Path, tmp_path: Path) -> None:
    data = of_noise(tmp_path / "mine", count)
    short = {
        "lora.loop.pictures": "8", "lora.loop.batch": "4", "lora.steps": "1", "lora.known": "4",
        "lora.prompts": ",".join(f"a {i}" for i in range(8)), "precision": "fp32",
    }  # fmt: skip
    suited = load_recipe("lora", lambda: Situation(count, 32, model=str(tiny_model_folder)))
    train(suited.recipe.with_overrides(short), data, tmp_path / "run")
    folder = tmp_path / "run" / "lora"
    (detail,) = figures(folder, "vae_detail")
    assert detail < 0.4
    assert "blurred_before" in warnings(folder)
    near, held_out = figures(folder, "near_training"), figures(folder, "held_out_loss")
    rows = read_rows(folder / "log.jsonl")
    assert [row["pictures"] for row in rows if "loss_pictures" in row] == [8]  # its last step
    assert len(near) == len(held_out) == (2 if count == 60 else 0)
    assert all(share * 8 % 1 == 0 for share in near)  # of eight drawings
