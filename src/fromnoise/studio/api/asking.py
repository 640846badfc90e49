"""From what a client sent to complete requests, checked against the model."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request, Towards, one_by_one, strength_of
from fromnoise.drawing.start import fitting_size
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import MOST_SIDE
from fromnoise.studio.api.fields import MOST_SEED
from fromnoise.studio.api.schemas import Generation, JobIn
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.order import Order
from fromnoise.studio.desk.planning import planned
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.desk.uploads import Uploads, check_reach
from fromnoise.studio.settings import Limits
from fromnoise.system.defaults import ANY_STYLE
from fromnoise.system.text_to_image import TextToImage

SETTINGS = {  # of a drawing, which the page names as a request does
    *("prompt", "negative", "style", "steps", "guidance", "rescale", "sampler"),
    *("width", "height", "interval", "spacing", "sigmas", "free", "strength", "transparent", "best_of"),
}


def seed_of(seed: int | None, count: int) -> int:
    """The seed of the first of so many pictures: the one that was asked for, or one that nobody chose.

    Every seed up to the last picture's can be sent back, so that any of them can be drawn again.

    Raises:
        Problem: the last picture's seed would be larger than any that can be asked for.
    """
    if seed is None:
        return secrets.randbelow(MOST_SEED + 2 - count)
    check_last_seed(seed, count, "seed")
    return seed


def check_last_seed(seed: int, count: int, param: str) -> None:
    """Refuse a seed from which so many cannot be counted up.

    Args:
        seed: of the first picture.
        count: how many pictures.
        param: what the client calls the seed.

    Raises:
        Problem: with the largest seed that can.
    """
    last = MOST_SEED + 1 - count
    if seed > last:
        said = f"{param} counts up from picture to picture: with {count} of them it is at most {last}, not {seed}"
        raise Problem(400, said, param)


def orders_from(asked: JobIn, models: Models, uploads: Uploads, limits: Limits) -> list[Order]:
    """What a job of the page draws, picture by picture.

    Raises:
        Problem: something is wrong with what was asked, and what.
    """
    _check_count(asked, limits)
    model = models.get(asked.fast)
    base = _base(asked)
    if asked.start is not None:
        base = replace(base, strength=strength_of(asked.strength, image=True, mask=bool(asked.mask)))
        if base.width is None or base.height is None:
            base = _in_shape(base, uploads.open(asked.start, "start"), model)
    elif asked.strength is not None or asked.mask is not None:
        raise Problem(400, "strength and mask need a picture to start from", "start")
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
        Problem: the model cannot draw one of them, or it is larger or smaller than the server allows.
    """
    model = models.get(bool(asked.fast))
    width, height = requests[0].width or model.pixels, requests[0].height or model.pixels  # of all
    if width * height > limits.pixels * model.pixels**2:
        most = int(limits.pixels**0.5 * model.pixels)
        raise Problem(400, f"{width}x{height} is more than this server draws ({most}x{most})", asked.name_of("width"))
    if min(width, height) < limits.least:
        said = f"{width}x{height} is too small for the watermark that this server hides; at least {limits.least} a side"
        raise Problem(400, said, asked.name_of("width"))
    if (together := sum(request.best_of for request in requests)) > limits.waiting:
        said = f"that would be {together} candidates, more than the {limits.waiting} that may wait here"
        raise Problem(400, said, asked.name_of("best_of"))
    try:
        return planned(model, requests)
    except UserError as error:
        raise Problem(400, error.message, _named(error.field, asked)) from None


def _named(field: str | None, asked: JobIn | Generation) -> str | None:
    """What the client calls a field that is wrong: one of the picture, or of the one that it goes towards."""
    other = asked.towards if isinstance(asked, JobIn) else None
    _, of_the_other, theirs = (field or "").partition("towards.")
    if other is not None and of_the_other:
        return f"towards.{other.name_of(theirs)}"
    return asked.name_of(field)


def said_of(prompt: str, negative: str, model: TextToImage) -> list[str]:
    """What drawing these words would say: why it refuses them, or what it tells beside the picture.

    Of a model that fills in parts of pictures too, the picture being somebody else's affair; so is the style.
    """
    words = Request(prompt=prompt, negative=negative, style=ANY_STYLE, free=not prompt.strip(), strength=1.0)
    try:
        return list(plan(model, words).notes)
    except UserError as error:
        return [error.message]


def notes_of(made: Sequence[Plan]) -> tuple[str, ...]:
    """What to tell whoever asked, beside the pictures: sentences, none of them twice."""
    return tuple(dict.fromkeys(note for each in made for note in each.notes))


def _base(asked: JobIn) -> Request:
    seed = seed_of(asked.seed, 1 if asked.towards else asked.count)
    return Request(seed=seed, count=asked.count, **asked.model_dump(include=SETTINGS))


def _check_count(asked: JobIn, limits: Limits) -> None:
    """Refuse too many pictures, and ways that lead nowhere.

    Raises:
        Problem: naming the field.
    """
    if asked.towards is None and "amounts" in asked.model_fields_set:
        raise Problem(400, "amounts say how far to go towards another picture: send towards too", "amounts")
    if asked.towards is not None:
        check_last_seed(asked.towards.seed, asked.count, "towards.seed")
    each = 1 if asked.towards is None else len(asked.amounts)
    if asked.count * each > limits.count:
        param = asked.name_of("count") if asked.count > limits.count or each == 1 else "amounts"
        raise Problem(400, f"that would be {asked.count * each} pictures, more than {limits.count}", param)


def _in_shape(base: Request, photo: Image.Image, model: TextToImage) -> Request:
    """A request whose sides that nobody gave have the shape of the photo that it starts from."""
    factor = model.vae.factor
    if base.width is None and base.height is None:
        width, height = fitting_size(photo, model.pixels, factor)
        return replace(base, width=width, height=height)

    def beside(given: int, own: int, other: int) -> int:
        return min(MOST_SIDE, max(2 * factor, round(given * other / own / factor) * factor))

    if base.height is None:
        return replace(base, height=beside(base.width or 0, photo.width, photo.height))
    return replace(base, width=beside(base.height, photo.height, photo.width))


def _pictures(asked: JobIn, base: Request) -> list[Request]:
    other = asked.towards
    if other is None:
        return one_by_one(base)
    ways = [(other.seed + i, amount) for i in range(asked.count) for amount in asked.amounts]
    return [
        replace(base, count=1, towards=Towards(amount, seed, other.prompt, other.negative, other.style))
        for seed, amount in ways
    ]
