"""``fromnoise train``: pictures to a model."""

from __future__ import annotations

import functools
import importlib.util
import inspect
import math
import os
import shlex
import sys
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from fromnoise.ground.errors import UserError, one_line

RENAMED = {"my_pictures": "finetune"}  # recipes that had another name


def train(
    recipe: Annotated[str, typer.Argument(help="A file in recipes/, or its name: first_model, stickers_cpu …")],
    data: Annotated[str, typer.Option(help="A folder of captioned pictures, a packed file, drawings, or 'starter'.")],
    out: Annotated[Path, typer.Option(help="The run's folder; the same command goes on where it was stopped.")],
    model: Annotated[
        str | None, typer.Option(help="Begin with this model: folder, file or name; for finetune and lora.")
    ] = None,
    trigger: Annotated[
        str | None, typer.Option(help="A name for the style of your pictures, to ask for it later: linocut")
    ] = None,
    set_: Annotated[list[str] | None, typer.Option("--set", help="Override a setting: diffusion.loop.batch=32")] = None,
    tasks: Annotated[
        str | None, typer.Option(help="Of text, clip, vae, diffusion, distill; else the recipe's.")
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(help="Save and pause after so long; of lora, finetune, scratch: their length.", min=0.01),
    ] = None,
    as_before: Annotated[
        bool, typer.Option("--as-before", help="Go on with the recipe that the run began with, whatever it is now.")
    ] = False,
    index: Annotated[
        bool,
        typer.Option(
            "--index/--no-index", help="Keep with the finished model what it learnt from: to find copies, and as a map."
        ),
    ] = True,
    self_test: Annotated[
        bool,
        typer.Option("--self-test/--no-self-test", help="See first, within seconds, whether a network learns at all."),
    ] = True,
    watch: Annotated[bool, typer.Option("--watch", help="Open a page with curves, sheets and warnings.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="Show every figure, as in log.jsonl.")] = False,
) -> None:
    """Train words, CLIP, VAE and U-Net, one after the other; or teach a model that can draw already your own pictures.

    fromnoise train lora --data MY_FOLDER --out runs/mine --trigger linocut
    """
    from fromnoise.training.memory import let_idle_threads_sleep

    let_idle_threads_sleep()
    from fromnoise.cli.plan import as_asked, as_begun, check_read, tell_plan
    from fromnoise.training.continuing import Call, recipe_of
    from fromnoise.training.processes import alone, joined
    from fromnoise.training.recipe import TASKS
    from fromnoise.training.run_folder import check_out
    from fromnoise.training.situation import Suited, situation_of
    from fromnoise.training.story import StoryRecipe, train_story

    chosen, settings = chosen_tasks(tasks, TASKS), {**named(model, trigger), **overrides(set_ or [])}
    check_out(out)
    found: Any = recipe_of(out) if as_before else None  # then nothing that RECIPE says counts
    found = found or load_recipe(recipe, lambda: situation_of(data, model or "", trigger or ""))
    begun = as_begun(found, settings, out)
    as_before = as_before or begun is not None
    wanted = as_asked(begun or found, settings, chosen)
    check_read(wanted, settings, chosen, out, as_before)
    if isinstance(found, Suited) and not as_before:
        tell_plan(replace(found, recipe=wanted), settings, chosen, minutes)
    call = Call(minutes or math.inf, settings, as_before, verbose, self_test)
    if isinstance(wanted, StoryRecipe):
        if watch or tasks is not None:
            said = "--watch" if watch else "--tasks"
            raise UserError(f"{said} is for models that draw; a story model has one network: leave it out")
        alone("a story model")
        _reporting(lambda: print(train_story(wanted, data, out, call)), minutes, out)
        return
    begin = functools.partial(_trained, wanted, data, out, chosen, call, index)
    if "lora" in (chosen or wanted.tasks):
        alone("a LoRA")
    with joined():
        _watched(out, lambda: _reporting(begin, minutes, out), watch)


def _watched(out: Path, begin: Callable[[], None], watch: bool) -> None:
    """Train, with a page beside it where one was asked for."""
    if not watch:
        begin()
        return
    from fromnoise.cli.watching import with_page

    with_page(out, begin)


def _trained(wanted: Any, data: str, out: Path, chosen: tuple[str, ...] | None, call: Any, index: bool) -> None:
    """Train, and say what came of it."""
    from fromnoise.cli.plan import tell_lora
    from fromnoise.training.run import train as run

    does, made = chosen or wanted.tasks, run(wanted, data, out, chosen, call)
    if "lora" in does:
        tell_lora(out)
        return
    print(made if made.exists() else f"{out}: trained {', '.join(does)}; the model appears with 'diffusion'")
    if "diffusion" not in does or not made.exists():
        return
    if index:
        _keep_beside(made, data)
    print(f'draw with it: fromnoise generate "a cat" --model {shlex.quote(str(made))}', file=sys.stderr)


def _keep_beside(model: Path, data: str) -> None:
    """Store with a finished model what it learnt from: an index to find copies, and a map of what its CLIP sees. What
    is there already stays; a model without is a model too."""
    from rich.console import Console

    from fromnoise.cli.views.map import keep_map
    from fromnoise.system.defaults import COPIES, MAP

    named, pictures = shlex.quote(str(model)), f"--data {shlex.quote(data)}"

    def index() -> None:
        from fromnoise.evaluation.copies.check import build_index

        console, looking = (
            Console(stderr=True),
            "looking at the training pictures once more, to find copies of them later",
        )
        if not console.is_terminal:  # where nothing turns, somebody would take the silence for a hang
            _say(f"{looking}; this may take minutes, and --no-index leaves it out")
        with console.status(looking):
            build_index(model, data)
        print(f"is a drawing a copy? fromnoise inspect copies PICTURE --model {named}")

    def chart() -> None:
        keep_map(model, data)
        print(f'what lies near your words? fromnoise inspect map "a cat" --model {named}')

    try:
        if not (model / COPIES).exists():
            _kept(index, "copies cannot be found yet", f"fromnoise inspect index {named} {pictures}")
        if not (model / MAP).exists():
            _kept(chart, "there is no map of it yet", f"fromnoise inspect make-map {named} {pictures}")
    except KeyboardInterrupt:
        by_hand = f"fromnoise inspect index {named} {pictures}", f"fromnoise inspect make-map {named} {pictures}"
        done = (model / COPIES).exists()
        wanted = by_hand[1] if done else " and ".join(by_hand)
        _say(f"stopped; the model is finished, and what it learnt from is kept with it after: {wanted}")


def _kept(make: Callable[[], None], missing: str, by_hand: str) -> None:
    try:
        make()
    except UserError as error:
        _say(f"note: {missing}: {error}; then: {by_hand}")


def _say(text: str) -> None:
    print(one_line(text), file=sys.stderr)


def _reporting(training: Callable[[], None], minutes: float | None, out: Path) -> None:
    """Train, and say how it goes on where it was ended before its end."""
    from fromnoise.ground.duration import to_the_second
    from fromnoise.training.loop import Paused

    try:
        training()
    except Paused as pause:
        print(f"paused after {to_the_second(60 * (minutes or 0.0))}: {pause}; the same command goes on")
    except KeyboardInterrupt:
        if any(out.glob("*/step-*")):
            print("what was learnt is saved; the same command goes on", file=sys.stderr)
        raise


def load_recipe(name: str, situation: Callable[[], Any] | None = None) -> Any:
    """Run a recipe file's ``recipe()``: a :class:`Recipe`, or a :class:`StoryRecipe`; where it takes a
    :class:`Situation`, a :class:`Suited` one.

    Raises:
        UserError: no such file, it cannot be run, or it has no ``recipe()`` that returns one of them.
    """
    from fromnoise.training.recipe import Recipe
    from fromnoise.training.situation import Suited
    from fromnoise.training.story import StoryRecipe

    file = _recipe_file(name)
    try:
        found = _returned(file, situation)
    except UserError:
        raise
    except Exception as error:  # whatever somebody wrote there
        said = f"{type(error).__name__}: {error.msg if isinstance(error, SyntaxError) else error}"
        raise UserError(f"{file}{_line_of(error, file)}: {said}") from error
    if not isinstance(found, Recipe | StoryRecipe | Suited):
        raise UserError(f"recipe() in {file} must return a Recipe or a StoryRecipe; it returns {type(found).__name__}")
    return found


def _line_of(error: Exception, file: Path) -> str:
    """Where in a recipe file something went wrong, as ", line 3"; "" where that is not known."""
    name = os.path.abspath(file)
    if isinstance(error, SyntaxError):
        return f", line {error.lineno}" if error.lineno and error.filename == name else ""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == name]
    return f", line {lines[-1]}" if lines else ""


def _returned(file: Path, situation: Callable[[], Any] | None) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, os.path.abspath(file))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not callable(getattr(module, "recipe", None)):
        raise UserError(f"{file} has no function recipe() that returns a Recipe")
    if inspect.signature(module.recipe).parameters:
        return module.recipe(situation() if situation is not None else _anywhere())
    return module.recipe()


