"""What is checked before anything is drawn; every error says which field it is about."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator

from fromnoise.diffusion.samplers.names import read_name
from fromnoise.diffusion.schedule import MOST_DISTILLED
from fromnoise.drawing.known_pictures import known_pictures
from fromnoise.drawing.request import MOST_CANDIDATES, MOST_PARTS, MOST_PICTURES, Request, Towards
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import MOST_SIDE
from fromnoise.ground.text import is_unicode
from fromnoise.system.defaults import ANY_STYLE
from fromnoise.system.prompt import says_something
from fromnoise.system.text_to_image import TextToImage

WITHOUT_WORDS = ", or use --free to draw without words"


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
    most = MOST_CANDIDATES
    yield "best_of", not 1 <= r.best_of <= most, f"best of must be 1…{most} candidates, not {r.best_of}"
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
        said = "this model fills in parts of pictures: it needs a picture and a mask"
        raise UserError(said, "image", advice=" (--image and --mask)")
    factor = model.vae.factor
    for field, side in (("width", request.width), ("height", request.height)):
        if side is not None and (side % factor or not 2 * factor <= side <= MOST_SIDE):
            raise UserError(
                f"{field} must be a multiple of {factor} from {2 * factor} to {MOST_SIDE}, not {side}", field
            )


def check_choice(request: Request, model: TextToImage) -> None:
    """Refuse to choose among candidates where nothing can choose, or nothing differs.

    Raises:
        UserError: a model without CLIP's image tower, a drawing without words, or one towards another picture; or the
            model's index of its training pictures cannot be read.
    """
    if request.best_of == 1:
        return
    if model.clip is None:
        said = "the best of several is chosen by CLIP's image tower, which this model lacks; leave out best of"
    elif request.free:
        said = "a picture that is drawn free has no words that a candidate could fit best; leave out one of them"
    elif request.towards is not None:
        said = "a picture on the way towards another one has seeds of its own, no candidates; leave out one of them"
    else:
        known_pictures(model)
        return
    raise UserError(said, "best_of", advice=" (--best-of)")


def check_fixed(request: Request, model: TextToImage) -> None:
    """Refuse what contradicts the settings that a model's weights have built in.

    Raises:
        UserError: naming all of those settings, or more steps than it has learnt.
    """
    if not model.fixed:
        return
    given = [name for name in model.fixed if _contradicts(request, name, model)]
    if given:
        said, options = ", ".join(given), ", ".join(f"--{name}" for name in given)
        raise UserError(
            f"fast has {said} built in; leave that out, or fast", given[0], advice=f" ({options}, or --fast)"
        )
    if request.towards is not None and request.towards.negative and "negative" in model.fixed:
        raise UserError("fast has no negative prompt; leave out that of the other picture, or fast", "towards")
    usual = model.defaults.steps
    if model.solvers and request.steps is not None and request.steps not in model.solvers:
        known = ", ".join(map(str, model.solvers))
        raise UserError(f"fast draws in {known} steps ({usual} by default), not {request.steps}", "steps")
    if not model.solvers and request.steps is not None and not 1 <= request.steps <= MOST_DISTILLED:
        raise UserError(f"fast draws in 1 to {MOST_DISTILLED} steps ({usual} by default), not {request.steps}", "steps")


def _contradicts(request: Request, name: str, model: TextToImage) -> bool:
    said = getattr(request, name)
    if said is None or said == "":
        return False
    if name == "sampler":
        return read_name(said) != (model.defaults.sampler, "")
    own = getattr(model.defaults, name, None)
    return bool((tuple(said) if isinstance(said, list) else said) != own)


def check_unicode(text: str, field: str) -> None:
    """Refuse what is left of bytes in another encoding.

    Raises:
        UserError: there is some.
    """
    if "\0" in text:
        raise UserError("the prompt holds a zero (U+0000), which is no sign of any writing; leave it out", field)
    if not is_unicode(text):
        raise UserError("the prompt is not valid UTF-8 text; set the terminal to UTF-8", field)


def check_length(parts: int, field: str, model: TextToImage) -> None:
    """Refuse a prompt, or a negative prompt, that is read in more parts than anybody needs.

    Raises:
        UserError: which of them.
    """
    if parts > MOST_PARTS:
        room = model.tokenizer.context - 2
        what = "negative prompt" if field == "negative" else "prompt"
        raise UserError(f"the {what} has more than {MOST_PARTS} parts of {room} tokens; shorten it", field)


def check_words(request: Request, model: TextToImage) -> None:
    """Refuse words that nothing can be drawn from.

    Args:
        request: whose words they are.
        model: what draws.

    Raises:
        UserError: an empty prompt without ``free``, words beside it, or an unknown style.
    """
    if request.free and request.prompt.strip():
        said = "what is drawn free is drawn without any prompt; leave out one of them"
        raise UserError(said, "free", advice=" (the prompt, or --free)")
    if not request.free and not request.prompt.strip():
        raise UserError("the prompt is empty; say what to draw", "prompt", advice=WITHOUT_WORDS)
    if not request.free and not says_something(request.prompt):
        raise UserError(
            f"the prompt '{request.prompt.strip()}' has no words that count; say what to draw",
            "prompt",
            advice=WITHOUT_WORDS,
        )
    check_style(request.style, model)


def check_style(style: str | None, model: TextToImage) -> None:
    """Refuse a style that the model does not have.

    Raises:
        UserError: naming the nearest and all it has.
    """
    if style is not None and style != ANY_STYLE and style not in model.styles:
        near = difflib.get_close_matches(style, model.styles, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        known = (", ".join(model.styles) or "none") + (f", or {ANY_STYLE} for none" if model.default_style else "")
        raise UserError(f"unknown style '{style}'; {hint}this model's styles: {known}", "style")


def check_towards(request: Request, to: Towards) -> None:
    """Refuse a way that leads nowhere.

    Raises:
        UserError: an amount or a seed out of range, a style without a prompt, or a picture that starts from another one
            as well.
    """
    if not (math.isfinite(to.amount) and 0 <= to.amount <= 1):
        raise UserError(f"the way towards another picture goes from 0 to 1, not {to.amount}", "towards")
    if not 0 <= to.seed <= 2**63 - 1 - request.count:
        raise UserError(f"the other picture's seed must be 0…{2**63 - 1 - request.count}, not {to.seed}", "towards")
    if to.prompt is None and (to.negative or to.style):
        what = "negative prompt" if to.negative else "style"
        raise UserError(f"the other picture has a {what} and no prompt; give its prompt as well", "towards")
    if request.strength is not None:
        raise UserError(
            "a picture that starts from another one cannot go towards a third; leave one of them out", "towards"
        )
