"""Going on with a run: what differs is named and refused, unless it was asked for and can still be changed."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from fromnoise.cli.entry import app
from fromnoise.cli.train import load_recipe
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import checkpoint, precision
from fromnoise.training.continuing import (
    Call,
    check_order,
    differences,
    finished,
    fits_minutes,
    leaves,
    minutes_of,
    of_pictures,
    of_story,
    recipe_of,
    restored,
    same_base,
    settled,
    stored_run,
    with_minutes_of_others,
)
from fromnoise.training.identity import Going, Identity
from fromnoise.training.recipe import LoopConfig, Recipe
from fromnoise.training.settling import begun
from fromnoise.training.story import StoryRecipe

CPU = torch.device("cpu")
OLD: dict[str, Any] = json.loads(Path(__file__).with_name("recipes_of_old_runs.json").read_text())
RECIPE = Recipe.from_dict(OLD["recipe"])


def learnt(out: Path, task: str, seen: int, seconds: float = 0.0) -> None:
    """A checkpoint as the loop writes them."""
    facts = {"step": seen // 10, "batch": 10, "elapsed": seconds}
    (out / task).mkdir(parents=True)
    checkpoint.save(out / task, seen // 10, checkpoint.Checkpoint({"weights": {"w": torch.zeros(1)}}, facts))


def asked(out: Path, now: Recipe, as_before: bool = False, **settings: str) -> tuple[Recipe, list[str]]:
    """Go on with a run of RECIPE."""
    named = {name.replace("__", "."): value for name, value in settings.items()}
    call = Call(settings=named, as_before=as_before)
    return settled(out, RECIPE.to_dict(), now.with_overrides(named), call, of_pictures(out))


def test_the_same_recipe_goes_on_and_changes_nothing(tmp_path: Path) -> None:
    assert asked(tmp_path, RECIPE) == (RECIPE, [])


def test_what_differs_is_listed_exactly(tmp_path: Path) -> None:
    now = RECIPE.with_overrides({"seed": "3", "data.styles": "noto,twemoji", "clip.loop.pictures": "7"})
    with pytest.raises(UserError) as told:
        asked(tmp_path / "run", now)
    assert str(told.value) == (
        f"{tmp_path / 'run'} was begun with another recipe (seed: 0 → 3; data.styles: () → (noto, twemoji); "
        "clip.loop.pictures: 40000 → 7). Give the same --set again, or --as-before to go on with the stored recipe, "
        "or a new --out"
    )


@pytest.mark.parametrize("name", ["threads", "name", "clip.loop.sheet_minutes", "vae.loop.save_minutes", "precision"])
def test_even_what_could_be_changed_is_not_changed_by_forgetting(name: str, tmp_path: Path) -> None:
    value = {"precision": "bf16", "name": "x"}.get(name, "3.0" if name.endswith("minutes") else "3")
    with pytest.raises(UserError, match=rf"\({name}: .* → {value}\)\. Give the same --set again"):
        asked(tmp_path, RECIPE.with_overrides({name: value}))


def test_as_before_goes_on_with_the_stored_recipe(tmp_path: Path) -> None:
    now = RECIPE.with_overrides({"seed": "3", "clip.loop.pictures": "7"})
    assert asked(tmp_path, now, as_before=True) == (RECIPE, [])
    longer, lines = asked(tmp_path, now, as_before=True, diffusion__loop__pictures="90000")
    assert longer == RECIPE.with_overrides({"diffusion.loop.pictures": "90000"})
    assert lines == ["diffusion.loop.pictures: 36000 → 90000"]
    with pytest.raises(UserError, match=r"none in .* yet; leave it out"):
        settled(tmp_path, None, now, Call(as_before=True), of_pictures(tmp_path))


def test_what_is_asked_for_may_change_as_long_as_nothing_has_learnt_from_it(tmp_path: Path) -> None:
    def changes(**settings: str) -> list[str]:
        return asked(tmp_path, RECIPE, **settings)[1]

    assert changes(clip__text__layers="3", diffusion__mirror="0.3", threads="2")  # nothing has begun
    learnt(tmp_path, "clip", 40_000)
    for name in ("clip__text__layers", "clip__loop__batch", "seed", "data__scenes", "precision", "data__said_styles"):
        value = {"precision": "fp32", "data__said_styles": "false"}.get(name, "16")
        with pytest.raises(UserError, match="cannot be changed in"):
            changes(**{name: value})
    assert changes(clip__loop__pictures="50000") == ["clip.loop.pictures: 40000 → 50000"]  # longer, when asked for
    with pytest.raises(UserError, match="it has seen 40,000 already"):
        changes(clip__loop__pictures="30000")
    assert changes(diffusion__time_mix__mean="0.7", vae__model__layers_per_block="2")  # those have not begun
    learnt(tmp_path, "diffusion", 100)
    with pytest.raises(UserError, match="the U-Net has already learnt from the CLIP"):
        changes(clip__loop__pictures="50000")
    with pytest.raises(UserError, match="the U-Net has already learnt from the VAE"):
        changes(vae__model__layers_per_block="2")
    with pytest.raises(UserError, match="follows from it"):
        changes(diffusion__mirror="0.3")
    assert changes(diffusion__loop__learning_rate="1e-4", diffusion__loop__sheet_minutes="9", diffusion__prompts="cat")


def test_minutes_count_as_asked_for_and_never_end_before_now(tmp_path: Path) -> None:
    learnt(tmp_path, "diffusion", 100, seconds=300)
    call = Call(minutes=4.0)
    assert minutes_of(("vae", "diffusion"), call) == {"vae.loop.minutes": "2.0", "diffusion.loop.minutes": "2.0"}
    assert minutes_of(("vae",), replace(call, settings={"vae.loop.minutes": "9"})) == {}
    assert asked(tmp_path, RECIPE, diffusion__loop__minutes="8")[1] == ["diffusion.loop.minutes: 0.0 → 8.0"]
    with pytest.raises(UserError, match=r"it has trained for 5\.0 minutes already"):
        asked(tmp_path, RECIPE, diffusion__loop__minutes="4")
    with pytest.raises(UserError, match="Give the same --set and --minutes again"):
        asked(tmp_path, RECIPE.with_overrides({"diffusion.loop.minutes": "4"}))


def test_a_run_of_an_earlier_version_goes_on_as_it_was(tmp_path: Path) -> None:
    """Settings that it does not know yet take the values that mean what was done then, whatever today's recipe says."""
    for kind, now, rules in (
        ("recipe", load_recipe("first_model"), of_pictures(tmp_path)),
        ("story", load_recipe("story"), of_story(tmp_path)),
    ):
        found, lines = settled(
            tmp_path, OLD[kind], now, Call(as_before=kind == "story"), rules
        )  # its recipe is another
        assert lines == []
        loops = [found.loop] if isinstance(found, StoryRecipe) else list(found.loops().values())
        assert {(loop.minutes, loop.warmup_most) for loop in loops} == {(0.0, 0.0)}
    assert not restored(tmp_path, OLD["recipe"], Recipe).data.said_styles
    assert load_recipe("first_model").data.said_styles
    assert not fits_minutes(load_recipe("finetune").recipe, {"recipe": OLD["recipe"]})
    assert fits_minutes(load_recipe("finetune").recipe, None)


