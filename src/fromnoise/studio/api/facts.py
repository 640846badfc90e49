"""What the page needs to know before it can ask for anything."""

from __future__ import annotations

from typing import Any

from fromnoise import __version__
from fromnoise.diffusion.samplers import SAMPLERS
from fromnoise.studio.api.state import State
from fromnoise.system.few_steps import DEFAULTS as FAST


def facts(studio: State) -> dict[str, Any]:
    """The model, what it is best drawn with, and the limits of the server."""
    model, limits = studio.models.base, studio.settings.limits
    card = model.card
    return {
        "version": __version__,
        "model": {
            "name": studio.models.name,
            "hash": model.hash,
            "pixels": model.pixels,
            "factor": model.vae.factor,
            "styles": list(model.styles),
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
        "fast": {"steps": FAST.steps} if studio.models.can_be_fast else None,
        "samplers": sorted(SAMPLERS),
        "limits": {
            "count": limits.count,
            "steps": model.schedule.steps,
            "upload": limits.upload,
            "side": int(limits.pixels**0.5 * model.pixels),
        },
        "pictures": studio.store.count(),
        "restarted": {"queued_again": studio.restarted[0], "interrupted": studio.restarted[1]},
    }
