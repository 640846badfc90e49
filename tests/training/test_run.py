"""A whole run, end to end: train on the starter pictures, draw with the result, stop and go on."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from filelock import FileLock
from PIL import Image

from fromnoise.cli.train import load_recipe
from fromnoise.data.starter import starter_path
from fromnoise.drawing.generate import draw
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.models.clip.tokenizer import Tokenizer
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training.continuing import Call
from fromnoise.training.recipe import Recipe
from fromnoise.training.run import Run, train

# The recipe that newcomers run, made small enough for a test.
SMALL = {
    "precision": "fp32",
    "threads": "1",
    "data.pixels": "32",
    "clip.image.pixels": "32",
    "clip.loop.pictures": "1536",
    "clip.loop.warmup": "128",
    "clip.loop.log_steps": "2",
    "vae.model.block_out_channels": "16,32,32",
    "vae.loop.pictures": "2400",
    "vae.loop.warmup": "160",
    "vae.loop.log_steps": "10",
    "diffusion.model.block_out_channels": "48,64",
    "diffusion.model.head_dim": "16",
    "diffusion.loop.pictures": "5120",
    "diffusion.loop.warmup": "640",
    "diffusion.loop.ema": "0.98",
    "diffusion.loop.log_steps": "10",
    "diffusion.sheet_steps": "2",
}

PER_CALL = (".lock", ".process.json")  # written by every call


def small(**changes: str) -> Recipe:
    return load_recipe("first_model").with_overrides({**SMALL, **changes})


def losses(folder: Path) -> list[float]:
    rows = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if "loss" in row]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "first"
    train(small(), "starter", out)
    return out


def test_every_loss_falls_by_its_margin(run: Path) -> None:
    for task, margin in (("clip", 0.92), ("vae", 0.75), ("diffusion", 0.6)):
        found = losses(run / task)
        assert len(found) > 10
        assert sum(found[-3:]) / 3 < margin * found[0], (task, found[0], found[-3:])


def test_the_model_draws_and_what_it_draws_depends_on_the_words(run: Path) -> None:
    model = TextToImage.load(run / "model")
    assert model.styles == ("fluent-emoji-3d", "fluent-emoji-flat", "noto", "noto-v1")
    pictures = [draw(model, Request(prompt=p, style="noto", seed=1, steps=8)) for p in ("strawberry", "cloud")]
    assert pictures[0].float().sub(pictures[1].float()).abs().mean() > 2
    assert pictures[0].float().std() > 10


def test_what_is_kept_of_a_run(run: Path) -> None:
    assert {p.name for p in run.iterdir()} >= {"run.json", "tokenizer", "clip", "vae", "diffusion", "model", "curves"}
    assert not list(run.rglob("*.tmp"))
    assert len(list((run / "diffusion" / "sheets").glob("*.png"))) >= 2
    assert any(p.name.startswith("events.out.tfevents") for p in (run / "curves").rglob("*"))
    card = TextToImage.load(run / "model").card
    assert card["pictures_seen"] == 5120
    assert card["recipe"]["name"] == "first-model"
    data = card["data"]
    assert sum(source["pictures"] for source in data["sources"]) == data["pictures"] == card["pictures"]
    assert [[s["set"], s["licence"], s["author"]] for s in data["sources"]] == card["sources"]
    assert (data["left_out"], len(data["name"])) == ({}, 16)


def test_the_same_command_again_changes_nothing(run: Path) -> None:
    before = TextToImage.load(run / "model").hash
    train(small(), "starter", run)
    assert TextToImage.load(run / "model").hash == before


@pytest.mark.parametrize("model", ["gone", "older"])
def test_a_finished_networks_model_is_written_where_it_could_not_be(run: Path, tmp_path: Path, model: str) -> None:
    """The disk was full after the last checkpoint, or somebody ended the training there."""
    out, wanted = tmp_path / "run", TextToImage.load(run / "model")
    shutil.copytree(run, out)
    facts = out / "model" / "fromnoise.json"
    if model == "gone":
        shutil.rmtree(out / "model")
    else:
        facts.write_text(facts.read_text().replace('"pictures_seen": 5120', '"pictures_seen": 640'))
        for file in (out / "model" / "unet").glob("*.safetensors"):
            shutil.copy(next((out / "model" / "vae").glob("*.safetensors")), file)
    with pytest.raises(UserError, match="with --tasks diffusion first"):
        train(small(), "starter", out, ("distill",))
    train(small(), "starter", out)
    found = TextToImage.load(out / "model")
    assert (found.hash, found.card["pictures_seen"]) == (wanted.hash, 5120)


def test_another_network_or_other_data_in_the_same_folder_is_refused(run: Path) -> None:
    before = (run / "run.json").read_bytes()
    with pytest.raises(UserError, match=r"\(data\.styles: \(\) → \(noto\)\)\. Give the same --set again"):
        train(small(**{"data.styles": "noto"}), "starter", run)
    changed = {"diffusion.model.layers_per_block": "2"}
    with pytest.raises(UserError, match=r"cannot be changed in .*: what was learnt so far follows from it"):
        train(small(**changed), "starter", run, call=Call(settings=changed))
    assert (run / "run.json").read_bytes() == before


def test_a_forgotten_setting_reopens_no_finished_network(run: Path) -> None:
    """The command without its ``--set`` again: a finished CLIP must not be trained further by the recipe's numbers."""
    before = {file: file.stat().st_mtime_ns for file in run.rglob("*") if file.is_file() and file.name not in PER_CALL}
    with pytest.raises(UserError, match=r"clip\.loop\.pictures: 1536 → 40000.*diffusion\.loop\.ema: 0\.98 → 0\.995"):
        train(load_recipe("first_model"), "starter", run)
    train(load_recipe("first_model"), "starter", run, call=Call(as_before=True))  # finished: nothing is left to do
    after = {
        file: file.stat().st_mtime_ns
        for file in run.rglob("*")
        if file.is_file() and "events" not in file.name and file.name not in PER_CALL
    }
    assert {file: time for file, time in after.items() if file.name != ".lock"} == {
        file: time for file, time in before.items() if "events" not in file.name
    }


