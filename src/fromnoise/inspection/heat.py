"""Numbers laid over a picture as warmth."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

COLD, WARM = (26.0, 24.0, 46.0), (255.0, 140.0, 20.0)  # what nobody listens to is dark, not hidden


def overlay(picture: Tensor, heat: Tensor, least: float = 0.35) -> Tensor:
    """A picture that is bright and warm where a map is high, and dark where it is low.

    Args:
        picture: uint8 [3,H,W].
        heat: 0…1, [h,w] of any size.
        least: how much of the picture is left where the map is 0, 0…1.

    Returns:
        uint8 [3,H,W].
    """
    size = (picture.shape[1], picture.shape[2])
    fine = F.interpolate(heat.clamp(0, 1)[None, None].float(), size, mode="bilinear", align_corners=False)[0]
    cold, warm = (torch.tensor(colour)[:, None, None] for colour in (COLD, WARM))
    kept = least + (0.8 - least) * fine  # of the picture itself
    return (kept * picture.float() + (1 - kept) * (cold + fine * (warm - cold))).round().clamp(0, 255).to(torch.uint8)


def own_range(heat: Tensor) -> Tensor:
    """A map [h,w] stretched so that its lowest place is 0 and its highest 1; a flat map is 0 everywhere."""
    low, high = heat.min(), heat.max()
    return (heat - low) / (high - low) if high > low else torch.zeros_like(heat)
