"""Fitting solvers of few steps to a model, and how near their pictures come to those of many steps."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from fromnoise.diffusion.fitting import Estimate, Fitting
from fromnoise.diffusion.samplers import FITTED
from fromnoise.diffusion.samplers.base import Calls, Step
from fromnoise.drawing.conditioning import conditioned
from fromnoise.drawing.generate import generate_together
from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.system.few_steps import save_solvers, solvers_of
from fromnoise.system.solver_file import MOST_STEPS, SOLVER_FILE, Solver
from fromnoise.system.text_to_image import TextToImage

FINE = 40  # steps of the walk that is fitted to
CAPTIONS = 64  # that are drawn for it, a quarter of them to measure with


@dataclass(frozen=True)
class Outcome:
    """What came of a fit.

    Attributes:
        solvers: by their steps.
        distances: mean squared distance of latents (of about unit variance) from those of the fine walk, of prompts
            that nothing was fitted to: by "4 fitted", "4", "5" …, where a bare number means so many steps of the
            model's own solver.
    """

    solvers: dict[int, Solver]
    distances: dict[str, float]


def fit_to(
    place: Path | str | None, prompts: Sequence[str], out: Path, steps: Sequence[int], seed: int = 0,
    told: Callable[[str], None] = lambda text: None,
) -> tuple[Path, Outcome]:  # fmt: skip
    """Fit solvers to a model, and write them beside a copy of it.

    Args:
        place: the model, as :meth:`TextToImage.load` takes it.
        prompts, steps, seed, told: as of :func:`fit_solvers`.
        out: the copy is ``out/model``; solvers of other steps that were fitted there before stay.

    Returns:
        The copy's folder, and what came of it.

    Raises:
        UserError: there is no such model, ``out`` holds something else, or as :func:`fit_solvers`.
    """
    model, copy = TextToImage.load(place, None), out / "model"
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; give the solver a folder")
    if (out / "run.json").exists():
        raise UserError(f"{out} is the folder of a training; give the solver another --out")
    if copy.exists() and TextToImage.load(copy).hash != model.hash:
        raise UserError(f"{copy} is another model; use a new --out")
    if model.few_steps is not None and not (model.few_steps / SOLVER_FILE).is_file():
        told("the copy draws fast with the solver, no longer with the distillation that the model brings along")
    fitted = fit_solvers(model.for_drawing(), prompts, steps, seed, told)
    if not copy.exists():  # what else somebody put there stays
        model.save(copy, None)
    stored = TextToImage.load(copy, None)
    save_solvers(copy, stored, {**solvers_of(stored), **fitted.solvers})
    return copy, fitted


def fit_solvers(
    model: TextToImage, prompts: Sequence[str], steps: Sequence[int], seed: int = 0,
    told: Callable[[str], None] = lambda text: None,
) -> Outcome:  # fmt: skip
    """Fit a solver to a model for each number of steps.

    Args:
        model: ready to draw.
        prompts: what it is asked for while the solver is fitted; every fourth is kept to measure with.
        steps: how many; each from 1 to 20.
        seed: of the noises.
        told: is called with lines about the progress.

    Raises:
        UserError: too few prompts, steps out of range, or a model that is distilled already.
    """
    if model.for_inpainting or model.schedule.is_flow:
        raise UserError("a solver is fitted to models that draw from words alone and remove noise, not to this kind")
    if model.fixed:
        raise UserError("this model draws in few steps already; fit a solver to the model it comes from")
    if bad := [n for n in steps if not 1 <= n <= MOST_STEPS]:
        raise UserError(f"a solver has 1 to {MOST_STEPS} steps, not {bad[0]}", "steps")
    prompts = _alike(model, prompts)
    if len(prompts) < 8:
        raise UserError(f"fitting a solver needs 8 captions or more, not {len(prompts)}; better 100")
    kept = list(prompts[3::4])
    learnt = [prompt for i, prompt in enumerate(prompts) if i % 4 != 3]
    told(f"a walk of {FINE} steps for {len(learnt)} captions")
    walk, estimate = _walk(model, learnt, seed, FINE)
    fitting, solvers = Fitting(walk, estimate), {}
    for count in sorted(set(steps)):
        found = fitting.fit(count, told)
        solvers[count] = Solver(tuple(int(t) for t in found.times), found.moves)
    told(f"measuring with {len(kept)} other captions")
    return Outcome(solvers, _distances(model, kept, seed + len(prompts), solvers))


def _alike(model: TextToImage, prompts: Sequence[str]) -> list[str]:
    """Prompts that are read in as many parts as most of them are: one batch has no others."""
    parts = [made.parts for made in _plans(model, prompts, 0, FINE)]
    usual = Counter(parts).most_common(1)
    return [prompt for prompt, count in zip(prompts, parts, strict=True) if count == usual[0][0]]


def _plans(model: TextToImage, prompts: Sequence[str], seed: int, steps: int) -> list[Plan]:
    """Of prompts with the model's styles in turn, drawn as the model is best drawn with."""
    styles = itertools.cycle(model.styles or ("",))
    asked = zip(prompts, styles, itertools.count(seed))
    return [
        plan(model, Request(prompt, style=style or None, seed=number, steps=steps)) for prompt, style, number in asked
    ]


def _walk(model: TextToImage, prompts: Sequence[str], seed: int, steps: int) -> tuple[list[Step], Estimate]:
    """Every step of so many from noise to the end, and the guided model for the same pictures."""
    plans = _plans(model, prompts, seed, steps)
    moves = itertools.islice(generate_together(model, plans), len(plans[0].levels.walk.times))  # no picture is decoded
    called = Calls(*conditioned(model, plans))

    def estimate(x: Tensor, t: float) -> Tensor:
        with torch.no_grad():
            return called(x, t)

    return [step for step in moves if isinstance(step, Step)], estimate


def _distances(model: TextToImage, prompts: Sequence[str], seed: int, solvers: dict[int, Solver]) -> dict[str, float]:
    fine = _walk(model, prompts, seed, FINE)[0][-1].x_next
    found = {}
    own = replace(model, solvers=solvers, defaults=replace(model.defaults, sampler=FITTED))
    for steps in solvers:
        for drawn, name, count in (
            (own, f"{steps} fitted", steps),
            *((model, f"{n}", n) for n in (steps, steps + 1, steps + 2)),
        ):
            if name not in found:
                end = _walk(drawn, prompts, seed, count)[0][-1].x_next
                found[name] = float((end - fine).square().mean())
    return found
