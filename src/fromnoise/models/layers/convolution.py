"""3×3 convolution that is fast on a few positions too, and in fp32.

While drawing one picture, a layer sees 16 or 64 positions, and oneDNN's bf16 convolution spends most of its time on
rearranging the weights. The same sum written as a matrix product is two to three times faster there
(``benchmarks/drawing.py``), and so is the weights' gradient in training (``benchmarks/layers.py``). In fp32 training
takes Winograd's way (:mod:`fromnoise.models.layers.winograd`). Large pictures in bf16, and GPUs, keep the library's
convolution.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn.grad import conv2d_input

from fromnoise.models.layers.winograd import Winograd, fits, suits

FEW = 1024  # positions in the whole batch up to which the matrix product is faster


class Convolution3x3(nn.Conv2d):
    """A 3×3 convolution; parameters and arithmetic of ``nn.Conv2d``.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: 1 keeps the resolution, 2 halves it.
        padding: zeros on every side.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1, padding: int = 1) -> None:
        super().__init__(in_channels, out_channels, 3, stride=stride, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, in, H, W) to (B, out, H', W')."""
        if torch.is_grad_enabled() and fits(self) and suits(x, learning=True):
            return Winograd.apply(x, self.weight, self.bias)  # type: ignore[no-any-return,no-untyped-call]
        if x.dtype == torch.bfloat16 and x.device.type == "cpu":
            positions = x.shape[0] * x.shape[2] * x.shape[3]
            if torch.is_grad_enabled() and positions <= FEW * self.stride[0] ** 2 and self.weight.requires_grad:
                sides = self.stride[0], int(self.padding[0])
                return FewPositions.apply(x, self.weight, self.bias, *sides)  # type: ignore[no-any-return,no-untyped-call]
            if positions <= FEW and not torch.is_grad_enabled():
                return self._as_matrix_product(x)
        return super().forward(x)

    def _as_matrix_product(self, x: Tensor) -> Tensor:
        # With channels_last weights this permutation is a view, and so is the result's.
        weight = self.weight.permute(0, 2, 3, 1).reshape(self.out_channels, -1)
        out = F.linear(windows(x, int(self.padding[0]), self.stride[0]), weight, self.bias)
        return out.permute(0, 3, 1, 2)  # (B, out, H', W'), channels_last


class FewPositions(torch.autograd.Function):
    """The library's 3×3 convolution of (B, in, H, W); the gradient of its weights is a matrix product of windows."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, stride: int, padding: int) -> Tensor:
        """(B, out, H', W')."""
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, weight, bias, stride, padding)

    @staticmethod
    @once_differentiable  # type: ignore[untyped-decorator]
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Of x, weight and bias."""
        (gradient,), (x, weight) = gradients, ctx.saved_tensors
        out, into = weight.shape[:2]
        of_x, of_weight, of_bias = ctx.needs_input_grad[:3]
        rows = gradient.permute(0, 2, 3, 1).reshape(-1, out)
        to_x = to_weight = None
        if of_x:
            to_x = conv2d_input(x.shape, weight, gradient, ctx.stride, ctx.padding)
        if of_weight:
            seen = windows(x, ctx.padding, ctx.stride).reshape(len(rows), -1)
            to_weight = (rows.T @ seen).view(out, 3, 3, into).permute(0, 3, 1, 2)
        return to_x, to_weight, rows.sum(0) if of_bias else None, None, None


def windows(x: Tensor, padding: int, stride: int) -> Tensor:
    """Return what a 3x3 convolution sees at each of its positions: (B, C, H, W) to (B, H', W', 3*3*C).

    Args:
        x: feature map.
        padding: zeros on every side.
        stride: positions from one window to the next.
    """
    padded = F.pad(x.permute(0, 2, 3, 1), (0, 0, padding, padding, padding, padding)).contiguous()  # (B, H+2, W+2, C)
    batch, height, width, channels = padded.shape
    height, width = (height - 3) // stride + 1, (width - 3) // stride + 1
    image, row, pixel, _ = padded.stride()
    strides = (image, stride * row, stride * pixel, row, pixel, 1)
    return padded.as_strided((batch, height, width, 3, 3, channels), strides).flatten(3)
