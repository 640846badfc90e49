"""Plan → Step, Step, … → pictures, as a Python generator.

One stream for everybody: the command line, the studio, the inspector and the tests all read it. Closing the
generator cancels; nothing more is computed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import Denoiser
from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.best_of import choose
from fromnoise.drawing.choice import Choice, candidates, kept_plan
from fromnoise.drawing.conditioning import Wanted, conditioned, noise_of
from fromnoise.drawing.matte import cut_out
from fromnoise.drawing.plan import Plan, alike, plan, plans
from fromnoise.drawing.request import Request
from fromnoise.drawing.start import Prepared, Start, pasted, prepare
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage


@dataclass(frozen=True, eq=False)
class Finished:
    """The end of the stream: uint8 pictures on the CPU, and the seed that draws each alone.

    They are [B,3,H,W], or [B,4,H,W] with alpha where that was asked for. Of each picture that was chosen among
    candidates, ``choices`` says how; of others it has None.
    """

    pictures: Tensor
    seeds: tuple[int, ...]
    choices: tuple[Choice | None, ...]


def generate(model: TextToImage, plan: Plan, start: Start | None = None) -> Iterator[Step | Finished]:
    """Draw one batch: a ``Step`` after every move, then ``Finished``.

    Args:
        model: what draws.
        plan: what will be done, for at most ``MOST_AT_ONCE`` pictures; see :meth:`Plan.batches` for more.
        start: a picture to begin with, for a plan from a picture.

    Raises:
        UserError: the numbers became not-a-number.
    """
    return generate_together(model, plan.one_by_one(), start)


def generate_together(
    model: TextToImage,
    plans: Sequence[Plan],
    start: Start | None = None,
    wanted: Wanted | None = None,
    around: Callable[[Denoiser], Denoiser] | None = None,
) -> Iterator[Step | Finished]:
    """Draw several plans in one batch; on the CPU each picture is the same bits as drawn alone.

    A plan with n candidates has n neighbouring rows in every step, candidate 0 first, and one picture in the end.

    Args:
        model: what draws.
        plans: for one picture each, alike in all but words and seed; see :func:`fromnoise.drawing.plan.alike`.
        start: as in :func:`generate`.
        wanted: which of the pictures are still wanted; asked before every step, nothing is computed for the others,
            and what the stream says of them means nothing.
        around: puts a further denoiser around the guided one, for views; its answer for a picture must not depend on
            the others.

    Raises:
        UserError: the numbers became not-a-number, or the start's mask lets nothing change.
        ValueError: the plans cannot share a batch, or plan and start do not come together.
    """
    if len({each.kind for each in plans}) != 1 or any(each.count != 1 for each in plans):
        raise ValueError("a batch needs plans for one picture each that differ in words and seed only")
    plan, each_of = plans[0], plans[0].best_of
    rows = [row for each in plans for row in candidates(each)]
    if (start is not None) != plan.from_picture:
        raise ValueError("a start needs a strength, and a strength a start")

    # Noise: one generator per picture, so that a picture does not depend on its neighbours.
    generators = [torch.Generator().manual_seed(each.seed) for each in rows]
    x, times, prepared = _begin(model, rows, generators, start)
    keep = prepared.keep(plan.levels.walk) if prepared else None

    # Words: the prompts, and what guidance pushes away from.
    all_wanted = wanted and (lambda: [w for w in wanted() for _ in range(each_of)])
    denoiser, cond = conditioned(model, rows, prepared.beside() if prepared else None, all_wanted)
    denoiser = denoiser if around is None else around(denoiser)

    # Un-noising.
    for step in plan.levels.solver.steps(denoiser, x, cond, generators, times, keep):
        x = step.x_next
        yield step

    # Latents to pixels.
    if not torch.isfinite(x).all():
        raise UserError("the drawing became not-a-number; try lower guidance, or another sampler")
    drawn = pasted(model.decode(x), start)
    choices = _choices(model, plans, drawn)
    alone = [kept_plan(each, choice) for each, choice in zip(plans, choices, strict=True)]
    kept = drawn[[i * each_of + (choice.kept if choice else 0) for i, choice in enumerate(choices)]]
    finished = cut_out(kept) if plan.transparent else kept
    yield Finished(plan.size.fit_all(finished), tuple(each.seed for each in alone), choices)


def _choices(model: TextToImage, plans: Sequence[Plan], drawn: Tensor) -> tuple[Choice | None, ...]:
    """What is chosen for each plan among its rows of what was drawn; nothing where there is one row each."""
    each_of = plans[0].best_of
    if each_of == 1:
        return (None,) * len(plans)
    return tuple(choose(model, each, own) for each, own in zip(plans, drawn.split(each_of), strict=True))


def _begin(
    model: TextToImage, plans: Sequence[Plan], generators: Sequence[torch.Generator], start: Start | None
) -> tuple[Tensor, list[float], Prepared | None]:
    """Where the walk begins: latents [B,C,h,w], the times to visit, and what is known of a given picture."""
    plan, walk = plans[0], plans[0].levels.walk
    if start is None:
        shape = model.latent_shape(plan.drawn_size)
        noise = torch.stack([noise_of(p, shape, g) for p, g in zip(plans, generators, strict=True)]).to(model.device)
        return (noise if walk.start_scale == 1 else walk.start_scale * noise), list(walk.times), None
    if model.for_inpainting and start.mask is None:
        said = "this model fills in parts of pictures: it needs a mask beside the picture"
        raise UserError(said, "mask", advice=" (--mask beside --image)")
    start.check(model.vae.factor)
    prepared = prepare(start, model.vae, generators, model.for_inpainting, plan.strength == 1)
    times = walk.after(plan.strength)
    if prepared.mask is not None and plan.strength == 1:  # nothing of the picture need be left
        return walk.start_scale * prepared.noise, times, prepared
    x = walk.alpha(times[0]) * prepared.latents + walk.sigma(times[0]) * prepared.noise
    return x, times, prepared


def draw(model: TextToImage, request: Request, start: Start | None = None) -> Tensor:
    """Plan a request, draw it, and return only the pictures, uint8 [B,C,H,W]; errors as :func:`plan`."""
    return draw_plans(model, plan(model, request).one_by_one(), start)


def draw_all(model: TextToImage, requests: Sequence[Request], start: Start | None = None) -> Tensor:
    """Draw one picture per request, together where they are alike, uint8 [B,C,H,W] in their order."""
    return draw_plans(model, plans(model, requests), start)


def draw_plans(model: TextToImage, plans: Sequence[Plan], start: Start | None = None) -> Tensor:
    """Draw one picture per plan, together where they are alike, uint8 [B,C,H,W] in their order (C as in Finished)."""
    return finish_plans(model, plans, start).pictures


def finish_plans(model: TextToImage, plans: Sequence[Plan], start: Start | None = None) -> Finished:
    """What :func:`draw_plans` returns, with the seed of each picture and what was chosen among candidates."""
    if not plans:
        return Finished(torch.zeros(0, 3, 0, 0, dtype=torch.uint8), (), ())
    found: dict[int, tuple[Tensor, int, Choice | None]] = {}
    for group in alike(plans):
        for event in generate_together(model, [plans[i] for i in group], start):
            if isinstance(event, Finished):
                found.update(zip(group, zip(event.pictures, event.seeds, event.choices, strict=True), strict=True))
    pictures, seeds, choices = zip(*(found[i] for i in range(len(plans))), strict=True)
    return Finished(torch.stack(pictures), seeds, choices)
