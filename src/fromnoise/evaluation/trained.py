"""How a model's training read its pictures, by what its card says."""

from __future__ import annotations

from typing import Any


def said_styles(card: dict[str, Any]) -> bool:
    """Whether captions like "a cat, linocut style" named the style of their picture.

    Recipes of earlier versions do not say; they did not read captions so. A model without a recipe is of elsewhere, and
    its pictures are read as today's.
    """
    recipe = card.get("recipe")
    return bool(recipe["data"].get("said_styles", False)) if isinstance(recipe, dict) else True
