"""From what a client sent to complete requests, checked against the model."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from fromnoise.diffusion.schedule import MOST_DISTILLED
from fromnoise.drawing.plan import Plan, plans
from fromnoise.drawing.request import MASKED_STRENGTH, STRENGTH, Request, Towards, one_by_one
from fromnoise.drawing.start import fitting_size
from fromnoise.ground.errors import UserError
from fromnoise.studio.api.schemas import MOST_SEED, Generation, JobIn
from fromnoise.studio.desk.jobs import Order
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.problem import Problem, in_web_words
from fromnoise.studio.desk.uploads import Uploads, check_reach
from fromnoise.studio.settings import Limits
from fromnoise.system.few_steps import fixed_settings

SETTINGS = {  # of a drawing, which the page names as a request does
    *("prompt", "negative", "style", "steps", "guidance", "rescale", "sampler"),
    *("width", "height", "interval", "spacing", "sigmas", "free", "strength"),
}


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
        usual = MASKED_STRENGTH if asked.mask else STRENGTH
        base = replace(base, strength=usual if asked.strength is None else asked.strength)
        if base.width is None:
            photo = uploads.open(asked.start)
            width, height = fitting_size(photo, model.pixels, model.vae.factor)
            base = replace(base, width=width, height=height)
    elif asked.strength is not None or asked.mask is not None:
        raise Problem(400, "strength and mask need a picture to start from", "start")
    if asked.towards is not None and asked.count * len(asked.amounts) > limits.count:
        raise Problem(400, f"that would be more than {limits.count} pictures", "count")
    made = checked(_pictures(asked, base), models, asked, limits)
    if asked.start is not None:  # all pictures have one size
        check_reach(uploads.start(asked.start, asked.mask, made[0].size.drawn), model.vae.factor)
    return [Order(each, asked.fast, asked.start, asked.mask) for each in made]


def checked(requests: list[Request], models: Models, asked: JobIn | Generation, limits: Limits) -> list[Plan]:
    """What will be done for requests.

    Args:
        requests: one for each picture.
        models: what draws.
        asked: what the client sent, whose names the problems use.
        limits: of the server.

    Raises:
        Problem: the model cannot draw one of them, or it is larger than the server allows.
    """
    fast = bool(asked.fast)
    model = models.get(fast)
    width, height = requests[0].width or model.pixels, requests[0].height or model.pixels  # of all
    if width * height > limits.pixels * model.pixels**2:
        most = int(limits.pixels**0.5 * model.pixels)
        raise Problem(400, f"{width}x{height} is more than this server draws ({most}x{most})", asked.name_of("width"))
    built_in = fixed_settings(requests[0].to_dict()) if fast else []
    if built_in:
        names = [asked.name_of(name) or name for name in built_in]
        raise Problem(400, f"fast has {', '.join(names)} built in; leave that out, or fast", names[0])
    if fast and (requests[0].steps or 0) > MOST_DISTILLED:
        raise Problem(
            400, f"fast draws in 1 to {MOST_DISTILLED} steps, not {requests[0].steps}", asked.name_of("steps")
        )
    try:
        return plans(model, requests)
    except UserError as error:
        raise Problem(400, in_web_words(str(error)), asked.name_of(error.field)) from None


def notes_of(made: Sequence[Plan]) -> tuple[str, ...]:
    """What to tell whoever asked, beside the pictures: sentences, none of them twice."""
    return tuple(dict.fromkeys(note for each in made for note in each.notes))


def _base(asked: JobIn) -> Request:
    seed = any_seed() if asked.seed is None else asked.seed
    return Request(seed=seed, count=asked.count, **asked.model_dump(include=SETTINGS))


def _pictures(asked: JobIn, base: Request) -> list[Request]:
    other = asked.towards
    if other is None:
        return one_by_one(base)
    ways = [(other.seed + i, amount) for i in range(asked.count) for amount in asked.amounts]
    return [
        replace(base, count=1, towards=Towards(amount, seed, other.prompt, other.negative, other.style))
        for seed, amount in ways
    ]
