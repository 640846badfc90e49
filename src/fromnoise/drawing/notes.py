"""What to tell a person about a plan: what is done otherwise than they may expect, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fromnoise.diffusion.samplers.names import nearest
from fromnoise.drawing.request import Request
from fromnoise.drawing.size import Size
from fromnoise.drawing.style import own_choice, read_style
from fromnoise.ground.wording import said_style
from fromnoise.system.defaults import ANY_STYLE, slow_format
from fromnoise.system.foreign_syntax import read_otherwise
from fromnoise.system.prompt import describe
from fromnoise.system.text_to_image import TextToImage
from fromnoise.system.texts import Tokens

MOST_WORDS = 8  # unknown words of a text that get a sentence each


def notes(model: TextToImage, request: Request, texts: Sequence[Tokens], size: Size) -> tuple[str, ...]:
    """The sentences about a plan, none of them twice.

    Args:
        model: what draws.
        request: what was asked for.
        texts: all that is read.
        size: what is drawn.
    """
    return tuple(dict.fromkeys(_notes(model, request, texts, size)))


def _notes(model: TextToImage, request: Request, texts: Sequence[Tokens], size: Size) -> Iterator[str]:
    if model.note:
        yield model.note
    if slow := slow_format(model.precision, model.device):
        yield slow
    stand_in = nearest(request.sampler or "")
    if stand_in:
        yield f"{request.sampler} is not here; drawing with {stand_in}, which comes nearest"
    for text in texts:
        yield from [line for line in map(describe, text.chunks) if line][:1]
    for each in (request, request.other):
        for said in (each.prompt, each.negative):
            yield from filter(None, [read_otherwise(said)])
            yield from unknown_words(model, said)
        _, named = said_style(each.prompt)
        if named in model.styles and read_style(model, each.style) is not None:
            yield f"the prompt names a style ({named}) beside the one that is chosen ({each.style}); both are read"
        if own := own_choice(model, each):
            yield f"no style is named: drawn in {own}, the model's own choice; the style {ANY_STYLE} is none"
    yield from size.notes
    if request.best_of > 1 and model.copies is None:
        yield "this model has no index of its training pictures, so no candidate is refused as a copy of one"


def unknown_words(model: TextToImage, prompt: str) -> list[str]:
    """A sentence about each word of a prompt that no training caption had, with words that are spelt almost so; of many
    words only the first ones are named."""
    text, style = said_style(prompt)
    words, found = model.known.unknown(text if style in model.styles else prompt), []
    for word in words[:MOST_WORDS]:
        near = model.known.near(word)
        hint = f"; it knows {', '.join(near)}" if near else ""
        found.append(f"this model has never seen the word '{word}'{hint}")
    more = len(words) - MOST_WORDS
    if more > 0:
        found.append(f"and it has never seen {more} more of the words" if more > 1 else "and one more of the words")
    return found
