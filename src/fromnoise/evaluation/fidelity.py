"""How close is a picture to the one it should be? PSNR, and SSIM (Wang et al. 2004, IEEE TIP 13(4), eq. 13)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, SIGMA = 11, 1.5  # of the paper's Gaussian window
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB of uint8 pictures [N,3,H,W], picture by picture; at most 99 (equal ones)."""
    error = (a.double() - b.double()).square().mean((1, 2, 3))
    return (10 * torch.log10(255**2 / error)).clamp(max=99)


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity, −1…1, picture by picture: mean over the windows that fit inside, and over R, G and B."""
    x, y = a.double(), b.double()
    mx, my = _blurred(x), _blurred(y)
    vx, vy = _blurred(x * x) - mx * mx, _blurred(y * y) - my * my
    both = _blurred(x * y) - mx * my
    found = (2 * mx * my + C1) * (2 * both + C2) / ((mx * mx + my * my + C1) * (vx + vy + C2))
    return found.mean((1, 2, 3))


def _blurred(x: Tensor) -> Tensor:
    at = torch.arange(WINDOW, dtype=torch.float64) - WINDOW // 2
    weights = torch.exp(-(at**2) / (2 * SIGMA**2))
    weights = (weights / weights.sum()).expand(x.shape[1], 1, 1, WINDOW)
    rows = F.conv2d(x, weights, groups=x.shape[1])
    return F.conv2d(rows, weights.transpose(2, 3), groups=x.shape[1])
