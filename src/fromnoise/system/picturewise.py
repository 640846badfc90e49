"""What makes a picture the same bits whoever else is drawn with it.

Matrix products may sum in an order that depends on the batch size and on the number of threads; then a picture drawn
in a batch differs from itself drawn alone in the last bits, and 20 steps of guidance make that visible. So on the CPU
pictures share a network call only in batch sizes that were compared, on this machine, with single calls and gave the
very same bits (:class:`ExactBatches`). All others are computed one by one, each on one thread, side by side on the
cores. Large pictures gain nothing from company, and the comparison would take as long as several steps: theirs are
single calls too, and whether side by side or each on all cores depends only on what is asked for every picture. A GPU
batches always, and promises less.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import Call, NetworkDenoiser, Wrapping
from fromnoise.ground.cores import available_cores, each_alone, together

LARGE = 32 * 32  # positions of the latents from which on a picture keeps a core busy by itself


def is_large(latents: Tensor) -> bool:
    """Whether latents [...,h,w] are those of large pictures."""
    return latents.shape[-2] * latents.shape[-1] >= LARGE


class ExactBatches:
    """Which batch sizes give, on this machine, the very bits of single calls.

    Whether a matrix product sums in the same order for 1 row and for 8, and on 1 thread and on 2, is up to the CPU,
    the number format and the library. The order does not depend on the numbers, so in float32, where another order
    shows in every second number, one comparison on random numbers settles it for a size and shape. It is made the
    first time a size is needed and takes as long as two steps of drawing. In bfloat16 rounding hides another order
    nearly always (benchmarks/shared_calls.py: 13 of 750 calls of a tiny model on AMX), so no comparison is trusted and
    every picture is a call of its own.

    Args:
        function: (x_t [B,C,H,W], t [B], cond [B,L,W]) → [B,...].
    """

    SIZES = (16, 8, 4, 2)

    def __init__(self, function: Callable[..., Tensor]) -> None:
        self._function = function
        self._known: dict[tuple[Any, ...], bool] = {}

    def largest(self, rows: int, call: tuple[Tensor, ...]) -> int:
        """The largest exact size that is not above ``rows``; 1 when there is none, and for large pictures."""
        if is_large(call[0]):
            return 1
        return next((size for size in self.SIZES if size <= rows and self._is_exact(size, call)), 1)

    def side_by_side(self, x: Tensor, calls: int) -> bool:
        """Whether single calls run side by side, each on one thread, or one after the other, each on all cores.

        With and without words side by side on two cores is a tenth faster than one after the other (a guided step of
        Stable Diffusion 1.5: 2.75 and 3.03 s). A lone call, or two on more than two cores, would leave cores idle.

        Args:
            x: noisy latents.
            calls: for each picture.
        """
        return not is_large(x) or calls >= available_cores()

    def _is_exact(self, size: int, call: tuple[Tensor, ...]) -> bool:
        key = (size, *(x.shape[1:] for x in call))
        if key not in self._known:
            x, t, cond = _random_calls(size, call)
            singles = each_alone(self._function, [(x[i : i + 1], t[i : i + 1], cond[i : i + 1]) for i in range(size)])
            shows = singles[0].dtype == torch.float32
            self._known[key] = shows and torch.equal(together(self._function, (x, t, cond)), torch.cat(singles))
        return self._known[key]


def _random_calls(size: int, like: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
    rng = torch.Generator().manual_seed(size)
    x = torch.randn(size, *like[0].shape[1:], generator=rng)
    cond = torch.randn(size, *like[2].shape[1:], generator=rng)
    return x, torch.randint(1, 1000, (size,), generator=rng), cond


class PicturewiseDenoiser(Wrapping):
    """A denoiser whose answer for a picture does not depend on the rest of the batch.

    Args:
        denoiser: the network as a denoiser; ``cond`` is what the network wants to know of the prompt, [B,L,W].
        batches: what is known about exact batch sizes of this very network; by default, to be found out.
    """

    def __init__(self, denoiser: NetworkDenoiser, batches: ExactBatches | None = None) -> None:
        super().__init__(denoiser)
        self._batches = batches or ExactBatches(denoiser.network)

    def __call__(self, x_t: Tensor, t: Tensor, cond: Tensor) -> Tensor:
        """x̂_0, float32 [B,C,H,W]."""
        return self.many([(x_t, t, cond)])[0]

    def many(self, calls: Sequence[Call]) -> list[Tensor]:
        """Answer several calls, e.g. with and without words, with all their pictures in as few calls as is exact."""
        x_t, t, cond = (torch.cat(parts) for parts in zip(*calls, strict=True))
        if x_t.device.type != "cpu":
            with torch.no_grad():
                return _regroup(self.denoiser(x_t, t, cond), calls)
        found, at = [], 0
        while at < len(x_t):
            size = self._batches.largest(len(x_t) - at, (x_t, t, cond))
            end = at + size if size > 1 else len(x_t)
            rows = (x_t[at:end], t[at:end], cond[at:end])
            if size > 1:
                found.append(together(self.denoiser, rows))
            else:
                singles = [tuple(x[i : i + 1] for x in rows) for i in range(len(rows[0]))]
                aside = self._batches.side_by_side(x_t, len(calls))
                found += each_alone(self.denoiser, singles) if aside else [together(self.denoiser, s) for s in singles]
            at = end
        return _regroup(torch.cat(found), calls)


def _regroup(x0_hat: Tensor, calls: Sequence[Call]) -> list[Tensor]:
    return list(x0_hat.split([len(call[0]) for call in calls]))
