"""Prompt → Step, Step, … → pictures, as a Python generator.

One stream for everybody: the command line, the studio, the inspector and the tests all read it. Closing the
generator cancels; nothing more is computed.
"""

from __future__ import annotations

import difflib
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from fromnoise.config import Config
from fromnoise.diffusion.denoiser import Denoiser
from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.diffusion.paths import Path, Spread, path
from fromnoise.diffusion.samplers import Step, read_name, sampler, sampler_class
from fromnoise.diffusion.samplers.ddpm import DDPM
from fromnoise.diffusion.schedule import Spacing
from fromnoise.errors import UserError
from fromnoise.prompt import chunked, describe
from fromnoise.start import Prepared, Start, pasted, prepare, with_more
from fromnoise.system import TextToImage
from fromnoise.texts import parts_needed

MOST_PICTURES = 4096
MOST_SIDE = 8192  # pixels
MOST_PARTS = 32  # of a prompt, each read in one go
MOST_AT_ONCE = 64  # pictures per batch; more are drawn batch after batch, so memory stays flat


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

    def size(self, model: TextToImage) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height or model.pixels, self.width or model.pixels


@dataclass(frozen=True, eq=False)
class Finished:
    """The end of the stream: uint8 pictures [B,3,H,W] on the CPU, and the seed of each."""

    pictures: Tensor
    seeds: tuple[int, ...]


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
    return filled


def prompt_text(request: Request) -> str:
    """The words that the text tower reads: "red apple, noto style"."""
    parts = (request.prompt.strip(), f"{request.style} style" if request.style else "")
    return ", ".join(part for part in parts if part)


def generate(model: TextToImage, request: Request, start: Start | None = None) -> Iterator[Step | Finished]:
    """Draw one batch: a ``Step`` after every move, then ``Finished``.

    Args:
        model: what draws.
        request: what to draw, at most ``MOST_AT_ONCE`` pictures; see :func:`batches` for more.
        start: a picture to begin with, for a request with a strength.

    Raises:
        UserError: see :func:`complete`.
    """
    return generate_together(model, one_by_one(complete(model, request)), start)


def generate_together(
    model: TextToImage, requests: Sequence[Request], start: Start | None = None
) -> Iterator[Step | Finished]:
    """Draw several requests in one batch; on the CPU each picture is the same bits as drawn alone.

    Args:
        model: what draws.
        requests: one picture each, alike in all but words and seed; see :func:`alike`.
        start: as in :func:`generate`.

    Raises:
        UserError: see :func:`complete`.
        ValueError: the requests cannot share a batch, or strength and start do not come together.
    """
    requests = [complete(model, request) for request in requests]
    if len({_shared(model, request) for request in requests}) != 1 or any(request.count != 1 for request in requests):
        raise ValueError("a batch needs requests for one picture each that differ in words and seed only")
    request = requests[0]
    if (start is None) != (request.strength is None):
        raise ValueError("a start needs a strength, and a strength a start")
    walk = walk_of(model, request)

    # Words: the prompts, and what guidance pushes away from.
    denoiser, cond = conditioned(model, requests, walk)

    # Noise: one generator per picture, so that a picture does not depend on its neighbours.
    generators = [torch.Generator().manual_seed(r.seed) for r in requests]
    x, times, prepared = _begin(model, request, walk, generators, start)
    keep = prepared.keep(walk) if prepared else None
    denoiser = with_more(denoiser, prepared.beside() if prepared else None)

    # Un-noising.
    solver = sampler(request.sampler or "", walk, model.layout(request.sampler or "")[1])
    for step in solver.steps(denoiser, x, cond, generators, times, keep):
        x = step.x_next
        yield step

    # Latents to pixels.
    if not torch.isfinite(x).all():
        raise UserError("the drawing became not-a-number; try lower --guidance, or another --sampler")
    yield Finished(pasted(model.decode(x), start), tuple(r.seed for r in requests))


def walk_of(model: TextToImage, request: Request) -> Path:
    """The noise levels that a complete request visits.

    Raises:
        UserError: a spacing or spread that does not exist, or that has no room for so many steps.
    """
    layout, _ = model.layout(request.sampler or "")
    spacing, sigmas = cast(Spacing, request.spacing), cast(Spread, request.sigmas or "")
    config = replace(layout, spacing=spacing, sigmas=sigmas)
    return path(model.schedule, request.sampler or "", request.steps or 0, config)


def conditioned(model: TextToImage, requests: Sequence[Request], walk: Path | None = None) -> tuple[Denoiser, Tensor]:
    """The (guided) denoiser of complete requests that share a batch, and their prompts as it wants them, [B,L,W]."""
    request = requests[0]
    parts, size = parts_of(model, request), request.size(model)
    words = _read(model, [prompt_text(r) for r in requests], parts, size)
    plain = model.denoiser(walk)
    if not _guides(request):
        return plain, words
    away = _read(model, [r.negative for r in requests], parts, size, model.zero_empty)
    interval, rescale = request.interval or (0, model.schedule.steps), request.rescale or 0.0
    return ClassifierFreeGuidance(plain, away, _scale(request), interval, rescale), words


