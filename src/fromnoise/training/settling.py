"""Before a run begins or goes on: its recipe, its tasks and its time, as they follow from what is asked and stored."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from pathlib import Path

from fromnoise.training import continuing
from fromnoise.training.continuing import Call
from fromnoise.training.identity import Going
from fromnoise.training.recipe import Recipe
from fromnoise.training.retired import without_judges
from fromnoise.training.run_folder import check_earlier


def begun(recipe: Recipe, out: Path, tasks: tuple[str, ...] | None, call: Call) -> tuple[Recipe, Going]:
    """The recipe that a run begins or goes on with, and what else it is told.

    Args:
        recipe: as it is asked for now.
        out: the run's folder.
        tasks: to train; None takes the recipe's.
        call: what else this call asks.

    Raises:
        UserError: a run of another recipe in ``out``, or tasks whose time has not come or is over.
    """
    deadline = time.monotonic() + 60 * call.minutes
    stored = continuing.stored_run(out)
    if stored is not None and call.as_before:  # what is asked for now says nothing: not even in which order
        recipe = continuing.restored(out, stored["recipe"], Recipe).with_overrides(dict(call.settings))
    recipe, call = without_judges(recipe, stored, out, call)
    tasks = recipe.ordered(recipe.tasks if tasks is None else tasks)
    recipe.check_tasks(tasks)
    if call.minutes < math.inf and continuing.fits_minutes(recipe, stored):
        asked = continuing.minutes_of(tasks, call)
        recipe, deadline = recipe.with_overrides(asked), math.inf
        call = replace(call, settings={**call.settings, **asked})
    recipe = continuing.with_minutes_of_others(recipe, stored, tasks, call)
    before = None if stored is None else stored["recipe"]
    recipe, changed = continuing.settled(
        out, before, continuing.same_base(recipe, stored), call, continuing.of_pictures(out, recipe.clip.locked)
    )
    check_earlier(out, tasks, bool(recipe.start_from), recipe.tasks)
    continuing.check_order(out, recipe, tasks)
    return recipe, Going(stored, changed, tasks, deadline, call.verbose, self_test=call.self_test)
