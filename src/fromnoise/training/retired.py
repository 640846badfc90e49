"""A setting that nothing learns by any more: the perceptual term, whose network judges what is drawn.

Earlier versions let a VAE learn by the first blocks of the network that ``fromnoise evaluate`` judges with, so its
figures were flattered a little. Runs that began so go on, without that term from now on.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.console import Console

from fromnoise.ground.errors import UserError
from fromnoise.training.continuing import LATER, Call, begun, leaves
from fromnoise.training.recipe import Recipe

PERCEPTUAL = "vae.perceptual"
REFUSED = (
    f"{PERCEPTUAL} is no longer learnt by: the network it looks with judges what is drawn, and a judge must not have "
    "taught. Leave it out, or set it to 0"
)
GOES_ON = (
    f"note: this run began with {PERCEPTUAL} = {{:g}}; its VAE goes on without that term, since the network it looks "
    "with judges what is drawn, and a judge must not have taught"
)


def tell_retired(perceptual: float, console: Console) -> None:
    """Say of a run whose VAE began with the perceptual term that it goes on without."""
    if perceptual:
        console.print(GOES_ON.format(perceptual), style="yellow", highlight=False, soft_wrap=True)


def without_judges(recipe: Recipe, stored: dict[str, Any] | None, out: Path, call: Call) -> tuple[Recipe, Call]:
    """The recipe and the call of a run in which nothing learns by a judge any more.

    A run whose VAE has learnt by one keeps saying so, whatever is asked now: its model's figures are to be read with
    that in mind. One whose VAE has not begun forgets it.

    Args:
        recipe: as it is asked for now.
        stored: what ``run.json`` says of an earlier session, None for a new run.
        out: the run's folder.
        call: as of :func:`fromnoise.training.run.train`.

    Raises:
        UserError: a run that never learnt so is asked to.
    """
    before = None if stored is None else dict(leaves(stored["recipe"])).get(PERCEPTUAL)
    if not isinstance(before, float | int) or not before:
        if recipe.vae.perceptual and (PERCEPTUAL in call.settings or not call.as_before):
            raise UserError(REFUSED)
        return recipe, call
    settings = {name: value for name, value in call.settings.items() if name != PERCEPTUAL}
    if any(begun(out, task) for task in ("vae", *LATER["vae"])):
        return recipe.with_overrides({PERCEPTUAL: str(before)}), replace(call, settings=settings)
    return recipe.with_overrides({PERCEPTUAL: "0"}), replace(call, settings={**settings, PERCEPTUAL: "0"})
