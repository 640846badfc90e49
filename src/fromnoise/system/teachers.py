"""What a model's card tells of its teachers: did its decoder learn by a network that judges what is drawn?"""

from __future__ import annotations

from typing import Any


def judging_teacher(card: dict[str, Any]) -> str:
    """How a model's decoder learnt by the first blocks of the network that judges, in words; "" for one that did not.

    Earlier versions could do that (``vae.perceptual``). Models that began with such a one, and so have its decoder or
    what became of it, carry these words along as ``decoder`` in their card.
    """
    decoder, recipe = card.get("decoder"), card.get("recipe")
    said = str(decoder.get("of", "")) if isinstance(decoder, dict) else ""
    if "perceptual" in said:
        return said
    stage = recipe.get("vae") if isinstance(recipe, dict) else None
    weight = stage.get("perceptual") if isinstance(stage, dict) else None
    if not isinstance(weight, float | int) or not weight:
        return ""
    return f"the decoder of {card.get('name', 'this model')}, perceptual {weight:g}"