@pytest.mark.parametrize("kind", ["recipe", "story"])
def test_every_setting_that_is_newer_than_old_runs_says_how_it_was(kind: str, tmp_path: Path) -> None:
    config = {"recipe": Recipe, "story": StoryRecipe}[kind]
    was = restored(tmp_path, OLD[kind], config).to_dict()
    today = differences(was, config.from_dict(OLD[kind]).to_dict())
    new = {
        "fits_minutes",
        "default_style",
        "data.aside",
        "data.said_styles",
        "data.fit",
        "data.tags",
        "minutes",
        "warmup_most",
        "together",
        "hard_negatives",
        "locked",
        "falls_from",
        "orthogonal",
        "redrawn",
        "prefixes",
        "noise",
        "crop",
        "grows",
        "pooled_heads",
        "told",
        "empty",
        "fixed",
        "ends",
        "trigger",
        "known",
        "remember",
        "replay",
        "diffusion.widths",
        "snapshots",
        "vae.adversary.weight",
        *(f"vae.adversary.{name}" for name in ("gamma", "learning_rate", "betas", "widths")),  # nothing at weight 0
    }  # a new one belongs here and in AS_IT_WAS
    unused = ("text.", "data.world.", "lora.")  # whole groups of what those runs do not do
    today = {name: change for name, change in today.items() if not name.startswith("lora.")}
    assert {name if name in new else name.rpartition(".")[2] for name in today} <= new
    added = {name for name, _ in leaves(was) if not name.startswith(unused)} - {name for name, _ in leaves(OLD[kind])}
    assert {name if name in new else name.rpartition(".")[2] for name in added} <= new


