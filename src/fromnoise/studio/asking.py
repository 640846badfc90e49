"""From what a client sent to complete requests, checked against the model."""

from __future__ import annotations

import secrets
from dataclasses import replace

from fromnoise.diffusion.schedule import MOST_DISTILLED
from fromnoise.drawing.generate import Request, Towards, complete, one_by_one
from fromnoise.drawing.start import fitting_size
from fromnoise.ground.errors import UserError
from fromnoise.studio.jobs import Order
from fromnoise.studio.models import Models
from fromnoise.studio.problems import Problem
from fromnoise.studio.schemas import MOST_SEED, JobIn
from fromnoise.studio.settings import Limits
from fromnoise.studio.uploads import Uploads, check_reach
from fromnoise.system.few_steps import fixed_settings

STRENGTH = 0.75  # of a picture to start from, when nobody says


def any_seed() -> int:
    """A seed that nobody chose."""
    return secrets.randbelow(MOST_SEED + 1)


def orders_from(asked: JobIn, models: Models, uploads: Uploads, limits: Limits) -> list[Order]:
    """What a job of the page draws, picture by picture.

    Raises:
        Problem: something is wrong with what was asked, and what.
    """
    model = models.get(asked.fast)
    base = _base(asked)
    if asked.start is not None:
        strength = asked.strength or (1.0 if asked.mask else STRENGTH)
        base = replace(base, strength=strength)
        if base.width is None:
            photo = uploads.open(asked.start)
            width, height = fitting_size(photo, model.pixels, model.vae.factor)
            base = replace(base, width=width, height=height)
    elif asked.strength is not None or asked.mask is not None:
        raise Problem(400, "strength and mask need a picture to start from", "start")
    if asked.towards is not None and asked.count * len(asked.amounts) > limits.count:
        raise Problem(400, f"that would be more than {limits.count} pictures", "count")
    requests = checked(_pictures(asked, base), models, asked.fast, limits)
    if asked.start is not None:  # all pictures have one size
        start = uploads.start(asked.start, asked.mask, (requests[0].width or 0, requests[0].height or 0))
        check_reach(start, model.vae.factor)
    return [Order(request, asked.fast, asked.start, asked.mask) for request in requests]


def checked(requests: list[Request], models: Models, fast: bool, limits: Limits) -> list[Request]:
    """Requests with the model's defaults filled in.

    Raises:
        Problem: the model cannot draw one of them, or it is larger than the server allows.
    """
    model = models.get(fast)
    height, width = requests[0].size(model)  # of all
    if width * height > limits.pixels * model.pixels**2:
        most = int(limits.pixels**0.5 * model.pixels)
        raise Problem(400, f"{width}x{height} is more than this server draws ({most}x{most})", "size")
    built_in = fixed_settings(requests[0].to_dict()) if fast else []
    if built_in:
        raise Problem(400, f"fast has {', '.join(built_in)} built in; leave that out, or fast", built_in[0])
    if fast and (requests[0].steps or 0) > MOST_DISTILLED:
        raise Problem(400, f"fast draws in 1 to {MOST_DISTILLED} steps, not {requests[0].steps}", "steps")
    try:
        return [complete(model, request) for request in requests]
    except UserError as error:
        raise Problem(400, in_web_words(str(error)), _field(str(error))) from None


def in_web_words(message: str) -> str:
    """What the command line says, without its dashes."""
    return message.replace(", or use --free to draw without words", "").replace("--", "")


def _field(message: str) -> str | None:
    known = ("steps", "guidance", "sampler", "style", "seed", "strength", "width", "height", "prompt", "spacing")
    return next((name for name in known if name in message), None)


def _base(asked: JobIn) -> Request:
    names = (
        *("prompt", "negative", "style", "steps", "guidance", "rescale", "sampler"),
        *("width", "height", "interval", "spacing", "sigmas", "free", "strength"),
    )
    seed = any_seed() if asked.seed is None else asked.seed
    return Request(seed=seed, count=asked.count, **{name: getattr(asked, name) for name in names})


def _pictures(asked: JobIn, base: Request) -> list[Request]:
    other = asked.towards
    if other is None:
        return one_by_one(base)
    ways = [(other.seed + i, amount) for i in range(asked.count) for amount in asked.amounts]
    return [
        replace(base, count=1, towards=Towards(amount, seed, other.prompt, other.negative, other.style))
        for seed, amount in ways
    ]
