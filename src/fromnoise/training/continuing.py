"""Going on with a run: is what is asked now the experiment that was begun?

A run's ``run.json`` holds its recipe. Whatever differs from it when the command comes again is named and refused,
unless the person asked for it in this very call and it can still be changed. So a forgotten ``--set``, an edited recipe
file or another version's defaults never turn a half-trained network into another one.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.ground.json_file import read_object
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import checkpoint
from fromnoise.training.as_it_was import AS_IT_WAS as AS_IT_WAS
from fromnoise.training.as_it_was import as_it_was
from fromnoise.training.names import RUN as RUN
from fromnoise.training.recipe import TASKS, LoopConfig, Recipe

C = TypeVar("C", bound=Config)
SAMPLE = "world.parquet"  # made before a run begins, where its data are drawings

# What changes nothing that is learnt: it may be changed at any time, when it is asked for.
FREE = {"name", "threads", "default_style", "diffusion.prompts", "diffusion.sheet_steps", "diffusion.guidance",
        "diffusion.widths", "diffusion.snapshots",
        "distill.prompts", "distill.steps", "lora.prompts", "lora.steps", "lora.drawings", "lora.checkpointing",
        "data.world.workers", "data.world.ahead"}  # fmt: skip
FREE_OF_LOOP = {"log_steps", "sheet_minutes", "save_minutes"}
LENGTH = {"pictures", "minutes"}
# What of CLIP concerns its image tower, which may learn long after the words.
OF_THE_IMAGE_TOWER = (
    "clip.image.",
    "clip.together",
    "clip.hard_negatives",
    "clip.redrawn",
    "clip.locked",
    "clip.loop.",
)
# Which tasks learn from what a task has made.
LATER = {"text": ("clip", "diffusion", "distill"), "clip": ("diffusion", "distill"), "vae": ("diffusion", "distill"),
         "diffusion": ("distill",), "distill": (), "lora": (), "story": ()}  # fmt: skip
CALLED = {"text": "text tower", "clip": "CLIP", "vae": "VAE", "diffusion": "U-Net", "distill": "distillation",
          "lora": "LoRA"}  # fmt: skip
LONGEST = 160  # characters of a value in a message


@dataclass(frozen=True)
class Call:
    """What one call of the command asks beside the recipe; no part of the experiment.

    Attributes:
        minutes: how long to train at most, see ``Recipe.fits_minutes``.
        settings: what it sets by dotted names; the recipe has them already.
        as_before: go on with the stored recipe, whatever the recipe says now.
        verbose: tell every figure.
        self_test: see before a task's first step whether its network can learn at all.
    """

    minutes: float = math.inf
    settings: Mapping[str, str] = field(default_factory=dict)
    as_before: bool = False
    verbose: bool = False
    self_test: bool = False


def fits_minutes(recipe: Recipe, stored: dict[str, Any] | None) -> bool:
    """Whether ``--minutes`` is the length of this run, as it was begun."""
    return recipe.fits_minutes if stored is None else bool(stored["recipe"].get("fits_minutes", False))


def minutes_of(tasks: tuple[str, ...], call: Call) -> dict[str, str]:
    """The minutes of a call shared among its tasks, as settings; those that it sets by themselves stay."""
    names = [f"{task}.loop.minutes" for task in tasks]
    return {name: str(call.minutes / len(tasks)) for name in names if name not in call.settings}


def with_minutes_of_others(recipe: Recipe, stored: dict[str, Any] | None, tasks: tuple[str, ...], call: Call) -> Recipe:
    """The recipe with the stored minutes of the tasks that this call does not train.

    Where ``--minutes`` is the length of a run, it is that of the tasks of its call, and says nothing of others.
    """
    if stored is None or not fits_minutes(recipe, stored):
        return recipe
    names = [f"{task}.loop.minutes" for task in TASKS if task not in tasks]
    before = dict(leaves(stored["recipe"]))
    return recipe.with_overrides({name: before[name] for name in names if name in before and name not in call.settings})


def same_base(recipe: Recipe, stored: dict[str, Any] | None) -> Recipe:
    """The recipe with ``start_from`` spelt as it was, where it names the same model by another path."""
    if stored is None or not recipe.start_from:
        return recipe
    before, name = stored.get("made_from", {}).get("start_from"), stored["recipe"].get("start_from")
    if not before or name == recipe.start_from or TextToImage.load(recipe.start_from).hash != before:
        return recipe
    return replace(recipe, start_from=name)


MayChange = Callable[[str, Any], str]


def stored_run(out: Path, kind: str = "recipe") -> dict[str, Any] | None:
    """What ``out`` holds of an earlier session; None where nothing has begun there.

    Args:
        out: a run's folder.
        kind: the key under which this kind of run keeps its recipe.

    Raises:
        UserError: the folder holds something else.
    """
    file = out / RUN
    if not file.is_file():
        check_new(out)
        return None
    try:
        stored = read_object(file)
    except UserError as error:
        raise UserError(f"{error}; bring it back from a copy, or use a new --out") from None
    if not isinstance(stored.get(kind), dict):
        raise UserError(f"{out} holds another kind of run; use a new --out")
    return stored


def check_new(out: Path) -> None:
    """Refuse a place in which no training can begin, since something else is there.

    Raises:
        UserError: it is a file, or lies below one, or it is a folder that holds something else.
    """
    there = nearest(out)
    if not there.is_dir():
        raise UserError(f"{there} is a file, and a training needs a folder; use a new --out")
    if out.is_dir() and any(not p.name.startswith(".") and p.name != SAMPLE for p in out.iterdir()):
        raise UserError(f"{out} holds something that is not a training run; use a new --out")


def nearest(out: Path) -> Path:
    """A place, or the nearest folder above it that there is."""
    return next((place for place in (out, *out.parents) if os.path.exists(place)), Path())


def recipe_of(out: Path) -> Recipe | None:
    """The recipe that a run of pictures began with; None where there is no such run.

    Raises:
        UserError: it was begun with another version.
    """
    try:
        stored = stored_run(out)
    except UserError:
        return None
    return None if stored is None else restored(out, stored["recipe"], Recipe)


def settled(out: Path, stored: dict[str, Any] | None, now: C, call: Call, may_change: MayChange) -> tuple[C, list[str]]:
    """The recipe that a run goes on with.

    Args:
        out: the run's folder, for messages.
        stored: the recipe as it was stored, None for a new run.
        now: the recipe as it is asked for now.
        call: what this call sets by itself.
        may_change: says of a setting and its new value why it cannot be changed any more, "" where it can.

    Returns:
        The recipe, and a line for every setting that this call changes in it ("seed: 0 → 1").

    Raises:
        UserError: something differs that was not asked for, or that cannot be changed any more.
    """
    if stored is None:
        if call.as_before:
            raise UserError(f"--as-before goes on with a run, and there is none in {out} yet; leave it out")
        return now, []
    before = restored(out, stored, type(now))
    now = before.with_overrides(dict(call.settings)) if call.as_before else _with_new_fields(before, now, stored, call)
    changes = differences(before.to_dict(), now.to_dict())
    lines = {name: f"{name}: {_shown(a)} → {_shown(b)}" for name, (a, b) in changes.items()}
    forgotten = [name for name in changes if name not in call.settings]
    if forgotten:
        given = "--set and --minutes" if any(name.endswith(".minutes") for name in forgotten) else "--set"
        raise UserError(
            f"{out} was begun with another recipe ({'; '.join(lines[name] for name in forgotten)}). Give the same "
            f"{given} again, or --as-before to go on with the stored recipe, or a new --out"
        )
    for name, (_, value) in changes.items():
        if why := may_change(name, value):
            raise UserError(f"{lines[name]} cannot be changed in {out}: {why}. Leave that out, or use a new --out")
    return now, list(lines.values())


def restored(out: Path, stored: dict[str, Any], kind: type[C]) -> C:
    """A stored recipe; what it does not know yet is as it was then.

    Raises:
        UserError: it has settings that this version does not know.
    """
    try:
        known = kind.from_dict(stored)
        new = [name for name, _ in leaves(known.to_dict()) if not _has(stored, name)]
        return known.with_overrides({name: as_it_was(name) for name in new if as_it_was(name) is not None})
    except UserError as error:
        raise UserError(f"{out} was begun with another version of fromnoise ({error}); use a new --out") from None


def differences(before: dict[str, Any], now: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Settings in which two recipes differ, by dotted names: (before, now)."""
    first, second = dict(leaves(before)), dict(leaves(now))
    return {name: (first.get(name), second[name]) for name in second if first.get(name) != second[name]}