def _anywhere() -> Any:
    """A situation that is none, to look at a recipe."""
    from fromnoise.training.situation import Situation

    return Situation(100, 64)


def _recipe_file(name: str) -> Path:
    # A clone has recipes/ at its top, three folders above this file; an installed package holds them inside.
    here = Path(__file__)
    folders = (Path("recipes"), here.parents[3] / "recipes", here.parents[1] / "recipes")
    now = RENAMED.get(name, name)
    for file in (Path(name), *(folder / f"{now}.py" for folder in folders)):
        if file.is_file() and file.suffix == ".py":
            return file
    known = sorted({f.stem for folder in folders if folder.is_dir() for f in folder.glob("*.py")})
    raise UserError(f"there is no recipe '{name}'; known: {', '.join(known) or 'none here'}, or the path of a .py file")


def chosen_tasks(tasks: str | None, known: tuple[str, ...]) -> tuple[str, ...] | None:
    """Those of ``--tasks``; None where it was not given.

    Raises:
        UserError: none, or one that is not ``known``.
    """
    chosen = None if tasks is None else tuple(part.strip() for part in tasks.split(",") if part.strip())
    if chosen is not None and (not chosen or set(chosen) - set(known)):
        raise UserError(f"--tasks takes some of {', '.join(known)}, separated by commas; not '{tasks}'")
    return chosen


def named(model: str | None, trigger: str | None) -> dict[str, str]:
    """``--model`` and ``--trigger`` as settings."""
    said = {"start_from": model, "data.trigger": trigger}
    return {name: value for name, value in said.items() if value is not None}


def overrides(settings: list[str]) -> dict[str, str]:
    """The settings of ``--set``, by dotted names.

    Raises:
        UserError: one without a value.
    """
    for setting in settings:
        if "=" not in setting:
            raise UserError(f"--set needs name=value, e.g. diffusion.loop.batch=32; not '{setting}'")
    return dict(setting.split("=", 1) for setting in settings)
