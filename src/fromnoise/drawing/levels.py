"""The numbers of a plan: what a request leaves open is the model's own; then the sampler, and the levels it walks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from fromnoise.diffusion.paths import Path as Walk
from fromnoise.diffusion.paths import Spread, path
from fromnoise.diffusion.samplers import Sampler, canonical, read_name, sampler
from fromnoise.diffusion.schedule import Spacing
from fromnoise.drawing.checks import check_numbers
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage

OWN = ("steps", "guidance", "interval", "rescale", "sampler", "spacing")  # what a model's defaults decide


@dataclass(frozen=True, eq=False)
class Levels:
    """How the noise is taken away.

    Attributes:
        sampler: its name.
        solver: the sampler itself, with its options, on the levels of ``walk``.
        options: settings of the sampler, as the model's files ask for.
        walk: the noise levels that are visited.
        steps: moves of the whole way.
        spacing, sigmas: how the levels are spread.
    """

    sampler: str
    solver: Sampler
    options: Mapping[str, Any]
    walk: Walk
    steps: int
    spacing: str
    sigmas: str


@dataclass(frozen=True)
class Filled:
    """What a request leaves open, decided by the model; not yet checked."""

    sampler: str
    spread: str
    steps: int
    guidance: float
    interval: tuple[int, int]
    rescale: float


def fill(model: TextToImage, request: Request) -> Filled:
    """What will be used where a request says nothing."""
    own, most = model.defaults, model.schedule.steps
    name, spread = read_name(request.sampler or own.sampler)
    # DDPM needs all of its steps, as the classic explanation tells it.
    steps = most if canonical(name) == "ddpm" else own.steps
    low, high = own.interval if len(own.interval) == 2 else (1, 0)
    return Filled(
        name,
        spread,
        steps if request.steps is None else request.steps,
        own.guidance if request.guidance is None else request.guidance,
        # The same defaults serve models with fewer levels.
        (min(low, most), min(high, most)) if request.interval is None else request.interval,
        own.rescale if request.rescale is None else request.rescale,
    )


def lay(model: TextToImage, request: Request, filled: Filled) -> Levels:
    """The sampler and its levels; all numbers are checked on the way, because they are needed here.

    Raises:
        UserError: one of them is out of range, or there is no such sampler; it says so where the model decided it.
    """
    try:
        layout, options = model.layout(filled.sampler, filled.steps)
        whole = replace(
            request,
            steps=filled.steps,
            guidance=filled.guidance,
            interval=filled.interval,
            rescale=filled.rescale,
        )
        check_numbers(whole, filled.steps, model.schedule.steps)
        spacing = layout.spacing if request.spacing is None else cast(Spacing, request.spacing)
        named = filled.spread or layout.sigmas if request.sigmas is None else request.sigmas
        sigmas = cast(Spread, named or "")
        name = filled.sampler
        walk = path(model.schedule, name, filled.steps, replace(layout, spacing=spacing, sigmas=sigmas))
        return Levels(name, sampler(name, walk, options), options, walk, filled.steps, spacing, sigmas)
    except UserError as error:
        if error.field in OWN and getattr(request, error.field) is None:
            raise error.behind(f"this model's own {error.field} cannot be used: ", error.field) from None
        raise
