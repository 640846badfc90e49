"""Prompt → Step, Step, … → pictures, as a Python generator.

One stream for everybody: the command line, the studio, the inspector and the tests all read it. Closing the
generator cancels; nothing more is computed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from fromnoise.diffusion.paths import Path
from fromnoise.diffusion.samplers import Step, sampler
from fromnoise.drawing.conditioning import Wanted, conditioned, guides, noise_of
from fromnoise.drawing.request import Request, Towards, complete, parts_of, prompt_text, walk_of
from fromnoise.drawing.start import Prepared, Start, pasted, prepare, with_more
from fromnoise.ground.errors import UserError
from fromnoise.system.prompt import chunked, describe
from fromnoise.system.text_to_image import TextToImage

__all__ = [
    "Finished",
    "Request",
    "Step",
    "Towards",
    "alike",
    "batches",
    "complete",
    "conditioned",
    "draw",
    "draw_all",
    "generate",
    "generate_together",
    "in_parts",
    "kind_of",
    "one_by_one",
    "parts_of",
    "preview",
    "prompt_text",
    "walk_of",
]

MOST_AT_ONCE = 64  # pictures per batch; more are drawn batch after batch, so memory stays flat


@dataclass(frozen=True, eq=False)
class Finished:
    """The end of the stream: uint8 pictures [B,3,H,W] on the CPU, and the seed of each."""

    pictures: Tensor
    seeds: tuple[int, ...]


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
    model: TextToImage, requests: Sequence[Request], start: Start | None = None, wanted: Wanted | None = None
) -> Iterator[Step | Finished]:
    """Draw several requests in one batch; on the CPU each picture is the same bits as drawn alone.

    Args:
        model: what draws.
        requests: one picture each, alike in all but words and seed; see :func:`alike`.
        start: as in :func:`generate`.
        wanted: which of the pictures are still wanted; asked before every step, nothing is computed for the others,
            and what the stream says of them means nothing.

    Raises:
        UserError: see :func:`complete`.
        ValueError: the requests cannot share a batch, or strength and start do not come together.
    """
    requests = [complete(model, request) for request in requests]
    if len({kind_of(model, request) for request in requests}) != 1 or any(request.count != 1 for request in requests):
        raise ValueError("a batch needs requests for one picture each that differ in words and seed only")
    request = requests[0]
    if (start is None) != (request.strength is None):
        raise ValueError("a start needs a strength, and a strength a start")
    walk = walk_of(model, request)

    # Words: the prompts, and what guidance pushes away from.
    denoiser, cond = conditioned(model, requests, walk, wanted)

    # Noise: one generator per picture, so that a picture does not depend on its neighbours.
    generators = [torch.Generator().manual_seed(r.seed) for r in requests]
    x, times, prepared = _begin(model, requests, walk, generators, start)
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


def _begin(
    model: TextToImage,
    requests: Sequence[Request],
    walk: Path,
    generators: Sequence[torch.Generator],
    start: Start | None,
) -> tuple[Tensor, list[float], Prepared | None]:
    """Where the walk begins: latents [B,C,h,w], the times to visit, and what is known of a given picture."""
    request = requests[0]
    if start is None:
        shape = model.latent_shape(request.size(model))
        noises = [noise_of(r, shape, g) for r, g in zip(requests, generators, strict=True)]
        noise = torch.stack(noises).to(model.device)
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
    return [_moved(request, i, 1) for i in range(request.count)]


def _moved(request: Request, by: int, count: int) -> Request:
    """The request of the pictures from number ``by`` on: every picture has seeds of its own."""
    to = request.towards and replace(request.towards, seed=request.towards.seed + by)
    return replace(request, seed=request.seed + by, count=count, towards=to)


def batches(request: Request, size: int = MOST_AT_ONCE) -> Iterator[Request]:
    """Cut a request for many pictures into requests that fit into memory; the pictures stay the same bits."""
    for start in range(0, request.count, size):
        yield _moved(request, start, min(size, request.count - start))


def alike(model: TextToImage, requests: Sequence[Request], size: int = MOST_AT_ONCE) -> list[list[int]]:
    """Indices of complete requests for one picture that can be drawn together, at most ``size`` per group."""
    groups: dict[Any, list[int]] = defaultdict(list)
    for i, request in enumerate(requests):
        groups[kind_of(model, request)].append(i)
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


def kind_of(model: TextToImage, request: Request) -> tuple[Request, bool, int]:
    """What requests of one batch have in common: all but words and seed, whether they are guided, parts of prompts."""
    alone = replace(request, prompt="", negative="", style=None, seed=0, free=False, towards=None)
    return alone, guides(request), parts_of(model, request)
