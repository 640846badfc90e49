"""Every picture on its own, on one thread: what makes a picture the same bits whoever else is drawn with it.

Matrix products sum in an order that depends on the batch size and on the number of threads, so a picture drawn
in a batch differs from itself drawn alone in the last bits, and 20 steps of guidance make that visible. On the
CPU each network call therefore takes one picture on one thread, and the calls are spread over the cores: the
pictures of a batch, and the two calls of guidance, run side by side. A GPU batches instead (and promises less).
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import Call, NetworkDenoiser

T = TypeVar("T")
_LOCK = threading.Lock()


def each_alone(function: Callable[..., T], calls: Sequence[tuple[Any, ...]]) -> list[T]:
    """Run ``function(*call)`` for every call, each on one thread, side by side; return the answers in order.

    Tensors among the arguments are copied first: what a matrix product rounds may depend on where in memory its
    input begins, and a fresh tensor always begins at a 64-byte boundary.

    Args:
        function: called without gradients.
        calls: positional arguments of each call.
    """
    with _LOCK:
        pool = _pool(os.getpid())
    futures = [pool.submit(_alone, function, call) for call in calls]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:  # after an error or Ctrl-C nobody waits for the rest
            future.cancel()


def _alone(function: Callable[..., T], call: tuple[Any, ...]) -> T:
    with torch.inference_mode():
        return function(*(x.clone() if isinstance(x, Tensor) else x for x in call))


@functools.lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Return this process's workers, one per core we may use, each with one thread for its own matrix products.

    ``process`` is only there because a fork copies the pool's bookkeeping but not its threads.
    """
    workers = available_cores()
    before = torch.get_num_threads()
    ready = threading.Barrier(workers + 1)

    def start() -> None:
        torch.get_num_threads()  # takes the process's default, which would otherwise happen after the next line
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(workers, thread_name_prefix="fromnoise-picture")
    for _ in range(workers):
        pool.submit(start)
    ready.wait()
    # The setting is per thread, but new threads begin with the one that was set last: give them theirs back.
    torch.set_num_threads(before)
    return pool


def available_cores() -> int:
    """Return how many cores this process may use, which in a container is fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


class PicturewiseDenoiser:
    """A denoiser whose answer for a picture does not depend on the rest of the batch.

    Args:
        denoiser: the network as a denoiser; ``cond`` is the prompt's tokens [B,L,D].

    Attributes:
        schedule: the denoiser's, for guidance that needs it.
    """

    def __init__(self, denoiser: NetworkDenoiser) -> None:
        self.denoiser, self.schedule = denoiser, denoiser.schedule

    def __call__(self, x_t: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        """x̂_0, float32 [B,C,H,W]."""
        return self.many([(x_t, t, cond)])[0]

    def many(self, calls: Sequence[Call]) -> list[Tensor]:
        """Answer several calls, e.g. with and without words, with all their pictures side by side."""
        if calls[0][0].device.type != "cpu":
            return self._batched(calls)
        single = [tuple(x[i : i + 1] for x in call) for call in calls for i in range(len(call[0]))]
        return _regroup(torch.cat(each_alone(self.denoiser, single)), calls)

    def _batched(self, calls: Sequence[Call]) -> list[Tensor]:
        with torch.no_grad():
            return _regroup(self.denoiser(*(torch.cat(parts) for parts in zip(*calls, strict=True))), calls)


def _regroup(x0_hat: Tensor, calls: Sequence[Call]) -> list[Tensor]:
    return list(x0_hat.split([len(call[0]) for call in calls]))
