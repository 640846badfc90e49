"""What is checked before anything is drawn; every error says which field it is about."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator

from fromnoise.drawing.request import MOST_PARTS, MOST_PICTURES, Request, Towards
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import MOST_SIDE
from fromnoise.system.prompt import says_something
from fromnoise.system.text_to_image import TextToImage


def check_numbers(r: Request, steps: int, most_steps: int) -> None:
    """Refuse numbers out of range.

    Args:
        r: the request.
        steps: moves of the sampler.
        most_steps: of the model's schedule.

    Raises:
        UserError: which, and its range.
    """
    for field, wrong, message in _problems(r, steps, most_steps):
        if wrong:
            raise UserError(message, field)


def _problems(r: Request, steps: int, most_steps: int) -> Iterator[tuple[str, bool, str]]:
    interval = tuple(r.interval or (0, 0))
    low, high = interval if len(interval) == 2 else (1, 0)
    count, most = r.count, MOST_PICTURES
    yield "count", not 1 <= count <= most, f"the number of pictures must be 1…{most}, not {count}"
    yield "steps", not 1 <= steps <= most_steps, f"steps must be 1…{most_steps}, not {steps}"
    yield "guidance", not _within(r.guidance, 0, 100), f"guidance must be 0…100 (1 is off), not {r.guidance}"
    last = 2**63 - 1 - count
    yield "seed", not 0 <= r.seed <= last, f"the seed must be 0…{last}, not {r.seed}"
    yield "rescale", not _within(r.rescale, 0, 1), f"rescale must be 0…1, not {r.rescale}"
    wrong = not 0 < (1 if r.strength is None else r.strength) <= 1
    yield "strength", wrong, f"strength must be above 0 and at most 1, not {r.strength}"
    wrong = not 0 <= low <= high <= most_steps
    wish = f"the guidance interval must be two times within 0…{most_steps}, the lower first"
    yield "interval", wrong, f"{wish}; not {' '.join(map(str, interval)) or 'none'}"


def _within(value: float | None, low: float, high: float) -> bool:
    return value is None or (math.isfinite(value) and low <= value <= high)


def check_size(request: Request, model: TextToImage) -> None:
    """Refuse sizes that the VAE cannot have.

    Raises:
        UserError: a side that is no multiple of the factor or out of range; a model for inpainting without a picture.
    """
    if model.for_inpainting and request.strength is None:
        raise UserError("this model fills in parts of pictures: give --image and --mask", "image")
    factor = model.vae.factor
    for field, side in (("width", request.width), ("height", request.height)):
        if side is not None and (side % factor or not 2 * factor <= side <= MOST_SIDE):
            raise UserError(
                f"{field} must be a multiple of {factor} from {2 * factor} to {MOST_SIDE}, not {side}", field
            )


def check_unicode(text: str, field: str) -> None:
    """Refuse what is left of bytes in another encoding.

    Raises:
        UserError: there is some.
    """
    if any(0xD800 <= ord(sign) < 0xE000 for sign in text):
        raise UserError("the prompt is not valid UTF-8 text; set the terminal to UTF-8", field)


def check_words(request: Request, parts: int, model: TextToImage) -> None:
    """Refuse words that nothing can be drawn from.

    Args:
        request: whose words they are.
        parts: in how many parts everything is read.
        model: what draws.

    Raises:
        UserError: an empty prompt without ``free``, words beside it, too many words, or an unknown style.
    """
    if parts > MOST_PARTS:
        room = model.tokenizer.context - 2
        raise UserError(f"the prompt has more than {MOST_PARTS} parts of {room} tokens; shorten it", "prompt")
    if request.free and request.prompt.strip():
        raise UserError("--free draws without any prompt; leave out either the prompt or --free", "free")
    if not request.free and not request.prompt.strip():
        raise UserError("the prompt is empty; say what to draw, or use --free to draw without words", "prompt")
    if not request.free and not says_something(request.prompt):
        raise UserError(
            f"the prompt '{request.prompt.strip()}' has no words that count; say what to draw, "
            "or use --free to draw without words",
            "prompt",
        )
    check_style(request.style, model)


def check_style(style: str | None, model: TextToImage) -> None:
    """Refuse a style that the model does not have.

    Raises:
        UserError: naming the nearest and all it has.
    """
    if style is not None and style not in model.styles:
        near = difflib.get_close_matches(style, model.styles, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        known = ", ".join(model.styles) or "none"
        raise UserError(f"unknown style '{style}'; {hint}this model's styles: {known}", "style")


def check_towards(request: Request, to: Towards) -> None:
    """Refuse a way that leads nowhere.

    Raises:
        UserError: an amount or a seed out of range, or a picture that starts from another one as well.
    """
    if not (math.isfinite(to.amount) and 0 <= to.amount <= 1):
        raise UserError(f"the way towards another picture goes from 0 to 1, not {to.amount}", "towards")
    if not 0 <= to.seed <= 2**63 - 1 - request.count:
        raise UserError(f"the other picture's seed must be 0…{2**63 - 1 - request.count}, not {to.seed}", "towards")
    if request.strength is not None:
        raise UserError(
            "a picture that starts from another one cannot go towards a third; leave one of them out", "towards"
        )