def has_learnt(out: Path, task: str) -> bool:
    """Whether a task has learnt something in a run."""
    return any((out / task).glob("step-*"))


def begun(out: Path, task: str) -> bool:
    """Whether something of a task is made in a run: words have their tokenizer before the first step."""
    return has_learnt(out, task) or (task in ("text", "clip") and (out / "tokenizer").exists())


def learning_from(out: Path, task: str, locked: bool) -> tuple[str, ...]:
    """Which tasks of a run learn from what a task has made. Where the words came first, or are those of ``start_from``
    for good (``clip.locked``), the U-Net listens to those, and CLIP may follow at any time."""
    return () if task == "clip" and (locked or has_learnt(out, "text")) else LATER[task]


def finished(facts: dict[str, Any], loop: LoopConfig) -> bool:
    """Whether a checkpoint with these facts is a task's last one."""
    over = loop.minutes > 0 and facts.get("elapsed", 0.0) >= 60 * loop.minutes
    return bool(over or facts["step"] * facts["batch"] >= loop.pictures)


def of_pictures(out: Path, locked: bool = False) -> MayChange:
    """The rules for a run that learns pictures: what no network has learnt from yet may still be changed."""

    def may_change(name: str, value: Any) -> str:
        task, _, last = name.split(".")[0], *name.rpartition(".")[1:]
        if name in FREE or (".loop." in name and last in FREE_OF_LOOP):
            return ""
        if task not in LATER:
            return "everything that was learnt follows from it"
        later = [CALLED[other] for other in learning_from(out, task, locked) if has_learnt(out, other)]
        if later:
            return f"the {later[0]} has already learnt from the {CALLED[task]}"
        if not begun(out, task) or (name.startswith(OF_THE_IMAGE_TOWER) and not has_learnt(out, task)):
            return ""
        return of_loop(out / task, name, value)

    return may_change


