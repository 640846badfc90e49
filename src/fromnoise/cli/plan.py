"""What is said of a training before it begins and after it has ended."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from fromnoise.ground.errors import UserError, one_line

if TYPE_CHECKING:
    from fromnoise.training.recipe import Recipe
    from fromnoise.training.situation import Suited

LENGTHS = (".loop.pictures", ".loop.minutes")
SUITED: dict[tuple[str, ...], str] = {
    ("lora",): "lora",
    ("diffusion",): "finetune",
}  # which recipe trains so, of those that suit themselves


def as_begun(found: Any, settings: Mapping[str, str], out: Path) -> Recipe | None:
    """The stored recipe of a run that goes on with a recipe that suits itself; None where another one is named, or
    nothing has begun. What suits pictures and machine is settled when a run begins, so it goes on as it began.

    Args:
        found: what :func:`fromnoise.cli.train.load_recipe` gave.
        settings: by dotted names.
        out: the run's folder.

    Raises:
        UserError: the run trains something else than the recipe that is named.
    """
    from fromnoise.training.continuing import recipe_of
    from fromnoise.training.situation import Suited

    before = recipe_of(out) if isinstance(found, Suited) else None
    if before is None or _called(before.tasks) == _called(found.recipe.with_overrides(settings).tasks):
        return before
    by = f"'train {_called(before.tasks)}'" if before.fits_minutes else f"another recipe ({before.name})"
    raise UserError(f"{out} was begun by {by}; go on with that, or use a new --out")


def _called(tasks: tuple[str, ...]) -> str:
    return SUITED.get(tasks, "scratch")


def as_asked(found: Any, settings: dict[str, str], tasks: tuple[str, ...] | None) -> Any:
    """A recipe with what was set by hand.

    Args:
        found: what :func:`fromnoise.cli.train.load_recipe` gave.
        settings: by dotted names.
        tasks: those that were asked for, None for the recipe's.

    Raises:
        UserError: a setting or a task that it does not have.
    """
    from fromnoise.training.situation import Suited

    if not isinstance(found, Suited):
        return found.with_overrides(settings)
    wanted = found.recipe.with_overrides(settings)
    wanted.check_tasks(tasks or wanted.tasks)
    return wanted


def check_read(
    wanted: Any, settings: Mapping[str, str], tasks: tuple[str, ...] | None, out: Path, as_before: bool
) -> None:
    """Refuse what ``--set`` asks of tasks that this run does not train, neither now nor in another call.

    Args:
        wanted: the recipe with the settings.
        settings: by dotted names.
        tasks: those that were asked for, None for the recipe's.
        out: the run's folder; one that goes on may be given what it was begun with again.
        as_before: the stored recipe counts.

    Raises:
        UserError: a setting that changes nothing.
    """
    from fromnoise.training.continuing import RUN, has_learnt, leaves, stored_run
    from fromnoise.training.recipe import TASKS, Recipe

    if not isinstance(wanted, Recipe):
        return  # a story's has one network
    stored = stored_run(out) if (out / RUN).is_file() else None
    if stored is None:
        wanted.check_settings(settings, {*wanted.tasks, *(tasks or ())})
        return
    before, now = dict(leaves(stored["recipe"])), dict(leaves(wanted.to_dict()))
    trained = set(stored["recipe"].get("tasks", wanted.tasks)) | {task for task in TASKS if has_learnt(out, task)}
    new = [name for name in settings if before.get(name) != now.get(name)]
    wanted.check_settings(new, {*trained, *(() if as_before else wanted.tasks), *(tasks or ())})


def tell_plan(
    suited: Suited, settings: Mapping[str, str], tasks: tuple[str, ...] | None, minutes: float | None
) -> None:
    """Say on standard error why a recipe that suits itself is as it is, and how long it will take here, measured now.

    Args:
        suited: the recipe, with what was set by hand, and the reasons.
        settings: that, by dotted names.
        tasks: those that were asked for, None for the recipe's.
        minutes: that the training may take, None for as many as it needs.
    """
    from fromnoise.training.processes import launched

    if launched()[0] != 0:
        return
    shorter = minutes is not None or any(name.endswith(LENGTHS) for name in settings)
    told = (
        "you ask for another length than the usual one: how often pictures are seen is told of that one, "
        "the time at the end of yours"
    )
    end = _length_told(suited, tasks or suited.recipe.tasks, minutes)
    cropped = suited.cropped if suited.recipe.data.fit == "crop" else ()
    for line in (*((told,) if shorter else ()), *suited.reasons, *cropped, *end):
        print(one_line(line), file=sys.stderr)


def _length_told(suited: Suited, tasks: tuple[str, ...], minutes: float | None) -> tuple[str, ...]:
    """How long it takes, and where that is known, after how long something has come of it."""
    import torch

    from fromnoise.training.estimate import length

    if torch.accelerator.is_available():
        return ("how long it takes is said after its first steps: there is a GPU, which is not measured before",)
    shown = suited.shown if tasks == suited.recipe.tasks else None
    took = length(suited.recipe, tasks, suited.pictures, minutes, shown.pictures if shown is not None else 0)
    first, whole = spoken(took.first), spoken(took.whole)
    end = f"first sheet after about {first}, to the end about {whole}, if nothing else runs (measured just now)"
    if shown is None or took.shown is None:
        return (end,)
    return f"{shown.said}: here about {spoken(took.shown)}", end


def spoken(hours: float) -> str:
    """A length of time as people say it, in two figures at most."""
    minutes = 60 * hours
    if minutes < 1.5:
        return "a minute"
    if minutes < 90:
        return f"{_round(minutes)} minutes"
    return f"{_round(hours)} hours" if hours < 48 else f"{_round(hours / 24)} days"


def _round(value: float) -> str:
    return f"{value:.1f}" if value < 3 and value != round(value) else f"{float(f'{value:.2g}'):g}"


def tell_lora(out: Path) -> None:
    """Say what a finished LoRA is called and how it is used."""
    from safetensors import safe_open

    from fromnoise.training.adapting import FILE
    from fromnoise.training.continuing import stored_run

    file = out / FILE
    print(file)
    with safe_open(file, "pt") as stored:
        words = (stored.metadata() or {}).get("modelspec.trigger_phrase", "")
    run = stored_run(out)
    model = run["recipe"]["start_from"] if run else ""
    asked = f'"a cat{f", {words}" if words else ""}"'
    print(f"draw with it: fromnoise generate {asked} --model {quote(model)} --lora {quote(str(file))}")
