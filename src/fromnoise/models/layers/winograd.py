"""3×3 convolutions by Winograd's F(4×4, 3×3), forwards and backwards, in plain torch.

A tile of 4×4 outputs sees 6×6 inputs. With three small matrices (Lavin & Gray 2015, arXiv 1509.09308, section 4.3),

    y = Aᵀ [ (G w Gᵀ) ⊙ (Bᵀ x B) ] A,

36 products do the work of 144. Over all tiles and channels each of the 36 places is a matrix product, V U, of the
transformed tiles V (36, T, in) by the transformed kernel U (36, in, out); the transforms are products too, of 36 rows,
with the Kronecker squares of Bᵀ, G and Aᵀ. Tiles are taken in bands, so that what is between the products stays in the
cache. Backwards is the transposed of every step, so nothing is transformed twice:

    ∂M = (A ⊗ A) ∂y,   ∂x = fold((B ⊗ B) (∂M Uᵀ)),   ∂w = (Gᵀ ⊗ Gᵀ) (Vᵀ ∂M).

Rounding: about 1e-5 of the range where a direct sum has 3e-6.

**The rule** (:func:`fits`, :func:`suits`), which knows no stopwatch: float32 on a CPU, since bf16 would lose too much
in the transforms; at least so many channels in and out that the products outweigh the transforms; and so many tiles
that they outweigh what is done to the kernel: 16 of one picture while drawing, where the kernel is transformed once but
read every time, and 32 of the batch in training. Layers that draw with more than ``LARGEST`` weights stay direct.
Whether pictures share a call changes nothing while drawing. ``FROMNOISE_WINOGRAD=0`` in the environment turns it off.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

SWITCH = "FROMNOISE_WINOGRAD"
CHANNELS = {"AVX2": 64, "AVX512": 96}  # least; a direct sum of many numbers at once is harder to beat
DRAWN, LEARNT = 16, 32  # least tiles, of a picture and of a batch
LARGEST = 8 << 20  # weights of a layer that draws: its transformed kernel takes 16 bytes for each, and is kept
BAND = 128  # tiles computed at once while drawing
KEPT = 512  # the same in training, where they are kept

_B_T = torch.tensor(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    dtype=torch.float64,
)
_G = torch.tensor(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ],
    dtype=torch.float64,
)
_A_T = torch.tensor([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]).double()
_SQUARES = tuple(torch.kron(matrix, matrix) for matrix in (_B_T, _G, _A_T))  # 36×36, 36×9, 16×36


def _squares(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    into, kernel, out = (matrix.to(dtype) for matrix in _SQUARES)
    return into, kernel, out


_FLOAT32 = _squares(torch.float32)


def _matrices(like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Bᵀ⊗Bᵀ, G⊗G and Aᵀ⊗Aᵀ in the format of a tensor."""
    return _FLOAT32 if like.dtype == torch.float32 else _squares(like.dtype)


def fits(layer: nn.Conv2d) -> bool:
    """Whether a 3×3 convolution's sizes are those of the rule."""
    least = CHANNELS.get(torch.backends.cpu.get_cpu_capability(), CHANNELS["AVX2"])
    alone = layer.stride == (1, 1) and layer.padding == (1, 1) and layer.groups == 1
    return alone and min(layer.in_channels, layer.out_channels) >= least


