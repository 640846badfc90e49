"""How much a view asks by itself: of a large model less, and then it says so, and how long that takes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch

from fromnoise.drawing.conditioning import conditioned
from fromnoise.drawing.plan import Plan
from fromnoise.inspection.guidance import SCALES
from fromnoise.inspection.noise import DRAWS, SHARES
from fromnoise.system.text_to_image import TextToImage

LARGE = 200_000_000  # weights of a U-Net; ours have some ten millions, Stable Diffusion 1.5 has 860
LEVELS, FEW_LEVELS = (0, *SHARES), (0, 20, 40, 60, 80, 100)  # percent of all noise levels
FEW_SCALES = (1.0, 3.0, 7.0, 12.0)


@dataclass(frozen=True)
class Pace:
    """Seconds that a model needs for one picture.

    Attributes:
        call: to ask the U-Net once.
        decode: to make a picture of latents.
    """

    call: float
    decode: float


def is_large(model: TextToImage) -> bool:
    """Whether one look asks so much of a model that it should ask less by itself."""
    return sum(weights.numel() for weights in model.unet.parameters()) > LARGE


def levels_of(model: TextToImage) -> tuple[int, ...]:
    """The noise levels that are looked at where nobody names them, in percent."""
    return FEW_LEVELS if is_large(model) else LEVELS


def draws_of(model: TextToImage) -> int:
    """Over how many noises errors are averaged where nobody says."""
    return 1 if is_large(model) else DRAWS


def scales_of(model: TextToImage) -> tuple[float, ...]:
    """The scales of guidance that are drawn where nobody names them."""
    return FEW_SCALES if is_large(model) else SCALES


@torch.no_grad()
def pace_of(model: TextToImage, made: Plan) -> Pace:
    """Ask the U-Net once, and decode once, with a clock."""
    _, words = conditioned(model, [made])
    x = torch.zeros(1, *model.latent_shape(made.drawn_size))
    inputs = torch.zeros(1, model.unet.config.in_channels, *x.shape[2:], device=model.device)
    begun = time.monotonic()
    model.engine.predict(inputs, torch.tensor([model.schedule.steps // 2], device=model.device), words[:1])
    asked = time.monotonic()
    model.decode(x.to(model.device))
    return Pace(asked - begun, time.monotonic() - asked)


def told_of_noise(model: TextToImage, made: Plan) -> str:
    """What a view of noise says at first of a large model; "" of any other."""
    if not is_large(model):
        return ""
    pace, levels, draws = pace_of(model, made), levels_of(model), draws_of(model)
    guesses = 1 if made.free else 2
    noisy = sum(level > 0 for level in levels)
    seconds = noisy * draws * guesses * pace.call + len(levels) * (1 + guesses) * pace.decode
    return (
        f"This is a large model, so by itself this looks at {len(levels)} levels instead of {len(LEVELS)}, each with "
        f"one noise instead of {DRAWS}. That takes {about(seconds)}."
    )


def told_of_scales(model: TextToImage, made: Plan) -> str:
    """What a ladder of guidance says at first of a large model; "" of any other."""
    if not is_large(model):
        return ""
    pace, scales = pace_of(model, made), scales_of(model)
    calls = sum(made.steps * (1 if scale == 1 else 2) for scale in scales)
    return (
        f"This is a large model, so {len(scales)} scales are drawn instead of {len(SCALES)}. That takes "
        f"{about(calls * pace.call + len(scales) * pace.decode)}."
    )


def about(seconds: float) -> str:
    """A time, as far as anyone can tell it.

    >>> about(0.4), about(47), about(130)
    ('about a second', 'about 47 seconds', 'about 2 minutes')
    """
    if seconds < 1.5:
        return "about a second"
    return f"about {seconds:.0f} seconds" if seconds < 90 else f"about {seconds / 60:.0f} minutes"
