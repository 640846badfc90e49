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

While drawing, a band can do more while it is in the cache: the norm and the SiLU before the convolution, and the sum
of a residual block behind it. A large map is then read and written once, where each of them would do that by itself.
"""

from __future__ import annotations

import contextlib
import math
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
# Bᵀ⊗Bᵀ (36×36), G⊗G (36×9) and Aᵀ⊗Aᵀ (16×36) for each format.
_MATRICES = {
    dtype: tuple(torch.kron(matrix, matrix).to(dtype) for matrix in (_B_T, _G, _A_T))
    for dtype in (torch.float32, torch.float64)
}


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
    """U = G w Gᵀ of a kernel (out, in, 3, 3): (36, out, in)."""
    out, into = weight.shape[:2]
    rows = weight.permute(2, 3, 0, 1).reshape(9, out * into)
    return (_MATRICES[weight.dtype][1] @ rows).view(36, out, into)


def _kernels_own(gradient: Tensor) -> Tensor:
    """∂w = Gᵀ ∂U G: (36, out, in) to (out, in, 3, 3)."""
    rows = _MATRICES[gradient.dtype][1].T @ gradient.view(36, -1)
    return rows.view(3, 3, *gradient.shape[1:]).permute(2, 3, 0, 1)


def convolve(
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None,
    before: tuple[Tensor, Tensor] | None = None,
    plus: Tensor | None = None,
) -> Tensor:
    """A convolution without gradients, with a kernel that is transformed already.

    Args:
        x: (B, in, H, W).
        kernel: of :func:`transformed`, (36, out, in).
        bias: (out,) or None.
        before: factors and summands, (B, in) each, of a norm that is taken of x first, and then the SiLU.
        plus: (B, out, H, W), added to the result.

    Returns:
        (B, out, H, W), channels_last.
    """
    cut, room = Cut.of(x), Room(x)
    pictures, kernel, added = _last(x), kernel.transpose(1, 2), None if plus is None else _last(plus)
    out = cut.empty(x, kernel.shape[2])
    for band in cut.bands(BAND):
        tiles = band.tiles(pictures, room, before, room.take("tiles", 36, band.number, x.shape[1]))
        products = torch.bmm(tiles, kernel, out=room.take("products", 36, band.number, kernel.shape[2]))
        band.write(out, products, bias, room)
        if added is not None:
            band.own(out).add_(band.own(added))
    return cut.cropped(out)


class Winograd(torch.autograd.Function):
    """The convolution of (B, in, H, W) with a kernel (out, in, 3, 3), stride 1, padding 1, and its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """(B, out, H, W), channels_last."""
        kernel, cut, room, kept = transformed(weight), Cut.of(x), Room(x), []
        out = cut.empty(x, len(weight))
        for band in cut.bands(KEPT):
            tiles = band.tiles(_last(x), room)
            band.write(out, torch.bmm(tiles, kernel.transpose(1, 2)), bias, room)
            if ctx.needs_input_grad[1]:
                kept.append(tiles)
        ctx.save_for_backward(kernel, *kept)
        ctx.cut = cut
        return cut.cropped(out)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        """Of x, weight and bias."""
        (gradient,), (kernel, *kept), cut = gradients, ctx.saved_tensors, ctx.cut
        of_x, of_weight, of_bias = ctx.needs_input_grad
        made, room, to_kernel = cut.whole(gradient), Room(gradient), None
        seen = cut.overlapping(gradient, kernel.shape[2]) if of_x else None
        for i, band in enumerate(cut.bands(KEPT)):
            to_products = band.spread(made, room)
            if of_weight:
                a, tiles = to_products.transpose(1, 2), kept[i]
                to_kernel = torch.bmm(a, tiles) if to_kernel is None else to_kernel.baddbmm_(a, tiles)
            if seen is not None:
                band.fold(seen, torch.bmm(to_products, kernel), room)
        return (
            None if seen is None else cut.cropped(seen[:, 1:, 1:]),
            None if to_kernel is None else _kernels_own(to_kernel),
            gradient.sum((0, 2, 3)) if of_bias else None,
        )


