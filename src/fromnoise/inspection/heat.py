"""Numbers as warmth: laid over a picture, or as a picture of their own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

COLD, WARM = (38.0, 34.0, 74.0), (255.0, 190.0, 60.0)
Colour = tuple[int, int, int]
# From nothing to the most: on black, where much is to be seen; on white, where most is nothing.
ON_BLACK: Sequence[Colour] = ((0, 0, 0), (120, 0, 90), (235, 60, 30), (255, 190, 40), (255, 255, 255))
ON_WHITE: Sequence[Colour] = ((255, 255, 255), (255, 214, 92), (217, 56, 38), (61, 0, 43))


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


def warmth(values: Tensor, most: float, colours: Sequence[Colour] = ON_BLACK) -> Tensor:
    """A map [h,w] of how much, as a picture, uint8 [3,h,w].

    Args:
        values: from 0.
        most: what has the last colour, and all above it.
        colours: evenly spaced from 0 to the most, mixed between.
    """
    at = (values.float().cpu() / max(most, 1e-12)).clamp(0, 1).numpy()
    stops = np.linspace(0, 1, len(colours))
    mixed = [np.interp(at, stops, [colour[i] for colour in colours]) for i in range(3)]
    return torch.from_numpy(np.rint(np.stack(mixed)).astype(np.uint8))


def own_range(heat: Tensor) -> Tensor:
    """A map [h,w] stretched so that its lowest place is 0 and its highest 1; a flat map is 0 everywhere."""
    low, high = heat.min(), heat.max()
    return (heat - low) / (high - low) if high > low else torch.zeros_like(heat)