def test_a_run_of_a_later_version_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"another version of fromnoise \(Recipe has no setting 'magic'"):
        settled(tmp_path, {**RECIPE.to_dict(), "magic": 1}, RECIPE, Call(), of_pictures(tmp_path))


@pytest.mark.parametrize(
    ("text", "kind", "said"),
    [
        ("{", "recipe", "run.json is damaged"),
        ('{"story": {}}', "recipe", "another kind of run"),
        ('{"recipe": {}}', "story", "another kind of run"),
        ("[]", "recipe", r"run.json should hold a JSON object, not \[\]; bring it back"),
    ],
)
def test_a_folder_of_another_kind_is_refused(text: str, kind: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(UserError, match=said):
        stored_run(tmp_path, kind)


def test_a_folder_of_something_else_is_refused_and_an_empty_one_is_new(tmp_path: Path) -> None:
    assert stored_run(tmp_path) is None
    assert stored_run(tmp_path / "new") is None
    (tmp_path / "diary.txt").touch()
    with pytest.raises(UserError, match="not a training run"):
        stored_run(tmp_path)


def test_what_others_have_learnt_from_is_not_trained_afterwards(tmp_path: Path) -> None:
    """A U-Net that listens to its base's CLIP is not given another one by ``--tasks clip``."""
    learnt(tmp_path, "diffusion", 100)
    check_order(tmp_path, RECIPE, ("diffusion", "distill"))
    with pytest.raises(UserError, match=r"the U-Net in .* has learnt with the CLIP of stickers-64.*leave clip out"):
        check_order(tmp_path, replace(RECIPE, start_from="stickers-64"), ("clip", "diffusion"))
    learnt(tmp_path, "clip", 100)
    check_order(tmp_path, RECIPE, ("clip", "diffusion"))


def test_a_task_is_finished_by_its_pictures_or_by_its_time() -> None:
    loop = LoopConfig(pictures=100, minutes=2.0)
    assert finished({"step": 10, "batch": 10}, loop)
    assert not finished({"step": 9, "batch": 10, "elapsed": 119.0}, loop)
    assert finished({"step": 9, "batch": 10, "elapsed": 120.0}, loop)
    assert not finished({"step": 9, "batch": 10, "elapsed": 10**6}, replace(loop, minutes=0.0))


def test_the_length_that_suits_the_data_grows_with_its_square_root() -> None:
    loop = LoopConfig(pictures=0)
    lengths = [loop.suited(count).pictures for count in (0, 1, 40, 400)]
    assert lengths[0] == lengths[1] == 6900
    assert lengths[3] == pytest.approx(lengths[1] * 20)
    assert lengths[2] == pytest.approx(lengths[3] / 10**0.5, rel=1e-3)
    assert LoopConfig(pictures=128).suited(40).pictures == 128


def test_the_commands_hand_over_what_was_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``train`` for pictures and for the story game, and ``distill``."""
    said: list[Call] = []
    for where in ("run.train", "distillation.distill", "story.train_story"):
        monkeypatch.setattr(f"fromnoise.training.{where}", lambda *args: said.append(args[-1]) or tmp_path)
    common = ["--data", "starter", "--out", str(tmp_path / "run"), "--as-before", "--verbose", "--set"]
    commands = (
        ["train", "first_model", *common, "seed=3", "--minutes", "2"],
        ["train", "story", *common, "seed=3", "--minutes", "2"],
        ["distill", "stickers-64", *common, "distill.rank=4"],
    )
    for command in commands:
        done = CliRunner().invoke(app, command)
        assert done.exit_code == 0, done.output
    wanted = Call(2.0, {"seed": "3"}, as_before=True, verbose=True, self_test=True)
    assert said == [wanted, wanted, Call(as_before=True, verbose=True)]


def test_what_a_run_was_made_from_is_not_exchanged(tmp_path: Path) -> None:
    meanings = tmp_path / "meanings.safetensors"
    meanings.write_bytes(b"cats and dogs")
    recipe = RECIPE.with_overrides({"start_from": "mine", "clip.meanings": str(meanings)})

    def check(stored: dict[str, Any], base: str, made: bool = False) -> Identity:
        going = Going({"pictures": "p", "data": "there", "made_from": stored}, tasks=("clip",))
        identity = Identity(recipe, "here", tmp_path, going, "p")
        identity.check(base, made)
        return identity

    first = check({}, "a").made_from
    assert check(first, "a").made_from == first
    with pytest.raises(UserError, match="mine is not what it was"):
        check(first, "b")
    meanings.write_bytes(b"dogs and cats")
    check(first, "a", made=True)  # a CLIP that has learnt all asks no more what words mean
    with pytest.raises(UserError, match=r"meanings\.safetensors is not what it was"):
        check(first, "a")
    with pytest.raises(UserError, match=r"other pictures \(there\)"):
        Identity(recipe, "here", tmp_path, Going({"pictures": "q", "data": "there"}), "p").check("", False)


def test_the_same_model_at_another_place_is_the_same(tiny_model_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_model_folder, tmp_path / "moved")
    stored = {"recipe": {"start_from": "there"}, "made_from": {"start_from": TextToImage.load(tiny_model_folder).hash}}
    moved = replace(RECIPE, start_from=str(tmp_path / "moved"))
    assert same_base(moved, stored).start_from == "there"
    assert same_base(moved, {**stored, "made_from": {"start_from": "another"}}) == moved
    assert same_base(moved, {"recipe": {"start_from": "there"}}) == moved  # of a run that did not note it


def test_as_before_takes_the_tasks_as_they_were_and_in_their_order(tmp_path: Path) -> None:
    """Whatever recipe is named now: finetune's only task, the U-Net, would else come first of a run from scratch."""
    other = load_recipe("finetune").recipe
    for tasks in (("clip",), ("clip", "vae", "diffusion"), ("vae", "clip", "diffusion")):
        recipe = {**RECIPE.to_dict(), "tasks": list(tasks)}
        (tmp_path / "run.json").write_text(json.dumps({"recipe": recipe}))
        found, going = begun(other, tmp_path, None, Call(as_before=True))
        assert (found.tasks, going.tasks, going.changed) == (tasks, tasks, [])
        assert begun(other, tmp_path, tasks[::-1], Call(as_before=True))[1].tasks == tasks
    assert recipe_of(tmp_path) == found
    (tmp_path / "run.json").write_text(json.dumps({"story": {}}))
    assert recipe_of(tmp_path) is None
    assert recipe_of(tmp_path / "nothing") is None


def test_what_a_distillation_has_learnt_from_stays_as_it_is(tmp_path: Path) -> None:
    learnt(tmp_path, "diffusion", 36_000)
    assert asked(tmp_path, RECIPE, diffusion__loop__pictures="90000")[1]
    learnt(tmp_path, "distill", 100)
    for name, value in (("pictures", "90000"), ("minutes", "600"), ("learning_rate", "1e-5")):
        with pytest.raises(UserError, match="the distillation has already learnt from the U-Net"):
            asked(tmp_path, RECIPE, **{f"diffusion__loop__{name}": value})
    assert asked(tmp_path, RECIPE, diffusion__loop__save_minutes="9", diffusion__prompts="cat")[1]
    assert asked(tmp_path, RECIPE, distill__loop__pictures="90000")[1]


def test_minutes_of_tasks_that_are_not_trained_stay_as_they_were() -> None:
    began = RECIPE.with_overrides({"fits_minutes": "true", "diffusion.loop.minutes": "8"})
    now = RECIPE.with_overrides({"fits_minutes": "true"})
    stored = {"recipe": began.to_dict()}
    assert with_minutes_of_others(now, stored, ("distill",), Call()) == began
    assert with_minutes_of_others(now, stored, ("diffusion",), Call()) == now  # its minutes must be said again
    said = Call(settings={"diffusion.loop.minutes": "9"})
    longer = now.with_overrides({"diffusion.loop.minutes": "9"})
    assert with_minutes_of_others(longer, stored, ("distill",), said) == longer
    assert with_minutes_of_others(now, None, ("distill",), Call()) == now
    plain = {"recipe": began.with_overrides({"fits_minutes": "false"}).to_dict()}
    assert with_minutes_of_others(RECIPE, plain, ("distill",), Call()) == RECIPE  # there a --set was forgotten


def test_the_meanings_are_noted_by_the_first_call_that_reads_them(tmp_path: Path) -> None:
    """A run that begins with the VAE reads no meanings; that which trains CLIP does, and later ones are compared."""
    meanings = tmp_path / "meanings.safetensors"
    meanings.write_bytes(b"cats and dogs")
    recipe = RECIPE.with_overrides({"clip.meanings": str(meanings)})

    def call(task: str) -> dict[str, Any]:
        going = Going(stored_run(tmp_path / "run"), tasks=(task,))
        identity = Identity(recipe, "here", tmp_path / "run", going, "p")
        identity.check("", False)
        identity.write(precision.choose(CPU, "fp32"), CPU, Console(quiet=True))
        found: dict[str, Any] = json.loads((tmp_path / "run" / "run.json").read_text())
        return found

    (tmp_path / "run").mkdir()
    first = call("vae")
    assert first["made_from"]["meanings"] == ""
    second = call("clip")
    assert second == {
        **first,
        "made_from": {**first["made_from"], "meanings": hashlib.sha256(b"cats and dogs").hexdigest()[:16]},
    }
    assert call("vae") == call("clip") == second
    meanings.write_bytes(b"dogs and cats")
    with pytest.raises(UserError, match=r"meanings\.safetensors is not what it was"):
        call("clip")


def test_what_an_old_run_does_not_know_stays_unsaid_when_something_else_is_changed(tmp_path: Path) -> None:
    """Else the next call would have to say every setting that is newer than the run."""
    out = tmp_path / "run"
    out.mkdir()
    old = {name: value for name, value in OLD["recipe"].items() if name != "lora"}
    old["vae"] = {name: value for name, value in old["vae"].items() if name != "noise"}
    old["vae"]["loop"] = {name: value for name, value in old["vae"]["loop"].items() if name != "falls_from"}
    (out / "run.json").write_text(json.dumps({"recipe": old, "data": "here", "pictures": "p"}))
    today = RECIPE.with_overrides({"vae.noise": "0.2", "vae.loop.falls_from": "400"})  # as a newer version has them

    def call(**settings: str) -> list[str]:
        named = {name.replace("__", "."): value for name, value in settings.items()}
        stored = stored_run(out)
        assert stored is not None
        asking = Call(settings=named)
        recipe, lines = settled(out, stored["recipe"], today.with_overrides(named), asking, of_pictures(out))
        assert (recipe.vae.noise, recipe.vae.loop.falls_from) == (0.0, 0)
        identity = Identity(recipe, "here", out, Going(stored, lines), "p")
        identity.check("", False)
        identity.write(precision.choose(CPU, "fp32"), CPU, Console(quiet=True))
        return lines

    assert call(vae__loop__pictures="12345") == [f"vae.loop.pictures: {RECIPE.vae.loop.pictures} → 12345"]
    assert call(vae__loop__pictures="12345") == []
    kept = json.loads((out / "run.json").read_text())["recipe"]
    assert kept["vae"]["loop"]["pictures"] == 12345
    assert "noise" not in kept["vae"]
    assert "falls_from" not in kept["vae"]["loop"]
    assert "lora" not in kept


def test_before_a_story_run_has_learnt_anything_it_may_be_another(tmp_path: Path) -> None:
    recipe = StoryRecipe()

    def changes(**settings: str) -> list[str]:
        named = {name.replace("__", "."): value for name, value in settings.items()}
        now = recipe.with_overrides(named)
        return settled(tmp_path, recipe.to_dict(), now, Call(settings=named), of_story(tmp_path))[1]

    assert changes(vocabulary="400", loop__batch="8", network__layers="3", seed="4")
    with pytest.raises(UserError, match="precision: auto → fp32 cannot be changed"):
        changes(precision="fp32")
    learnt(tmp_path, "story", 100)
    with pytest.raises(UserError, match="follows from it"):
        changes(network__layers="3")
    assert changes(loop__learning_rate="1e-4", name="other")


@pytest.mark.parametrize(
    ("tasks", "refused"),
    [
        (("diffusion",), {"lora.rank", "vae.loop.pictures", "clip.loop.pictures", "vae.crop", "text.smear"}),
        (("clip", "vae"), {"lora.rank", "diffusion.loop.pictures", "text.smear"}),
        (("lora",), {"clip.text.width", "vae.loop.pictures", "clip.loop.pictures", "vae.crop", "vae.model.ch",
                     "diffusion.loop.pictures", "diffusion.guidance", "text.smear"}),
    ],
)  # fmt: skip
def test_a_setting_of_what_is_not_trained_is_refused(tasks: tuple[str, ...], refused: set[str]) -> None:
    names = ("seed", "data.pixels", "lora.rank", "vae.loop.pictures", "clip.loop.pictures", "vae.crop", "vae.model.ch")
    for name in (*names, "text.smear", "clip.text.width", "diffusion.loop.pictures", "diffusion.guidance"):
        if name not in refused:
            RECIPE.check_settings([name], tasks)
            continue
        said = f"^{name} changes nothing here: this trains {', '.join(tasks)}; leave it out, or train "
        with pytest.raises(UserError, match=said + name.partition(".")[0] + "$"):
            RECIPE.check_settings(["seed", name], tasks)


def test_the_command_refuses_a_setting_of_what_is_not_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[Any] = []
    monkeypatch.setattr("fromnoise.training.run.train", lambda *args: done.append(args) or tmp_path)
    out = tmp_path / "run"

    def refused(*more: str) -> bool:
        command = ["train", "first_model", "--data", "starter", "--out", str(out), *more]
        error = CliRunner().invoke(app, command).exception
        assert error is None or (isinstance(error, UserError) and "changes nothing here" in str(error))
        return error is not None

    assert refused("--set", "lora.rank=8")
    assert not refused("--tasks", "clip", "--set", "diffusion.loop.pictures=9")  # of the recipe's, in a later call
    assert not refused("--tasks", "distill", "--set", "distill.rank=9")
    assert len(done) == 2
    out.mkdir()
    first = load_recipe("first_model").with_overrides({"lora.rank": "8"})  # begun by an earlier version
    (out / "run.json").write_text(json.dumps({"recipe": first.to_dict()}))
    assert not refused("--set", "lora.rank=8")  # given again, as the run asks for
    assert refused("--set", "lora.rank=9")
    assert refused("--set", "lora.rank=9", "--as-before")
    assert len(done) == 3
