"""Words to begin with: prompts that a model is likely to draw well, and what the chapters do with them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fromnoise.system.text_to_image import TextToImage

MOST_EXAMPLES = 8
# Names of training pictures that the stickers' model draws well, whatever the seed: looked at, the surest first.
STICKERS = ("red apple", "dog face", "house", "guitar", "mushroom", "tulip", "automobile", "cat face")
# What models that were trained on photographs and paintings are commonly tried with.
ANY = (
    "a lighthouse on a cliff at sunset", "a red apple on a wooden table", "a cat asleep on a bookshelf",
    "a small cabin in a snowy forest", "a bowl of ramen, watercolour", "an astronaut riding a horse",
)  # fmt: skip
LONGEST_CHAIN = 3
ARTICLES = ("a", "an", "the")
# A longer prompt is cut before these: "a lighthouse", "a lighthouse on a cliff", …
JOINTS = re.compile(r",|(?= (?:on|in|at|of|with|under|beside|asleep|riding) )")


@dataclass(frozen=True)
class Beginnings:
    """What the chapters begin with.

    Attributes:
        things: prompts that the model is likely to draw well; the first is what most chapters draw.
        sum: the first sum of words: a prompt, what is taken from it, what is added.
        chain: prompts from general to narrow.
    """

    things: tuple[str, ...]
    sum: tuple[str, str, str]
    chain: tuple[str, ...]

    def others(self, prompt: str) -> tuple[str, ...]:
        """The other prompts, to walk to and to compare with; as ``web/chapters/example.js`` chooses them."""
        return tuple(thing for thing in self.things if thing != prompt)


def beginnings(model: TextToImage) -> Beginnings | None:
    """The words for a model; None where the chapters' own fit, which name things of the stickers' set."""
    things = examples(model)
    if set(things) <= set(STICKERS):
        return None
    if things == ANY:
        return Beginnings(things, ("a red apple on a wooden table", "red", "green"), chain_of(things[0]))
    return Beginnings(
        things, (things[0], things[0], things[-1]), chain_of(max(things, key=lambda each: len(each.split())))
    )


def chain_of(prompt: str) -> tuple[str, ...]:
    """A prompt from general to narrow: two or three words from the last one on, a longer one part by part.

    >>> chain_of("a big red fox")
    ('fox', 'red fox', 'big red fox')
    >>> chain_of("a cat asleep on a bookshelf")
    ('a cat', 'a cat asleep', 'a cat asleep on a bookshelf')
    """
    parts = _without_article(prompt)
    if len(parts) <= LONGEST_CHAIN:
        return tuple(dict.fromkeys(" ".join(parts[-n:]) for n in (1, -(-len(parts) // 2), len(parts))))
    ends = [found.start() for found in JOINTS.finditer(prompt)][: LONGEST_CHAIN - 1]
    return (*(prompt[:end] for end in ends), prompt)


def is_short(prompt: str) -> bool:
    """Whether a prompt is made general by leaving out its first words: the end of a long one means little by itself."""
    return 2 <= len(_without_article(prompt)) <= LONGEST_CHAIN


def _without_article(prompt: str) -> list[str]:
    parts = prompt.split()
    while len(parts) > 1 and parts[0].lower() in ARTICLES:
        parts.pop(0)
    return parts


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
