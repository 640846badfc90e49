"""What a person says: words, and whatever else they care about. What will be done is a :class:`Plan`."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError

MOST_PICTURES = 4096
MOST_CANDIDATES = 64  # of a picture
MOST_PARTS = 32  # of a prompt, each read in one go
STRENGTH = 0.75  # how far a picture to start from is changed, when nobody says
MASKED_STRENGTH = 1.0  # the same where a mask says what may change


@dataclass(frozen=True)
class Towards(Config):
    """Another picture that a picture is drawn part of the way to: a variation, or a step between two pictures.

    Attributes:
        amount: 0 is the picture itself, 1 the other one.
        seed: of the other picture.
        prompt: of the other picture; None: the same words, style and negative.
        negative: what the other one should not show.
        style: of the other one.
    """

    amount: float
    seed: int
    prompt: str | None = None
    negative: str = ""
    style: str | None = None


@dataclass(frozen=True)
class Request(Config):
    """What to draw. ``None`` takes the model's own default.

    Attributes:
        prompt: what the picture should show; "" only with ``free``.
        negative: what it should not show.
        style: one of the model's styles, added to the prompt in the words it was trained on; None takes the model's
            own choice, if it has one and the prompt names none; "any" asks for none.
        seed: of the first picture; picture i uses seed + i. On the CPU torch's generator reads its lowest 32 bits.
        count: how many pictures.
        steps: moves of the sampler, 1…1000.
        guidance: scale of classifier-free guidance; 1 = off, 0 = deaf to the prompt, larger = closer to the words.
        interval: (lowest, highest) t at which guidance acts.
        rescale: 0…1, how far the contrast that guidance adds is taken back.
        sampler: name of the sampler.
        spacing: how the steps are spread over t.
        sigmas: "" (by spacing), "karras", "exponential" or "beta": how the noise levels fall.
        free: draw without any prompt.
        width, height: of the picture in pixels, multiples of the VAE's factor (8); the model's own by default. More
            than twice the model's own side is drawn at its own size and enlarged.
        native: draw every pixel all the same.
        transparent: cut the thing out of its white background (:mod:`fromnoise.drawing.matte`).
        strength: how far a given picture may be changed, above 0…1; None where no picture is given.
        towards: another picture to go part of the way to.
        best_of: so many candidates are drawn of each picture, and the one that fits the words best is kept
            (:mod:`fromnoise.drawing.best_of`).
    """

    prompt: str = ""
    negative: str = ""
    style: str | None = None
    seed: int = 0
    count: int = 1
    steps: int | None = None
    guidance: float | None = None
    interval: tuple[int, int] | None = None
    rescale: float | None = None
    sampler: str | None = None
    spacing: str | None = None
    sigmas: str | None = None
    free: bool = False
    width: int | None = None
    height: int | None = None
    strength: float | None = None
    towards: Towards | None = None
    native: bool = False
    transparent: bool = False
    best_of: int = 1

    @property
    def other(self) -> Request:
        """The request of the picture that this one goes towards; itself if there is none."""
        to = self.towards
        if to is None:
            return self
        alone = replace(self, seed=to.seed, towards=None)
        if to.prompt is None:
            return alone
        return replace(alone, prompt=to.prompt, negative=to.negative, style=to.style, free=not to.prompt.strip())

    def moved(self, by: int, count: int) -> Request:
        """The request of the pictures from number ``by`` on: every picture has seeds of its own."""
        to = self.towards and replace(self.towards, seed=self.towards.seed + by)
        return replace(self, seed=self.seed + by, count=count, towards=to)


def any_seed() -> int:
    """A seed for a request that names none, 0…2³²-1: few digits to type, and all that torch's generator reads."""
    return secrets.randbelow(2**32)


def strength_of(said: float | None, image: bool, mask: bool) -> float | None:
    """How far a picture to start from is changed; None where there is none.

    Args:
        said: what was asked for; None takes the usual.
        image: there is a picture to start from.
        mask: there is a mask, which says where.

    Raises:
        UserError: a strength or a mask without a picture.
    """
    if image:
        return said if said is not None else MASKED_STRENGTH if mask else STRENGTH
    if said is not None or mask:
        raise UserError("strength and mask need a picture to start from: give image (--image)", "image")
    return None


def one_by_one(request: Request) -> list[Request]:
    """A request for n pictures as n requests for one."""
    return [request.moved(i, 1) for i in range(request.count)]