def suits(x: Tensor, learning: bool) -> bool:
    """Whether an input (B, C, H, W) of a layer that fits is computed in this way, with gradients or without."""
    if x.dtype != torch.float32 or x.device.type != "cpu" or not switched_on():
        return False
    tiles = (x.shape[2] // 4) * (x.shape[3] // 4)
    return tiles * len(x) >= LEARNT if learning else tiles >= DRAWN


def switched_on() -> bool:
    """Whether this way is taken where it suits, as the environment says."""
    return os.environ.get(SWITCH, "1") != "0"


@contextlib.contextmanager
def direct() -> Iterator[None]:
    """Turn Winograd's way off for a while, in the whole process: to measure, or to count."""
    before = os.environ.get(SWITCH)
    os.environ[SWITCH] = "0"
    try:
        yield
    finally:
        if before is None:
            del os.environ[SWITCH]
        else:
            os.environ[SWITCH] = before


def transformed(weight: Tensor) -> Tensor:
    """U = G w Gᵀ of a kernel (out, in, 3, 3): (36, in, out)."""
    out, into = weight.shape[:2]
    rows = weight.permute(2, 3, 1, 0).reshape(9, into * out)
    return (_matrices(weight)[1] @ rows).view(36, into, out)


def _kernels_own(gradient: Tensor) -> Tensor:
    """∂w = Gᵀ ∂U G: (36, in, out) to (out, in, 3, 3)."""
    rows = _matrices(gradient)[1].T @ gradient.view(36, -1)
    return rows.view(3, 3, *gradient.shape[1:]).permute(3, 2, 0, 1)


def convolve(x: Tensor, kernel: Tensor, bias: Tensor | None) -> Tensor:
    """The convolution of (B, in, H, W) with a kernel that is transformed already, (36, in, out): (B, out, H, W)."""
    sheet = Sheet.of(x, kernel.shape[2])
    for band in sheet.bands(BAND):
        band.write(torch.bmm(band.tiles(), kernel), bias)
    return sheet.result()


class Winograd(torch.autograd.Function):
    """The convolution of (B, in, H, W) with a kernel (out, in, 3, 3), stride 1, padding 1, and its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(B, out, H, W), channels_last."""
        kernel = transformed(weight)
        sheet = Sheet.of(x, len(weight))
        kept = []
        for band in sheet.bands(KEPT):
            tiles = band.tiles()
            band.write(torch.bmm(tiles, kernel), bias)
            if ctx.needs_input_grad[1]:
                kept.append(tiles)
        ctx.save_for_backward(kernel, *kept)
        ctx.shape = x.shape
        return sheet.result()

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Of x, weight and bias."""
        (gradient,), (kernel, *kept) = gradients, ctx.saved_tensors
        of_x, of_weight, of_bias = ctx.needs_input_grad
        sheet, to_kernel = Sheet.behind(gradient, ctx.shape), torch.zeros_like(kernel)
        for i, band in enumerate(sheet.bands(KEPT)):
            to_products = band.spread()
            if of_weight:
                to_kernel.baddbmm_(kept[i].transpose(1, 2), to_products)
            if of_x:
                band.fold(torch.bmm(to_products, kernel.transpose(1, 2)))
        return (
            sheet.folded() if of_x else None,
            _kernels_own(to_kernel) if of_weight else None,
            gradient.sum((0, 2, 3)) if of_bias else None,
        )


class Sheet(NamedTuple):
    """Pictures cut into tiles, on both sides of a convolution.

    Attributes:
        seen: the input with its border of zeros, (B, 4h+2, 4w+2, in) for h·w tiles; backwards, its gradient.
        made: the output, (B, 4h, 4w, out); backwards, its gradient.
        height, width: of the pictures, which need not be whole tiles.
    """

    seen: Tensor
    made: Tensor
    height: int
    width: int

    @classmethod
    def of(cls, x: Tensor, channels_out: int) -> Sheet:
        """Forwards: for the input (B, C, H, W)."""
        batch, _, height, width = x.shape
        down, right = -height % 4, -width % 4
        seen = F.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1 + right, 1, 1 + down)).contiguous()
        return cls(seen, x.new_empty(batch, height + down, width + right, channels_out), height, width)

    @classmethod
    def behind(cls, gradient: Tensor, shape: torch.Size) -> Sheet:
        """Backwards: for the gradient of the output, and the shape of the input."""
        batch, channels, height, width = shape
        down, right = -height % 4, -width % 4
        made = F.pad(gradient.permute(0, 2, 3, 1), (0, 0, 0, right, 0, down)).contiguous()
        # Tiles overlap by two, so that their gradients are added up in a grid with one more row and column of cells.
        return cls(made.new_zeros(batch, height + down + 4, width + right + 4, channels), made, height, width)

    def bands(self, most: int) -> Iterator[Band]:
        """About ``most`` tiles at once: several whole pictures, or rows of tiles of one."""
        batch, rows, columns = len(self.made), self.made.shape[1] // 4, self.made.shape[2] // 4
        together = max(1, most // (rows * columns))
        each = rows if together > 1 else min(rows, max(1, most // columns))
        for first in range(0, batch, together):
            for row in range(0, rows, each):
                yield Band(self, slice(first, min(first + together, batch)), row, min(row + each, rows))

    def result(self) -> Tensor:
        """The output as a picture, (B, out, H, W), channels_last."""
        return self._cropped(self.made)

    def folded(self) -> Tensor:
        """The input's gradient as a picture, (B, in, H, W), channels_last."""
        return self._cropped(self.seen[:, 1:, 1:])

    def _cropped(self, x: Tensor) -> Tensor:
        return x[:, : self.height, : self.width].contiguous().permute(0, 3, 1, 2)


class Band(NamedTuple):
    """Some of a sheet's tiles: the rows from ``first`` to ``last`` of some pictures."""

    sheet: Sheet
    pictures: slice
    first: int
    last: int

    def tiles(self) -> Tensor:
        """V = Bᵀ x B of each tile, (36, T, in)."""
        x = self.sheet.seen[self.pictures, 4 * self.first : 4 * self.last + 2]
        batch, height, width, channels = x.shape
        picture, row, pixel, _ = x.stride()
        sides = (6, 6, batch, height // 4, width // 4, channels)
        windows = x.as_strided(sides, (row, pixel, picture, 4 * row, 4 * pixel, 1)).reshape(36, -1)
        return (_matrices(x)[0] @ windows).view(36, -1, channels)

    def write(self, products: Tensor, bias: Tensor | None) -> None:
        """Put y = Aᵀ M A + bias of products M (36, T, out) into its place."""
        tiles = (_matrices(products)[2] @ products.view(36, -1)).view(4, 4, *self._grid())
        target = self._outputs()
        if bias is None:
            target.copy_(tiles.permute(2, 3, 0, 4, 1, 5))
        else:
            torch.add(tiles.permute(2, 3, 0, 4, 1, 5), bias, out=target)

    def spread(self) -> Tensor:
        """∂M = A ∂y Aᵀ of each tile, (36, T, out)."""
        tiles = self._outputs().permute(2, 4, 0, 1, 3, 5).reshape(16, -1)
        return (_matrices(tiles)[2].T @ tiles).view(36, -1, self.sheet.made.shape[3])

    def fold(self, gradients: Tensor) -> None:
        """Add ∂x = B ∂V Bᵀ of each tile, for ∂V (36, T, in), where the tile lies."""
        tiles = (_matrices(gradients)[0].T @ gradients.view(36, -1)).view(6, 6, *self._grid()[:3], -1)
        cells = self.sheet.seen[self.pictures].unflatten(2, (-1, 4)).unflatten(1, (-1, 4))
        inside, beyond = slice(0, 4), slice(4, 6)
        columns = cells.shape[3] - 1
        for down, rows in ((0, inside), (1, beyond)):
            for right, places in ((0, inside), (1, beyond)):
                part = cells[:, self.first + down : self.last + down, : rows.stop - rows.start]
                part = part[:, :, :, right : columns + right, : places.stop - places.start]
                part += tiles[rows, places].permute(2, 3, 0, 4, 1, 5)

    def _grid(self) -> tuple[int, int, int, int]:
        made = self.sheet.made[self.pictures]
        return len(made), self.last - self.first, made.shape[2] // 4, made.shape[3]

    def _outputs(self) -> Tensor:
        """What lies in the tiles, (pictures, rows, 4, columns, 4, out)."""
        made = self.sheet.made[self.pictures, 4 * self.first : 4 * self.last]
        return made.unflatten(2, (-1, 4)).unflatten(1, (-1, 4))
