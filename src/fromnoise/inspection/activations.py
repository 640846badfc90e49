"""The U-Net at work: what comes out of each of its blocks, and what share of weights and of time each has.

Blocks carry the names of the architecture: block "8x8_down_0" is "down.8x8_down_0" in the diagram that
:func:`fromnoise.inspection.architecture.machine_of` makes.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.conditioning import conditioned
from fromnoise.drawing.generate import generate
from fromnoise.drawing.plan import Plan
from fromnoise.ground.cores import each_alone
from fromnoise.ground.errors import UserError
from fromnoise.inspection.watch import Look, block_names, watching
from fromnoise.models.unet.unet import UNet
from fromnoise.system.engine import TorchEngine
from fromnoise.system.text_to_image import TextToImage

REPEATS, WARM = 9, 2  # measured steps, and those before them that are not counted
PATIENCE = 2.0  # seconds after which no further step is measured: a large model's first one is good enough
FINE = 1e-6  # seconds that a clock must be able to tell apart
ENDS = "ends"  # what is in no block: the first and last convolution, the noise level


@dataclass(frozen=True, eq=False)
class Block:
    """A part of the U-Net, and its share of the whole.

    Attributes:
        name: as "8x8_down_0".
        path: in the diagram, as "down.8x8_down_0".
        kind: its class.
        weights: how many.
        weight_share: of all the U-Net's weights, 0…1.
    """

    name: str
    path: str
    kind: str
    weights: int
    weight_share: float


@dataclass(frozen=True, eq=False)
class Activation:
    """What one block handed on at one step, for the picture with its words.

    Attributes:
        block: its name.
        maps: float32 [C,h,w].
    """

    block: str
    maps: Tensor

    @property
    def strength(self) -> Tensor:
        """How much there is at each position: root of the mean square over channels, float32 [h,w]."""
        return self.maps.square().mean(0).sqrt()

    @property
    def variances(self) -> Tensor:
        """Of each channel over positions, float32 [C]."""
        return self.maps.flatten(1).var(1, correction=0)

    def strongest(self, count: int) -> list[int]:
        """The channels that differ most from place to place, the strongest first; of equal ones the lower number."""
        return self.variances.sort(descending=True, stable=True).indices[:count].tolist()


@dataclass(frozen=True, eq=False)
class Moment:
    """One step.

    Attributes:
        index, total: step ``index`` (from 0) of ``total``.
        t: its noise level.
        noisy: what goes into the network, latents, float32 [1,C,h,w].
        guess: what the network believes the picture to be, latents of the same size.
        activations: of all blocks, in the order in which a picture passes them.
    """

    index: int
    total: int
    t: float
    noisy: Tensor
    guess: Tensor
    activations: tuple[Activation, ...]


@dataclass(frozen=True)
class Timing:
    """How long a step of one picture takes in the parts of the U-Net, on one core (or on the model's own device).

    Attributes:
        milliseconds: median over ``repeats``, of each block by its name, and of the rest as ``ENDS``.
        repeats: how many steps were measured; fewer than asked for where they take long.
    """

    milliseconds: dict[str, float]
    repeats: int

    @property
    def total(self) -> float:
        """Milliseconds of all parts together."""
        return sum(self.milliseconds.values())

    def share(self, block: str) -> float:
        """Of the whole step, 0…1."""
        return self.milliseconds[block] / self.total


def blocks_of(model: TextToImage) -> list[Block]:
    """The U-Net's blocks in the order in which a picture passes them; weights are counted as its config says, because
    layers that are packed for drawing keep theirs elsewhere."""
    with torch.device("meta"):
        plain = UNet(model.unet.config)
    whole = _count(plain)
    return [
        Block(name, f"{way}.{name}", type(block).__name__, _count(block), _count(block) / whole)
        for way in ("down", "middle", "up")
        for name, block in getattr(plain, way).items()
    ]


def named(model: TextToImage, block: str) -> str:
    """The name of a block that was named with or without its way: "8x8_down_0" of "down.8x8_down_0".

    Raises:
        UserError: there is no such block.
    """
    blocks = blocks_of(model)
    for each in blocks:
        if block in (each.name, each.path):
            return each.name
    raise UserError(f"the U-Net has no block '{block}'; it has {', '.join(each.name for each in blocks)}")


def moments(model: TextToImage, plan: Plan) -> Iterator[Moment]:
    """Draw one picture and look at all blocks after every step. Closing the iterator cancels.

    One moment holds all maps of one step: for the shipped model 0.2 MB, for Stable Diffusion 1.5 at 512 px 67 MB, which
    with what they are copied by raised the most memory in a step from 5,603 to 5,686 MiB (benchmarks/watching.py).

    Raises:
        UserError: the model is computed by another engine than torch.
    """
    with watching(model, plan, outputs=block_names(model)) as (watched, seen):
        for event in generate(watched, plan):
            if isinstance(event, Step):
                blocks = _last_of_each(seen.take())
                yield Moment(event.index, event.total, event.t, event.x_t, event.x0_hat, blocks)


def moment_at(model: TextToImage, plan: Plan, at: int | None = None) -> Moment:
    """The moment of step ``at``, from 1; the one in the middle by default. What comes after is not computed.

    Raises:
        UserError: there is no such step; see also :func:`moments`.
    """
    check_step(plan, at)
    found = moments(model, plan)
    for moment in found:
        if moment.index + 1 == (at or (moment.total + 1) // 2):
            found.close()  # type: ignore[attr-defined]  # it is a generator
            return moment
    raise UserError(f"the drawing has no step {at}")


def check_step(plan: Plan, at: int | None) -> None:
    """Refuse a step that the drawing will not have.

    Raises:
        UserError: see above.
    """
    total = len(plan.levels.walk.times)
    if at is not None and not 1 <= at <= total:
        raise UserError(f"there is no step {at}: this drawing has steps 1…{total}")


def timing(model: TextToImage, plan: Plan, repeats: int = REPEATS) -> Timing:
    """Measure how long each block takes: hooks note the clock before and after it, while steps are computed.

    It is one picture with its words, in the middle of the noise levels, on one core; the median of some repeats, or one
    step alone if that takes ``PATIENCE`` seconds.

    Raises:
        UserError: the model is computed by another engine than torch.
    """
    if not isinstance(model.engine, TorchEngine):
        raise UserError("only torch can be looked into; open the model without a backend")
    _, words = conditioned(model, [plan])
    height, width = model.latent_shape(plan.drawn_size)[1:]
    x = torch.randn(1, model.unet.config.in_channels, height, width, generator=torch.Generator().manual_seed(plan.seed))
    t = torch.tensor([model.schedule.steps // 2])
    calls = [x.to(model.device), t.to(model.device), words]

    def measured() -> list[dict[str, float]]:
        laps: list[dict[str, float]] = []
        while len(laps) < WARM + repeats and sum(sum(lap.values()) for lap in laps) < PATIENCE:
            laps.append(_timed(model, calls))
        return laps[WARM:] or laps[-1:]

    if model.device.type == "cpu":
        laps = each_alone(measured, [()])[0]
    else:
        with torch.inference_mode():
            laps = measured()
    return Timing({name: 1000 * statistics.median(lap[name] for lap in laps) for name in laps[0]}, len(laps))


def _timed(model: TextToImage, call: list[Any]) -> dict[str, float]:
    """Seconds that one step spends in each block, and in the rest."""
    clock = _Clock(model.device)
    handles: list[RemovableHandle] = []
    ways = (model.unet.down, model.unet.middle, model.unet.up)
    for name, block in ((name, block) for way in ways for name, block in way.items()):
        handles += clock.watch(name, block)
    try:
        begin = clock.now()
        model.engine.predict(*call)
        whole = clock.now() - begin
    finally:
        for handle in handles:
            handle.remove()
    return {**clock.spent, ENDS: whole - sum(clock.spent.values())}


class _Clock:
    """Notes how long modules take in the thread that made it; other drawings may go on meanwhile."""

    def __init__(self, device: torch.device) -> None:
        self.spent: dict[str, float] = {}
        self._device, self._thread, self._begun = device, threading.get_ident(), 0.0

    def now(self) -> float:
        """Seconds: of this thread's own work on a CPU, whatever else the machine does; a GPU is waited for."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        own = self._device.type == "cpu" and time.get_clock_info("thread_time").resolution <= FINE
        return time.thread_time() if own else time.perf_counter()

    def watch(self, name: str, block: nn.Module) -> list[RemovableHandle]:
        """Attach the hooks of one module."""

        def begin(*_: Any) -> None:
            if threading.get_ident() == self._thread:
                self._begun = self.now()

        def end(*_: Any) -> None:
            if threading.get_ident() == self._thread:
                self.spent[name] = self.spent.get(name, 0.0) + self.now() - self._begun

        hooks: list[Callable[..., None]] = [begin, end]
        return [block.register_forward_pre_hook(hooks[0]), block.register_forward_hook(hooks[1])]


def _last_of_each(looks: list[Look]) -> tuple[Activation, ...]:
    """What each block handed on when it was last called in a step: some samplers call the network twice."""
    found = {look.block: look.output for look in looks if look.output is not None}
    return tuple(Activation(name, maps) for name, maps in found.items())


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
