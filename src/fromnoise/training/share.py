"""Which part of every batch a process takes, and how processes put their parts together again.

Everything is a pure function of the clock, so each process draws the random numbers of the whole batch, which cost
nothing, and computes with its own rows. What looks at a whole batch (CLIP's contrast) gathers rows with their gradient.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor

Rows = TypeVar("Rows", Tensor, list[str])


@dataclass(frozen=True)
class Share:
    """One of several nearly equal parts of every batch.

    Attributes:
        index: which process, from 0.
        of: how many there are.
    """

    index: int = 0
    of: int = 1

    def rows(self, count: int) -> slice:
        """The rows of ``count`` that are this process's."""
        return slice(count * self.index // self.of, count * (self.index + 1) // self.of)

    def cut(self, whole: Rows) -> Rows:
        """Its rows of something that all processes have alike, [B, …] → [b, …]."""
        return whole if self.of == 1 else whole[self.rows(len(whole))]

    def noise(self, like: Tensor, count: int, generator: torch.Generator) -> Tensor:
        """Its rows of normal noise for ``count`` rows, with the shape and format of its own rows ``like``."""
        shape = (count if self.of > 1 else len(like), *like.shape[1:])
        drawn = torch.randn(shape, generator=generator, device=generator.device, dtype=like.dtype)
        return self.cut(drawn).to(like.device)

    def together(self, own: Tensor, count: int) -> Tensor:
        """The rows of all processes, [b, …] → [count, …].

        Its gradient is the sum of what all processes ask for. Where each computes the same loss of the whole batch, and
        gradients of weights are averaged over processes, that is the gradient of one process with the whole batch (as
        in OpenCLIP's ``gather_with_grad``).
        """
        if self.of == 1:
            return own
        place = self.rows(count)
        padding = (0, 0) * (own.ndim - 1) + (place.start, count - place.stop)
        found: Tensor = _Sum.apply(F.pad(own, padding))
        return found

    def average_(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors, of the same shapes everywhere, by their mean over all processes."""
        if self.of > 1:
            _average(list(tensors))


ALL = Share()


def _average(tensors: Sequence[Tensor]) -> None:
    flat = torch.cat([x.flatten() for x in tensors])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for tensor, mean in zip(tensors, flat.split([x.numel() for x in tensors]), strict=True):
        tensor.copy_(mean.view(tensor.shape))


class _Sum(torch.autograd.Function):
    """Sum over processes; the gradient is summed as well. torch's own is deprecated."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        found = x.clone(memory_format=torch.contiguous_format)
        dist.all_reduce(found)
        return found

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (gradient,) = gradients
        return _Sum.forward(ctx, gradient)