def of_loop(folder: Path, name: str, value: Any) -> str:
    """Why a setting of a task that has begun cannot be changed, "" for its length and its learning rate."""
    last = name.rpartition(".")[2]
    if "loop." not in name or last not in {*LENGTH, *FREE_OF_LOOP, "learning_rate", "falls_from", "orthogonal"}:
        return "what was learnt so far follows from it"
    found, _ = checkpoint.newest(folder)
    if found is None or last not in LENGTH or not value:
        return ""
    facts = found.facts
    seen, minutes = facts["step"] * facts["batch"], facts.get("elapsed", 0.0) / 60
    if last == "pictures" and value < seen:
        return f"it has seen {seen:,} already"
    return f"it has trained for {minutes:.1f} minutes already" if last == "minutes" and value < minutes else ""


def story_checkpoints(out: Path) -> Path:
    """Where the run's checkpoints are; runs of earlier versions have them in "words", and go on there."""
    earlier = out / "words"
    return earlier if earlier.exists() else out / "story"


def of_story(out: Path) -> MayChange:
    """The rules for a run of the story game, which has one network."""

    def may_change(name: str, value: Any) -> str:
        if name == "precision":
            return "the run's number format is settled when it begins"
        folder = story_checkpoints(out)
        return "" if name in FREE or not begun(out, folder.name) else of_loop(folder, name, value)

    return may_change


def check_order(out: Path, recipe: Recipe, tasks: tuple[str, ...]) -> None:
    """Refuse to begin a task whose place was taken by what ``start_from`` knows, after others have learnt from that.

    Raises:
        UserError: for example CLIP is asked for where the U-Net has learnt to listen to another one.
    """
    for task in tasks:
        later = [other for other in learning_from(out, task, recipe.clip.locked) if has_learnt(out, other)]
        if later and not has_learnt(out, task):
            raise UserError(
                f"the {CALLED[later[0]]} in {out} has learnt with the {CALLED[task]} of "
                f"{recipe.start_from or 'its model'}, and training {task} now would change what it knows; "
                f"leave {task} out of --tasks, or use a new --out"
            )


def _with_new_fields(before: C, now: C, stored: dict[str, Any], call: Call) -> C:
    """Settings that the stored recipe does not know yet stay as they were then, unless this call sets them."""
    old = dict(leaves(before.to_dict()))
    return now.with_overrides({n: v for n, v in old.items() if not _has(stored, n) and n not in call.settings})


def leaves(tree: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting of a stored recipe by its dotted name, with its value."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _has(tree: dict[str, Any], name: str) -> bool:
    branch: Any = tree
    for part in name.split("."):
        if not isinstance(branch, dict) or part not in branch:
            return False
        branch = branch[part]
    return True


def _shown(value: Any) -> str:
    if isinstance(value, list):
        value = f"({', '.join(map(_shown, value))})"
    text = "none" if value is None else "''" if value == "" else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