def parts_of(model: TextToImage, request: Request) -> int:
    """In how many parts a request's prompts are read; both have as many as the longer one needs."""
    return parts_needed(model.readers, (prompt_text(request), request.negative))


def _begin(
    model: TextToImage, request: Request, walk: Path, generators: Sequence[torch.Generator], start: Start | None
) -> tuple[Tensor, list[float], Prepared | None]:
    """Where the walk begins: latents [B,C,h,w], the times to visit, and what is known of a given picture."""
    if start is None:
        shape = model.latent_shape(request.size(model))
        noise = torch.stack([torch.randn(shape, generator=g) for g in generators]).to(model.device)
        return (noise if walk.start_scale == 1 else walk.start_scale * noise), list(walk.times), None
    if model.for_inpainting and start.mask is None:
        raise UserError("this model fills in parts of pictures: give --mask beside --image")
    prepared = prepare(start, model.vae, generators, model.for_inpainting, request.strength == 1)
    times = walk.after(request.strength or 0.0)
    if prepared.mask is not None and request.strength == 1:  # nothing of the picture need be left
        return walk.start_scale * prepared.noise, times, prepared
    x = walk.alpha(times[0]) * prepared.latents + walk.sigma(times[0]) * prepared.noise
    return x, times, prepared


def one_by_one(request: Request) -> list[Request]:
    """A request for n pictures as n requests for one."""
    return [replace(request, seed=request.seed + i, count=1) for i in range(request.count)]


def batches(request: Request, size: int = MOST_AT_ONCE) -> Iterator[Request]:
    """Cut a request for many pictures into requests that fit into memory; the pictures stay the same bits."""
    for start in range(0, request.count, size):
        yield replace(request, seed=request.seed + start, count=min(size, request.count - start))


def alike(model: TextToImage, requests: Sequence[Request], size: int = MOST_AT_ONCE) -> list[list[int]]:
    """Indices of complete requests for one picture that can be drawn together, at most ``size`` per group."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for i, request in enumerate(requests):
        groups[_shared(model, request)].append(i)
    return [group[at : at + size] for group in groups.values() for at in range(0, len(group), size)]


def draw(model: TextToImage, request: Request, start: Start | None = None) -> Tensor:
    """Draw and return only the pictures, uint8 [B,3,H,W]."""
    return draw_all(model, one_by_one(complete(model, request)), start)


def draw_all(model: TextToImage, requests: Sequence[Request], start: Start | None = None) -> Tensor:
    """Draw one picture per request, together where they are alike, uint8 [B,3,H,W] in their order."""
    requests = [complete(model, request) for request in requests]
    pictures: dict[int, Tensor] = {}
    for group in alike(model, requests):
        for event in generate_together(model, [requests[i] for i in group], start):
            if isinstance(event, Finished):
                pictures.update(zip(group, event.pictures, strict=True))
    return torch.stack([pictures[i] for i in range(len(requests))])


def preview(model: TextToImage, latents: Tensor) -> Tensor:
    """Latents (a step's ``x_t`` or ``x0_hat``) as uint8 pictures [B,3,H,W]."""
    return model.decode(latents)


def in_parts(model: TextToImage, request: Request) -> str | None:
    """A line about a prompt that is too long to be read at once, or None."""
    texts = (prompt_text(request), request.negative)
    found = [describe(chunked(r.tokenizer, text)) for r in model.readers for text in texts]
    return next((line for line in found if line), None)


def _shared(model: TextToImage, request: Request) -> tuple[Request, bool, int]:
    """What requests of one batch have in common: all but words and seed, whether they are guided, parts of prompts."""
    alone = replace(request, prompt="", negative="", style=None, seed=0, free=False)
    return alone, _guides(request), parts_of(model, request)


def _scale(request: Request) -> float:
    return 1.0 if request.guidance is None else request.guidance  # 0 is a scale of its own, not "off"


def _guides(request: Request) -> bool:
    return _scale(request) != 1.0 and prompt_text(request) != request.negative  # equal words pull nowhere


def _read(model: TextToImage, texts: list[str], parts: int, size: tuple[int, int], zero_empty: bool = False) -> Tensor:
    """What the U-Net wants to know of texts, [B,L,W]; equal texts are read once."""
    unique = list(dict.fromkeys(texts))
    silent = [zero_empty and not text for text in unique]
    words = dict(zip(unique, model.read(unique, parts, size, silent), strict=True))
    return torch.stack([words[text] for text in texts])


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
