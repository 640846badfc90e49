"""Which style is drawn in where nobody names one: the model's own choice, if it has made one.

A prompt without a style gets what all styles have in common, which is soft. So a model may name a ``default_style``
(measured with ``benchmarks/default_style.py``), and drawing adds it where neither the request nor the prompt names one.
Whoever wants none of it says :data:`~fromnoise.system.defaults.ANY_STYLE` in place of a style.
"""

from __future__ import annotations

import re
from dataclasses import replace

from fromnoise.drawing.request import Request
from fromnoise.ground.wording import said_style
from fromnoise.system.defaults import ANY_STYLE
from fromnoise.system.text_to_image import TextToImage

LONGEST = 200  # characters at a prompt's end in which it may name its style


def with_style(model: TextToImage, request: Request) -> Request:
    """The request with the model's own choice of a style where it names none; so for the picture that it goes towards.

    What a request says stays. ``ANY_STYLE`` is kept only where it changes something.
    """
    request = replace(request, style=_style(model, request))
    to = request.towards
    if to is None or to.prompt is None:
        return request
    return replace(request, towards=replace(to, style=_style(model, request.other)))


def own_choice(model: TextToImage, request: Request) -> str:
    """The style that a model adds to the words of a request; "" where it adds none."""
    return model.default_style if request.style is None and _takes_one(model, request) else ""


def read_style(model: TextToImage, style: str | None) -> str | None:
    """The style whose name is read, of what stands in its place; None for none."""
    return None if style == ANY_STYLE and ANY_STYLE not in model.styles else style


def as_drawn(model: TextToImage, request: Request) -> Request:
    """A complete request, as pictures keep it, to be drawn again: where it names no style, none was added.

    Without this a picture from before its model had a style of its own choice would be drawn in that now.
    """
    if not model.default_style:
        return request
    to = request.towards
    if to is not None and to.prompt is not None:
        to = replace(to, style=to.style or ANY_STYLE)
    return replace(request, style=request.style or ANY_STYLE, towards=to)


def _style(model: TextToImage, request: Request) -> str | None:
    needless = read_style(model, request.style) is None and not _takes_one(model, request)
    return None if needless else own_choice(model, request) or request.style


def _takes_one(model: TextToImage, request: Request) -> bool:
    """Whether the model's own choice is missing in the words of a request."""
    return bool(model.default_style) and not request.free and not _names_one(request.prompt, model.styles)


def _names_one(prompt: str, styles: tuple[str, ...]) -> bool:
    """Whether a prompt names a style: whatever one at its end (", linocut style"), or one of these anywhere."""
    names = "|".join(map(re.escape, styles))
    anywhere = re.compile(rf"(?<![\w-])(?:{names})\s+style(?![\w-])", re.IGNORECASE)
    return bool(said_style(prompt[-LONGEST:])[1]) or anywhere.search(prompt) is not None
