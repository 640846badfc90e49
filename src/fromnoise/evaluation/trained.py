"""How a model's training read its pictures, by what its card says."""

from __future__ import annotations

from typing import Any

from fromnoise.data.reading import AS_IT_LIES, Reading


def reading_of(card: dict[str, Any]) -> Reading:
    """How they were read.

    Recipes of earlier versions do not say whether captions like "a cat, linocut style" named the style of their
    picture; they did not read them so. A model without a recipe is of elsewhere, and its pictures are read as today's.
    """
    recipe, aside = card.get("recipe"), card.get("aside")
    if not isinstance(recipe, dict):
        return AS_IT_LIES
    data = recipe["data"]
    up_to = float(aside) if isinstance(aside, int | float) else 0.0
    said_styles, tags = bool(data.get("said_styles", False)), bool(data.get("tags", False))
    return Reading(said_styles, str(data.get("fit", "pad")), tags, up_to)
