"""Numbers laid over a picture as warmth."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

COLD, WARM = (38.0, 34.0, 74.0), (255.0, 190.0, 60.0)


def overlay(picture: Tensor, heat: Tensor, kept: float = 0.5) -> Tensor:
    """A map in colour, from dark blue to yellow, with the picture's light and shade in it.

    Args:
        picture: uint8 [3,H,W].
        heat: 0…1, [h,w] of any size.
        kept: how much of the picture's light and shade is seen, 0…1.

    Returns:
        uint8 [3,H,W].
    """
    size = (picture.shape[1], picture.shape[2])
    fine = F.interpolate(heat.clamp(0, 1)[None, None].float(), size, mode="bilinear", align_corners=False)[0]
    cold, warm = (torch.tensor(colour)[:, None, None] for colour in (COLD, WARM))
    weights = torch.tensor([0.299, 0.587, 0.114])[:, None, None]  # of colours in lightness, ITU-R BT.601
    shade = (picture.float() / 255 * weights).sum(0)
    shown = (cold + fine * (warm - cold)) * (1 - kept + kept * shade)
    return shown.round().clamp(0, 255).to(torch.uint8)


def own_range(heat: Tensor) -> Tensor:
    """A map [h,w] stretched so that its lowest place is 0 and its highest 1; a flat map is 0 everywhere."""
    low, high = heat.min(), heat.max()
    return (heat - low) / (high - low) if high > low else torch.zeros_like(heat)
