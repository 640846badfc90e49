"""Contract 3: what a network has to offer to be trained by the one loop."""

from __future__ import annotations

import copy
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Self

import torch
from PIL import Image
from torch import Tensor, nn

from fromnoise.training.clock import Clock
from fromnoise.training.recipe import LoopConfig
from fromnoise.training.rival import NOBODY, Rival
from fromnoise.training.share import ALL, Share

Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Compute:
    """Where and in which number format a task computes."""

    device: torch.device
    dtype: torch.dtype
    memory_format: torch.memory_format

    def place(self, network: Any) -> Any:
        """Move a network there, in place, frozen and ready to be asked."""
        moved = network.to(self.device, self.dtype, memory_format=self.memory_format)
        return moved.eval().requires_grad_(False)


class Task(ABC):
    """A network with its loss.

    A task is handed its clock at every step and keeps no random state, so that a run can be resumed from the
    step number and the weights alone.

    Attributes:
        name: "text", "clip", "vae", "diffusion", "distill" or "lora"; also the name of its folder in the run.
        network: the module that is trained.
        config: how it is trained.
        unit: what a batch consists of.
        rival: who learns against the network, mostly nobody.
        keeps_frozen: whether checkpoints hold the weights that are not trained, too; not where they are a finished
            model's, which may be large and is there anyway.
        share: the part of every batch that this process computes with; the loop sets it before the first step.
        steady: whether the loss asks the same all the time, so that it must not rise.
        widths: of the long averages that are kept beside it (:mod:`fromnoise.training.long_averages`).
        snapshots: pictures between two times at which they are stored.
    """

    name: str
    network: Any
    config: LoopConfig
    unit: str = "pictures"
    rival: Rival = NOBODY
    keeps_frozen: bool = True
    share: Share = ALL
    steady: bool = True
    widths: tuple[float, ...] = ()
    snapshots: int = 50_000

    @property
    def setting(self) -> str:
        """Where its loop's settings stand in the recipe."""
        return f"{self.name}.loop"

    @abstractmethod
    def batch(self, clock: Clock) -> Any:
        """Everything the step needs, as a pure function of the clock: the share's rows of what one process would draw.

        A task that draws the whole batch everywhere is right as well, and gains nothing by more processes.
        """

    @abstractmethod
    def losses(self, batch: Any, clock: Clock) -> Losses:
        """Named scalars, each a mean over the share's rows or the same figure of the whole batch everywhere.

        ``"loss"`` is minimised, the others are only logged.
        """

    def parameters(self) -> list[nn.Parameter]:
        """What the optimizer moves, in a fixed order."""
        return [p for p in self.network.parameters() if p.requires_grad]

    def copied(self) -> nn.Module:
        """A copy of the network in fp32, in eval mode, to be given averaged weights."""
        return copy.deepcopy(self.network).float().eval()  # type: ignore[no-any-return]

    def guessing(self, batch: int) -> float:
        """The loss of a batch of so many for whoever only guesses, where that is known; infinite elsewhere."""
        return math.inf

    def rehearsing(self) -> Self:
        """A task like this one, on a copy of its network, that may be trained without a trace in this one."""
        twin = copy.copy(self)
        twin.network = copy.deepcopy(self.network)
        return twin

    def details(self) -> dict[str, float]:
        """Extra numbers for the log, gathered since the last call (e.g. the loss per noise level)."""
        return {}

    @abstractmethod
    def samples_for_log(self, network: nn.Module) -> Image.Image | None:
        """A fixed sheet drawn with ``network`` (the averaged weights in fp32), the same request every time."""

    def score(self, network: nn.Module) -> dict[str, float]:
        """Figures on held-out pictures, computed beside each sheet."""
        return {}
