"""What an answer cost, counted as OpenAI counts it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fromnoise.drawing.plan import Plan
from fromnoise.system.text_to_image import TextToImage


def usage_of(plans: Sequence[Plan], model: TextToImage) -> dict[str, Any]:
    """Tokens of the words, and positions of the latents, those of all candidates.

    Args:
        plans: one for each picture, of one size.
        model: what draws.
    """
    words = plans[0].words.wanted.count
    _, height, width = model.latent_shape(plans[0].drawn_size)
    drawn_tokens = height * width * sum(plan.best_of for plan in plans)
    seen = height * width if plans[0].from_picture else 0
    return {
        "input_tokens": words + seen,
        "input_tokens_details": {"text_tokens": words, "image_tokens": seen},
        "output_tokens": drawn_tokens,
        "total_tokens": words + seen + drawn_tokens,
    }
