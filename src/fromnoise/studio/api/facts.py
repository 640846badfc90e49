"""What the page needs to know before it can ask for anything."""

from __future__ import annotations

from typing import Any

from fromnoise.diffusion.samplers import SAMPLERS
from fromnoise.drawing.request import MASKED_STRENGTH, STRENGTH
from fromnoise.inspection.subject import named
from fromnoise.studio.api.state import State
from fromnoise.studio.desk.about import about
from fromnoise.system.few_steps import few_steps_of


def facts(studio: State) -> dict[str, Any]:
    """The model, what it is best drawn with, and the limits of the server."""
    model, limits = studio.models.base, studio.settings.limits
    return {
        **about(model, studio.models.name, named(studio.models.opened)),
        "strengths": {"restyle": STRENGTH, "inpaint": MASKED_STRENGTH},
        "fast": {"steps": few_steps_of(model)} if studio.models.can_be_fast else None,
        "samplers": sorted(SAMPLERS),
        "limits": {
            "count": limits.count,
            "steps": model.schedule.steps,
            "upload": limits.upload,
            "side": int(limits.pixels**0.5 * model.pixels),
        },
        "marks": {"watermark": studio.settings.stamp.watermark, "signer": studio.settings.stamp.signer},
        "training": studio.training is not None,
        "pictures": studio.store.count(),
        "restarted": {"queued_again": studio.restarted[0], "interrupted": studio.restarted[1]},
    }
