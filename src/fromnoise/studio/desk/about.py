"""What the page tells of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fromnoise import __version__
from fromnoise.drawing.request import MOST_CANDIDATES
from fromnoise.studio.desk.beginnings import beginnings, examples
from fromnoise.system.text_to_image import TextToImage


def about(model: TextToImage, name: str, opened: Mapping[str, Any]) -> dict[str, Any]:
    """The model, what it is best drawn with, and prompts to begin with: the part of the page's facts that needs no
    server.

    Args:
        model: the model.
        name: what it is called.
        opened: how it was named and opened, for commands that do the same (:func:`fromnoise.inspection.subject.named`).
    """
    card, own = model.card, beginnings(model)
    return {
        "version": __version__,
        "model": {
            "name": name,
            "opened": {**opened, "lora": list(opened["lora"])},
            "hash": model.hash,
            "pixels": model.pixels,
            "factor": model.vae.factor,
            "styles": list(model.styles),
            "default_style": model.default_style or None,
            "precision": model.precision,
            "prediction": model.prediction,
            "levels": model.schedule.steps,
            "inpainting": model.for_inpainting,
            "pictures_seen": card.get("pictures_seen") if isinstance(card.get("pictures_seen"), int) else None,
        },
        "defaults": {
            "steps": model.defaults.steps,
            "guidance": model.defaults.guidance,
            "sampler": model.defaults.sampler,
            "rescale": model.defaults.rescale,
        },
        "examples": list(examples(model)),
        "beginnings": None if own is None else {"sum": list(own.sum), "chain": list(own.chain)},
        "best_of": MOST_CANDIDATES if model.clip else None,
    }