def _last(x: Tensor) -> Tensor:
    """(B, C, H, W) as (B, H, W, C)."""
    return x.permute(0, 2, 3, 1)


class Room:
    """Memory that all bands use one after the other: fresh memory costs more than what is done in it."""

    def __init__(self, like: Tensor) -> None:
        self._like, self._pieces = like, dict[str, Tensor]()

    def take(self, name: str, *sides: int) -> Tensor:
        """Memory of that name in a shape, with whatever was written there last."""
        size = math.prod(sides)
        piece = self._pieces.get(name)
        if piece is None or piece.numel() < size:
            piece = self._pieces[name] = self._like.new_empty(size)
        return piece[:size].view(sides)


class Cut(NamedTuple):
    """Pictures of one size, cut into tiles; they need not be whole tiles."""

    batch: int
    height: int
    width: int

    @classmethod
    def of(cls, x: Tensor) -> Cut:
        """Of pictures (B, C, H, W)."""
        return cls(len(x), x.shape[2], x.shape[3])

    @property
    def rows(self) -> int:
        """Of tiles."""
        return -(-self.height // 4)

    @property
    def columns(self) -> int:
        """Of tiles."""
        return -(-self.width // 4)

    def bands(self, most: int) -> Iterator[Band]:
        """About ``most`` tiles at once: several whole pictures, or rows of tiles of one."""
        together = max(1, most // (self.rows * self.columns))
        each = self.rows if together > 1 else min(self.rows, max(1, most // self.columns))
        for first in range(0, self.batch, together):
            for row in range(0, self.rows, each):
                pictures = slice(first, min(first + together, self.batch))
                yield Band(self, pictures, row, min(row + each, self.rows))

    def empty(self, like: Tensor, channels: int) -> Tensor:
        """Memory for whole tiles of an output, (B, 4h, 4w, channels)."""
        return like.new_empty(self.batch, 4 * self.rows, 4 * self.columns, channels)

    def overlapping(self, like: Tensor, channels: int) -> Tensor:
        """Memory for what tiles see, which overlaps by two: cells of 4×4, one row and one column more than tiles."""
        return like.new_empty(self.batch, 4 * self.rows + 4, 4 * self.columns + 4, channels)

    def whole(self, x: Tensor) -> Tensor:
        """(B, C, H, W) as whole tiles, (B, 4h, 4w, C)."""
        down, right = 4 * self.rows - self.height, 4 * self.columns - self.width
        return F.pad(_last(x), (0, 0, 0, right, 0, down)) if down or right else _last(x)

    def cropped(self, x: Tensor) -> Tensor:
        """Whole tiles, (B, 4h, 4w, C) or more, as pictures (B, C, H, W), channels_last."""
        return x[:, : self.height, : self.width].contiguous().permute(0, 3, 1, 2)


class Band(NamedTuple):
    """Some of the tiles: the rows from ``first`` to ``last`` of some pictures."""

    cut: Cut
    pictures: slice
    first: int
    last: int

    @property
    def number(self) -> int:
        """How many tiles."""
        return math.prod(self._grid())

    def tiles(
        self, x: Tensor, room: Room, before: tuple[Tensor, Tensor] | None = None, out: Tensor | None = None
    ) -> Tensor:
        """V = Bᵀ x B of each tile, (36, T, C), of pictures (B, H, W, C), or of SiLU(factors · x + summands)."""
        seen = self._seen(x, room, before)
        picture, row, pixel, _ = seen.stride()
        sides = (6, 6, *self._grid(), x.shape[3])
        windows = room.take("windows", *sides)
        windows.copy_(seen.as_strided(sides, (row, pixel, picture, 4 * row, 4 * pixel, 1)))
        flat = None if out is None else out.view(36, -1)
        return torch.mm(_MATRICES[x.dtype][0], windows.view(36, -1), out=flat).view(36, -1, x.shape[3])

    def _seen(self, x: Tensor, room: Room, before: tuple[Tensor, Tensor] | None) -> Tensor:
        """What the tiles see, with zeros around the picture, (pictures, 4 rows + 2, 4 columns + 2, C)."""
        count, rows, columns = self._grid()
        seen = room.take("seen", count, 4 * rows + 2, 4 * columns + 2, x.shape[3])
        above = 4 * self.first - 1
        there = slice(max(above, 0), min(4 * self.last + 1, self.cut.height))
        inside = slice(there.start - above, there.stop - above)
        across = slice(1, self.cut.width + 1)
        for border in (seen[:, : inside.start], seen[:, inside.stop :], seen[:, :, :1], seen[:, :, across.stop :]):
            border.zero_()
        middle, source = seen[:, inside, across], x[self.pictures, there]
        if before is None:
            middle.copy_(source)
        else:
            factors, summands = (part[self.pictures, None, None] for part in before)
            F.silu(torch.addcmul(summands, source, factors, out=middle), inplace=True)
        return seen

    def write(self, out: Tensor, products: Tensor, bias: Tensor | None, room: Room) -> None:
        """Put y = Aᵀ M A + bias of products M (36, T, C) into its place in (B, 4h, 4w, C)."""
        flat = room.take("made", 16, products[0].numel())
        torch.mm(_MATRICES[products.dtype][2], products.view(36, -1), out=flat)
        tiles = flat.view(4, 4, *self._grid(), -1).permute(2, 3, 0, 4, 1, 5)
        target = self._cells(out)
        if bias is None:
            target.copy_(tiles)
        else:
            torch.add(tiles, bias, out=target)

    def own(self, x: Tensor) -> Tensor:
        """The part of pictures (B, H or 4h, W or 4w, C) that the tiles make."""
        return x[self.pictures, 4 * self.first : min(4 * self.last, self.cut.height), : self.cut.width]

    def spread(self, made: Tensor, room: Room) -> Tensor:
        """∂M = A ∂y Aᵀ of each tile, (36, T, C), for gradients (B, 4h, 4w, C)."""
        tiles = room.take("made", 4, 4, *self._grid(), made.shape[3])
        tiles.copy_(self._cells(made).permute(2, 4, 0, 1, 3, 5))
        products = room.take("products", 36, tiles[0, 0].numel())
        return torch.mm(_MATRICES[made.dtype][2].T, tiles.view(16, -1), out=products).view(36, -1, made.shape[3])

    def fold(self, seen: Tensor, gradients: Tensor, room: Room) -> None:
        """Add ∂x = B ∂V Bᵀ of each tile, for ∂V (36, T, C), where the tile lies in the cells of an overlapping map."""
        flat = room.take("windows", 36, gradients[0].numel())
        torch.mm(_MATRICES[gradients.dtype][0].T, gradients.view(36, -1), out=flat)
        tiles = flat.view(6, 6, *self._grid(), -1)
        cells = seen[self.pictures].unflatten(2, (-1, 4)).unflatten(1, (-1, 4))
        cells[:, self.first + (self.first > 0) : self.last + 1].zero_()  # the first row has the last band's sums
        inside, beyond = slice(0, 4), slice(4, 6)
        columns = cells.shape[3] - 1
        for down, rows in ((0, inside), (1, beyond)):
            for right, places in ((0, inside), (1, beyond)):
                part = cells[:, self.first + down : self.last + down, : rows.stop - rows.start]
                part = part[:, :, :, right : columns + right, : places.stop - places.start]
                part += tiles[rows, places].permute(2, 3, 0, 4, 1, 5)

    def _grid(self) -> tuple[int, int, int]:
        """Pictures, rows and columns of tiles."""
        return self.pictures.stop - self.pictures.start, self.last - self.first, self.cut.columns

    def _cells(self, x: Tensor) -> Tensor:
        """What lies in the tiles of (B, 4h, 4w, C), (pictures, rows, 4, columns, 4, C)."""
        made = x[self.pictures, 4 * self.first : 4 * self.last]
        return made.unflatten(2, (-1, 4)).unflatten(1, (-1, 4))
