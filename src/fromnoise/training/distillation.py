"""The distillation of a finished model, in a run of its own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage
from fromnoise.training import continuing
from fromnoise.training.continuing import Call
from fromnoise.training.distilling import recipe_for
from fromnoise.training.identity import Going
from fromnoise.training.run import Run


def distill(
    place: Path | str | None, data: Path | str, out: Path, settings: dict[str, str], call: Call | None = None
) -> Path:
    """Teach a finished model to draw in a few steps, in a run of its own; or go on with that.

    Args:
        place: the model, as :meth:`TextToImage.load` takes it.
        data: a folder of captioned pictures, a packed file, or "starter"; best those it was trained on.
        out: the run's folder.
        settings: overrides of the model's recipe, by dotted names.
        call: as of :func:`train`; its settings are ``settings``.

    Returns:
        The folder of a copy of the model that has ``few_steps/`` (``out/model``).

    Raises:
        UserError: as :func:`train`, or a kind of model that cannot be distilled.
    """
    call = replace(call or Call(), settings=settings)
    model = TextToImage.load(place, None)
    stored = continuing.stored_run(out)
    there = (out / "model").exists()
    if there and TextToImage.load(out / "model").hash != model.hash:
        raise UserError(f"{out} was started with another model; use a new --out")
    recipe = recipe_for(model).with_overrides(settings)
    if stored is None:
        recipe.check_settings(settings, ("distill",))
    recipe, changed = continuing.settled(
        out, None if stored is None else stored["recipe"], recipe, call, continuing.of_pictures(out)
    )
    run = Run(recipe, data, out, Going(stored, changed, ("distill",), verbose=call.verbose, model=model.hash))
    if not there:
        model.save(out / "model", None)
    run.train("distill")
    return out / "model"
