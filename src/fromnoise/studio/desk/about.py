"""What the page tells of a model."""

from __future__ import annotations

from typing import Any

from fromnoise import __version__
from fromnoise.drawing.request import MOST_CANDIDATES
from fromnoise.system.text_to_image import TextToImage

MOST_EXAMPLES = 8
# Names of training pictures that the stickers' model draws well, whatever the seed: looked at, the surest first.
STICKERS = ("red apple", "dog face", "house", "guitar", "mushroom", "tulip", "automobile", "cat face")
# What models that were trained on photographs and paintings are commonly tried with.
ANY = (
    "a lighthouse on a cliff at sunset", "a red apple on a wooden table", "a cat asleep on a bookshelf",
    "a small cabin in a snowy forest", "a bowl of ramen, watercolour", "an astronaut riding a horse",
)  # fmt: skip


def about(model: TextToImage, name: str) -> dict[str, Any]:
    """The model, what it is best drawn with, and prompts to begin with: the part of the page's facts that needs no
    server.
    """
    card = model.card
    return {
        "version": __version__,
        "model": {
            "name": name,
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
        "best_of": MOST_CANDIDATES if model.clip else None,
    }


def examples(model: TextToImage) -> tuple[str, ...]:
    """Prompts to begin with, which the model is likely to draw well.

    A model that fromnoise trained names the prompts of its sample sheets, which are words of its training captions;
    one that went on from the stickers' model knows that one's words; of any other nothing is known.
    """
    recipe = model.card.get("recipe")
    if not isinstance(recipe, dict):
        return ANY
    diffusion = recipe.get("diffusion")
    asked = diffusion.get("prompts") if isinstance(diffusion, dict) else None
    named = dict.fromkeys(_plain(prompt, model.styles) for prompt in asked or () if isinstance(prompt, str))
    sure = [prompt for prompt in STICKERS if prompt in named]
    return tuple(sure or filter(None, named))[:MOST_EXAMPLES] or STICKERS


def _plain(prompt: str, styles: tuple[str, ...]) -> str:
    """A prompt without the style that its end names; the page chooses that by itself."""
    for style in styles:
        prompt = prompt.removesuffix(f", {style} style")
    return prompt.strip()