def test_other_pictures_are_never_mixed_into_a_run(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "mine"
    shutil.copytree(starter_path(), other)
    lines = (other / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    (other / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    before = TextToImage.load(run / "model").hash
    train(small(), other, run)  # the same pictures and captions from another folder are the same data
    shown = next(i for i, line in enumerate(lines) if json.loads(line)["split"] == "train")
    lines[shown] = json.dumps({**json.loads(lines[shown]), "text": "something else"})
    (other / "metadata.jsonl").write_text("\n".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match="started with other pictures"):
        train(small(), other, run)
    assert TextToImage.load(run / "model").hash == before


def test_two_trainings_never_write_to_one_folder(run: Path) -> None:
    with FileLock(run / ".lock"), pytest.raises(UserError, match="another training"):
        train(small(), "starter", run)


def test_the_u_net_does_not_begin_on_half_trained_networks(tmp_path: Path) -> None:
    short = small(**{"clip.loop.pictures": "128", "vae.loop.pictures": "32"})
    train(short, "starter", tmp_path / "x", ("clip", "vae"))
    more = small(**{"clip.loop.pictures": "128", "vae.loop.pictures": "64"})
    call = Call(settings={"vae.loop.pictures": "64"})
    with pytest.raises(UserError, match=r"vae\.loop\.pictures: 32 → 64"):
        train(more, "starter", tmp_path / "x", ("diffusion",))
    with pytest.raises(UserError, match=r"vae in .* has seen 32 of 64 pictures"):
        train(more, "starter", tmp_path / "x", ("diffusion",), call)
    stored = json.loads((tmp_path / "x" / "run.json").read_text())
    assert stored["recipe"]["vae"]["loop"]["pictures"] == 64
    assert stored["changed"] == [["vae.loop.pictures: 32 → 64"]]
    with pytest.raises(UserError, match="no trained clip yet"):
        train(short, "starter", tmp_path / "y", ("diffusion",))
    assert not (tmp_path / "y").exists()


def test_a_folder_of_something_else_is_no_place_for_a_run(tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(UserError, match="not a training run"):
        train(small(), "starter", tmp_path)
    assert [p.name for p in tmp_path.iterdir()] == ["diary.txt"]


def test_a_full_disk_at_the_beginning_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    begun = Run(small(**{"data.limit": "10"}), "starter", tmp_path / "x")
    monkeypatch.setattr(Tokenizer, "save", full)
    with pytest.raises(UserError, match=r"cannot write .*tokenizer: .*No space left.*free some space"):
        _ = begun.tokenizer
    assert not (tmp_path / "x" / "tokenizer").exists()
    monkeypatch.undo()
    assert begun.tokenizer.vocab_size > 256


def test_a_limit_keeps_pictures_spread_over_all_of_them(tmp_path: Path) -> None:
    run = Run(small(**{"data.limit": "10"}), "starter", tmp_path / "x")
    assert len(run.train_set.records) == len(run.train_set.images) == 10
    assert len({r.style for r in run.train_set.records}) >= 3


@pytest.mark.parametrize("kind", ["nothing", "no captions", "empty metadata"])
def test_data_without_pictures_leaves_no_folder(tmp_path: Path, kind: str) -> None:
    data = tmp_path / "data"
    if kind != "nothing":
        data.mkdir()
        Image.new("RGB", (8, 8)).save(data / "a.png")
    if kind == "empty metadata":
        (data / "metadata.jsonl").touch()
    with pytest.raises(UserError, match=re.escape(str(data))):
        train(small(), data, tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_what_is_left_out_and_held_out_is_said_before_training(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder, rows = tmp_path / "mine", []
    folder.mkdir()
    for i in range(20):
        file = folder / f"{i:02}[x].png"  # brackets would be styles to the console
        file.write_bytes(b"junk") if i >= 8 else Image.new("RGB", (8, 8), (i * 20, 9, 9)).save(file)
        rows.append({"file_name": file.name, "text": f"thing {i}", "split": "validation" if i % 4 == 3 else "training"})
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    pictures = Run(small(), folder, tmp_path / "run")
    assert (len(pictures.train_set.records), len(pictures.held_out.records)) == (6, 2)
    said = capfd.readouterr().err.splitlines()
    assert "the split 'validation' (5 pictures) is held out: not trained on, but tested with" in said
    assert [line for line in said if "left out 08[x].png" in line]
    assert [line for line in said if line.startswith("and 2 more are left out")]  # ten of twelve are named
    assert f"12 left out; the whole list, with the reasons: {tmp_path / 'run' / 'left_out.csv'}" in said
    listed = (tmp_path / "run" / "left_out.csv").read_text().splitlines()
    assert sorted(line.partition(",")[0] for line in listed[1:]) == [f"{i:02}[x].png" for i in range(8, 20)]
    (folder / "metadata.jsonl").write_text("\n".join(json.dumps({**row, "split": "test"}) for row in rows))
    with pytest.raises(UserError, match=r"split \('test'\) all are held out"):
        train(small(), folder, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_run_killed_twice_ends_with_the_bits_of_an_unbroken_one(tmp_path: Path) -> None:
    """Killed as the command runs it; the last call, and the unbroken run, are this process's, with as many threads."""
    settings = {
        **SMALL, "data.limit": "64", "clip.loop.pictures": "512", "vae.loop.pictures": "320",
        "diffusion.loop.pictures": "960", "diffusion.loop.optimizer": "adamw",
        "diffusion.prompts": "cat", **{f"{t}.loop.save_minutes": "0.005" for t in ("clip", "vae", "diffusion")},
    }  # fmt: skip
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    command = [sys.executable, "-m", "fromnoise", "train", "first_model", "--data", "starter", "--no-index"]
    command += [*(f"--set={k}={v}" for k, v in settings.items()), "--out", str(broken)]
    for victim in ("vae", "diffusion"):
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=-3, stderr=-3)
        end = time.monotonic() + 240
        while not list((broken / victim).glob("step-*")) and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, f"{victim} had ended, or failed, before it could be killed"
        assert list((broken / victim).glob("step-*")), f"{victim} was killed before it had written anything"
        assert not (broken / "model").exists() or victim == "diffusion"
    recipe = load_recipe("first_model").with_overrides(settings)
    for folder in (broken, whole):
        train(recipe, "starter", folder)
    for part in ("unet", "vae", "text_encoder", "clip"):
        files = [next((folder / "model" / part).glob("*.safetensors")) for folder in (whole, broken)]
        assert files[0].read_bytes() == files[1].read_bytes(), part


def test_a_run_can_begin_with_a_model_and_train_its_unet_alone(run: Path, tmp_path: Path) -> None:
    """Fine-tuning on one's own pictures: tokenizer, CLIP and VAE stay what they were, the U-Net goes on learning."""
    begun = {"start_from": str(run / "model"), "data.styles": "noto", "diffusion.loop.pictures": "640"}
    train(small(**begun), "starter", tmp_path / "more", ("diffusion",))
    before, after = TextToImage.load(run / "model"), TextToImage.load(tmp_path / "more" / "model")
    assert after.card["started_from"] == before.hash
    assert after.styles == before.styles  # those of the model it began with stay available
    for name in ("text_tower", "vae"):
        for key, tensor in getattr(before, name).state_dict().items():
            assert torch.equal(getattr(after, name).state_dict()[key], tensor), key
    fresh, taught = losses(run / "diffusion")[0], losses(tmp_path / "more" / "diffusion")[0]
    assert taught < 0.8 * fresh


def test_a_model_does_not_tell_where_its_files_lay(run: Path, tmp_path: Path) -> None:
    meanings = tmp_path / "meanings.safetensors"  # never written: the words are not taught again
    changes = {"start_from": str(run / "model"), "clip.meanings": str(meanings), "diffusion.loop.pictures": "64"}
    train(small(**changes), "starter", tmp_path / "more", ("diffusion",))
    card = (tmp_path / "more" / "model" / "fromnoise.json").read_text()
    assert str(tmp_path) not in card
    assert str(run) not in card
    recipe = json.loads(card)["card"]["recipe"]
    assert (recipe["start_from"], recipe["clip"]["meanings"]) == ("model", "meanings.safetensors")


def test_a_run_does_not_go_on_from_another_model(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    begun = {"start_from": str(run / "model")}
    with pytest.raises(UserError, match=r"start_from: '' → .*Give the same --set again"):
        train(small(**begun), "starter", tmp_path / "run")
    with pytest.raises(UserError, match=r"start_from.* cannot be changed"):
        train(small(**begun), "starter", tmp_path / "run", call=Call(settings=begun))


def test_a_model_of_other_sizes_is_nothing_to_begin_with(run: Path, tmp_path: Path) -> None:
    changes = {"start_from": str(run / "model"), "vae.model.block_out_channels": "8,16,16"}
    with pytest.raises(UserError, match=r"only \d+% of vae's weights fit"):
        train(small(**{**changes, "vae.model.norm_num_groups": "8"}), "starter", tmp_path / "other", ("vae",))


def test_ones_own_pictures_are_learnt_by_the_shipped_model(tmp_path: Path) -> None:
    """`fromnoise train finetune`: the U-Net alone, all styles of the data, from the model that is shipped."""
    short = {
        "diffusion.loop.pictures": "4",
        "diffusion.loop.batch": "2",
        "diffusion.sheet_steps": "1",
        "diffusion.known": "2",
    }
    recipe = load_recipe("finetune").recipe.with_overrides({**short, "precision": "fp32"})
    assert recipe.tasks == ("diffusion",)
    data = tmp_path / "mine"
    data.mkdir()
    for i, colour in enumerate(("red", "blue", "green")):
        Image.new("RGB", (50, 40), colour).save(data / f"{i}.png")
        (data / f"{i}.txt").write_text(f"a {colour} flag")
    train(recipe, data, tmp_path / "run")
    model = TextToImage.load(tmp_path / "run" / "model")
    shipped = TextToImage.load(None)
    assert model.card["started_from"] == shipped.hash
    assert model.tokenizer.vocab_size == shipped.tokenizer.vocab_size
    assert 0 < (model.unet.conv_in.weight - shipped.unet.conv_in.weight).abs().max() < 0.1
