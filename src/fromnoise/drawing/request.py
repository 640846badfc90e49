"""What to draw: the request, its defaults, and what is checked before anything is drawn."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, replace
from typing import Any, cast

from fromnoise.diffusion.paths import Path, Spread, path
from fromnoise.diffusion.samplers import read_name, sampler_class
from fromnoise.diffusion.samplers.ddpm import DDPM
from fromnoise.diffusion.schedule import Spacing
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.ground.wording import styled
from fromnoise.system.text_to_image import TextToImage
from fromnoise.system.texts import parts_needed

MOST_PICTURES = 4096
MOST_SIDE = 8192  # pixels
MOST_PARTS = 32  # of a prompt, each read in one go


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
        style: one of the model's styles, added to the prompt in the words it was trained on.
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
        width, height: of the picture in pixels, multiples of the VAE's factor (8); the model's own by default.
        strength: how far a given picture may be changed, above 0…1; None where no picture is given.
        towards: another picture to go part of the way to.
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

    def size(self, model: TextToImage) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height or model.pixels, self.width or model.pixels

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


def complete(model: TextToImage, request: Request) -> Request:
    """Fill in the model's defaults and check everything, before anything is drawn.

    Raises:
        UserError: a number out of range, an unknown style or sampler, or an empty prompt without ``free``.
    """
    default = model.defaults
    name, spread = read_name(request.sampler or default.sampler)
    solver = sampler_class(name)
    layout, _ = model.layout(name)
    ours: dict[str, Any] = {
        "guidance": default.guidance,
        "interval": default.interval,
        "rescale": default.rescale,
        "spacing": layout.spacing,
        "sigmas": spread or layout.sigmas,
    }
    filled = replace(request, sampler=name, **{k: v for k, v in ours.items() if getattr(request, k) is None})
    if filled.steps is None:  # DDPM needs all of its steps, as the classic explanation tells it
        filled = replace(filled, steps=model.schedule.steps if solver is DDPM else default.steps)
    _check_numbers(filled, model.schedule.steps)
    _check_size(filled, model)
    walk_of(model, filled)
    _check_words(filled, model)
    if filled.towards is not None:
        _check_towards(filled, filled.towards, model)
    return filled


def prompt_text(request: Request) -> str:
    """The words that the text tower reads: "red apple, noto style"."""
    return styled(request.prompt.strip(), request.style)


def walk_of(model: TextToImage, request: Request) -> Path:
    """The noise levels that a complete request visits.

    Raises:
        UserError: a spacing or spread that does not exist, or that has no room for so many steps.
    """
    layout, _ = model.layout(request.sampler or "")
    spacing, sigmas = cast(Spacing, request.spacing), cast(Spread, request.sigmas or "")
    config = replace(layout, spacing=spacing, sigmas=sigmas)
    return path(model.schedule, request.sampler or "", request.steps or 0, config)


def parts_of(model: TextToImage, request: Request) -> int:
    """In how many parts a request's prompts are read; all have as many as the longest needs."""
    asked = (request, request.other)
    return parts_needed(model.readers, list(dict.fromkeys(t for r in asked for t in (prompt_text(r), r.negative))))


def _check_size(request: Request, model: TextToImage) -> None:
    if model.for_inpainting and request.strength is None:
        raise UserError("this model fills in parts of pictures: give --image and --mask")
    for name in ("width", "height"):
        side = getattr(request, name)
        if side is not None and (side % model.vae.factor or not 2 * model.vae.factor <= side <= MOST_SIDE):
            factor = model.vae.factor
            raise UserError(f"{name} must be a multiple of {factor} from {2 * factor} to {MOST_SIDE}, not {side}")


def _check_numbers(r: Request, most_steps: int) -> None:
    low, high = r.interval or (0, 0)
    problems = (
        (not 1 <= r.count <= MOST_PICTURES, f"the number of pictures must be 1…{MOST_PICTURES}, not {r.count}"),
        (not 1 <= (r.steps or 0) <= most_steps, f"steps must be 1…{most_steps}, not {r.steps}"),
        (
            not (math.isfinite(r.guidance or 0) and 0 <= (r.guidance or 0) <= 100),
            f"guidance must be 0…100 (1 is off), not {r.guidance}",
        ),
        (not 0 <= r.seed <= 2**63 - 1 - r.count, f"the seed must be 0…{2**63 - 1 - r.count}, not {r.seed}"),
        (not (math.isfinite(r.rescale or 0) and 0 <= (r.rescale or 0) <= 1), f"rescale must be 0…1, not {r.rescale}"),
        (
            not 0 < (1 if r.strength is None else r.strength) <= 1,
            f"strength must be above 0 and at most 1, not {r.strength}",
        ),
        (
            not 0 <= low <= high <= most_steps,
            f"the guidance interval must be two times within 0…{most_steps}, the lower first; not {low} {high}",
        ),
    )
    for wrong, message in problems:
        if wrong:
            raise UserError(message)


def _check_towards(request: Request, to: Towards, model: TextToImage) -> None:
    if not (math.isfinite(to.amount) and 0 <= to.amount <= 1):
        raise UserError(f"the way towards another picture goes from 0 to 1, not {to.amount}")
    if not 0 <= to.seed <= 2**63 - 1 - request.count:
        raise UserError(f"the other picture's seed must be 0…{2**63 - 1 - request.count}, not {to.seed}")
    if request.strength is not None:
        raise UserError("a picture that starts from another one cannot go towards a third; leave one of them out")
    _check_words(request.other, model)


def _check_words(request: Request, model: TextToImage) -> None:
    for text in (request.prompt, request.negative):
        if any(0xD800 <= ord(sign) < 0xE000 for sign in text):  # what is left of bytes in another encoding
            raise UserError("the prompt is not valid UTF-8 text; set the terminal to UTF-8")
    if parts_of(model, request) > MOST_PARTS:
        raise UserError(
            f"the prompt has more than {MOST_PARTS} parts of {model.tokenizer.context - 2} tokens; shorten it"
        )
    if request.free and request.prompt.strip():
        raise UserError("--free draws without any prompt; leave out either the prompt or --free")
    if not request.free and not request.prompt.strip():
        raise UserError("the prompt is empty; say what to draw, or use --free to draw without words")
    if request.style is not None and request.style not in model.styles:
        near = difflib.get_close_matches(request.style, model.styles, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}? " if near else ""
        known = ", ".join(model.styles) or "none"
        raise UserError(f"unknown style '{request.style}'; {hint}this model's styles: {known}")
