"""How far pictures are from each other, as numbers and as a picture."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def rms(x: Tensor) -> float:
    """Root mean square of all values."""
    return float(x.double().square().mean().sqrt())


def apart(one: Tensor, other: Tensor) -> float:
    """Root mean square difference of two uint8 pictures, 0…1."""
    return rms((one.double() - other.double()) / 255)


def psnr(one: Tensor, other: Tensor) -> float:
    """How near two pictures, uint8, come to each other, in dB: 20 is coarse, 30 good, 40 hardly to be told apart.

    10 log10(255² / mean squared difference); infinite where they are equal.
    """
    off = float((one.double() - other.double()).square().mean())
    return 10 * math.log10(255**2 / off) if off else math.inf


def difference(one: Tensor, other: Tensor, gain: float = 1.0) -> Tensor:
    """What the second picture has more than the first, both uint8 [3,H,W], as a picture: mid grey (128) where they
    agree, lighter and in the colour that is added where it has more, darker where it has less; cut off at half the
    range."""
    return (128 + gain * (other.float() - one.float())).round().clamp(0, 255).to(torch.uint8)
