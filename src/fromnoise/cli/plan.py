"""What is said of a training before it begins and after it has ended."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from fromnoise.ground.errors import one_line

if TYPE_CHECKING:
    from fromnoise.training.situation import Suited


def as_asked(
    found: Any, settings: dict[str, str], tasks: tuple[str, ...] | None, begins: bool, minutes: float | None
) -> Any:
    """A recipe with what was set by hand. One that suits itself says first why it is as it is.

    Args:
        found: what :func:`fromnoise.cli.train.load_recipe` gave.
        settings: by dotted names.
        tasks: those that were asked for, None for the recipe's.
        begins: whether the training begins and does not go on.
        minutes: that it may take, None for as many as it needs.

    Raises:
        UserError: a setting or a task that it does not have.
    """
    from fromnoise.training.processes import launched
    from fromnoise.training.situation import Suited

    if not isinstance(found, Suited):
        return found.with_overrides(settings)
    wanted = found.recipe.with_overrides(settings)
    wanted.check_tasks(tasks or wanted.tasks)
    if begins and launched()[0] == 0:
        shorter = minutes is not None or any(".loop." in name for name in settings)
        told = "you ask for another length than the usual one: of that, not of yours, is what follows"
        reasons = (told, *found.reasons) if shorter else found.reasons
        tell_plan(replace(found, recipe=wanted, reasons=reasons), minutes)
    return wanted


def tell_plan(suited: Suited, minutes: float | None) -> None:
    """Say on standard error why a recipe is as it is, and how long it will take here, measured now."""
    from fromnoise.training.estimate import hours

    took = hours(suited.recipe, suited.recipe.tasks, suited.pictures)
    if minutes is not None and suited.recipe.fits_minutes:
        took = min(took, minutes / 60)
    end = f"to the end: about {spoken(took)} on this machine, if nothing else runs (measured just now)"
    cropped = suited.cropped if suited.recipe.data.fit == "crop" else ()
    for line in (*suited.reasons, *cropped, end):
        print(one_line(line), file=sys.stderr)


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
