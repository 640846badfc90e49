"""A picture's latents as messages for a page, and what it asks for while somebody turns a channel up or down."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.inspection.heat import warmth
from fromnoise.inspection.latents import changed, decoded, each_channel, noised, there_and_back
from fromnoise.inspection.latents_figure import WIDEST
from fromnoise.inspection.live import as_url
from fromnoise.inspection.noise import encoded
from fromnoise.inspection.panels import grey
from fromnoise.inspection.picture_live import News, picture_news
from fromnoise.inspection.pixels import psnr
from fromnoise.inspection.subject import Subject, command
from fromnoise.system.text_to_image import TextToImage

AMOUNTS = (0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0)  # of noise; 1 is as loud as the picture
WORST = 32.0  # levels of 255 that are white in the error map


def latents_news(model: TextToImage, subject: Subject, given: Tensor | None = None) -> Iterator[News]:
    """ "step"s and "picture", "back", a "channel" for each of them, a "noised" for each amount, "end".

    Closing the iterator cancels.

    Args:
        model: what draws, encodes and decodes.
        subject: what is drawn; its seed is the noise's too.
        given: a picture, uint8 [3,H,W], whose sides are multiples of the VAE's factor; then nothing is drawn.

    Raises:
        UserError: drawing refuses the subject.
    """
    picture = yield from picture_news(model, subject, given)
    trip = there_and_back(model, picture)
    yield {
        "type": "back",
        "picture": as_url(trip.back),
        "error": as_url(warmth(trip.error, WORST)),
        "white": WORST,
        "mean": round(float(trip.error.mean()), 2),
        "db": _decibel(trip.db),
        "numbers": picture.numel(),
        "latents": list(trip.latents.shape),
        "factor": trip.factor,
    }
    for channel in each_channel(model, trip):
        shown = as_url(grey(channel.latents, WIDEST))
        yield {"type": "channel", "index": channel.index, "picture": shown, "lost": _decibel(channel.lost)}
    for amount in AMOUNTS:
        found = noised(model, trip, amount, subject.seed)
        yield {
            "type": "noised",
            "amount": amount,
            "pixels": {"picture": as_url(found.pixels), **_told(found.db[0], found.coarse[0])},
            "latents": {"picture": as_url(found.latents), **_told(found.db[1], found.coarse[1])},
        }
    yield {"type": "end", "command": _command(subject, given is not None)}


def change(model: TextToImage, picture: Tensor, gains: Sequence[float]) -> dict[str, Any]:
    """A picture, uint8 [3,H,W], decoded with each channel of its latents multiplied, and how near it still comes.

    Raises:
        UserError: not one factor for each channel, or one out of range.
    """
    count = model.vae.config.latent_channels
    if len(gains) != count:
        raise UserError(f"send one factor for each of the {count} channels, not {len(gains)}", "gains")
    latents = encoded(model, picture)[0]
    found = decoded(model, changed(latents, scale={i: gain for i, gain in enumerate(gains) if gain != 1}))
    return {"picture": as_url(found), "db": _decibel(psnr(picture, found))}


def _told(db: float, coarse: float) -> dict[str, Any]:
    return {"db": _decibel(db), "coarse": round(coarse, 4)}


def _decibel(value: float) -> float | None:
    """As JSON writes it; None where nothing differs."""
    return round(value, 2) if math.isfinite(value) else None


def _command(subject: Subject, given: bool) -> str:
    own = {"prompt": None if given else subject.prompt, "style": subject.style, "seed": subject.seed}
    return command(
        "latents",
        ["picture.png"] if given else [],
        {**own, **subject.opened, "out": "latents.html"},
    )
