"""What guidance does: the estimate without words, the one with words, their difference, and the one that is drawn.

At every step inside guidance's interval the network is asked twice, with words (c) and without (u), and the drawing
goes on with u + s (c - u) (:class:`fromnoise.diffusion.guidance.ClassifierFreeGuidance`). What is shown here was noted
while the drawing asked; nothing is asked a second time. Outside the interval there is one call only, and nothing to
compare.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.best_of import fit
from fromnoise.drawing.generate import Finished, generate
from fromnoise.drawing.plan import Plan
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import to_bytes
from fromnoise.inspection.heat import ON_WHITE, warmth
from fromnoise.inspection.noting import Asked, noting
from fromnoise.inspection.pixels import apart, rms
from fromnoise.inspection.subject import Subject
from fromnoise.models.vae.bands import decode_any_size
from fromnoise.system.text_to_image import TextToImage

SCALES = (1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 12.0)
VISIBLE = 5 / 127.5  # of -1…1, five of the 256 shades: white paper is always a little beyond, and nobody sees it


@dataclass(frozen=True, eq=False)
class Pull:
    """One step of a guided drawing, as it was computed.

    Attributes:
        step: of the drawing; its ``x0_hat`` is what the sampler went on with.
        with_words: c, the clean estimate with words, float32 [C,h,w].
        without: u, the one without words (or with the negative ones), [C,h,w]; None where guidance rests.
        scale: s.
        rescale: how far the contrast that guidance adds was taken back, 0…1.
    """

    step: Step
    with_words: Tensor
    without: Tensor | None
    scale: float
    rescale: float

    @property
    def guided(self) -> Tensor:
        """What the drawing went on with, [C,h,w]: u + s (c - u), and its contrast taken back if that is wished for."""
        return self.step.x0_hat[0]

    @property
    def difference(self) -> Tensor | None:
        """c - u, [C,h,w]."""
        return None if self.without is None else self.with_words - self.without

    @property
    def strength(self) -> float | None:
        """Root mean square of c - u; latents have a variance of 1."""
        return None if self.difference is None else rms(self.difference)

    @property
    def angle(self) -> float | None:
        """Degrees between c and u, seen from the mean of all pictures (latent 0)."""
        return None if self.without is None else angle(self.with_words, self.without)


@dataclass(frozen=True, eq=False)
class Shown:
    """A clean estimate as a picture.

    Attributes:
        picture: uint8 [3,H,W].
        beyond: share of the values that leave -1…1 by more than five shades of 256, before they are cut off.
        furthest: how far the furthest of them does.
    """

    picture: Tensor
    beyond: float
    furthest: float


@dataclass(frozen=True, eq=False)
class Rung:
    """The whole drawing at one scale.

    Attributes:
        scale: of guidance; 1 is none.
        drawn: the picture, and how far it left what a screen can show.
        match: CLIP's cosine between picture and words, -1…1; None without CLIP.
        moved: root mean square difference from the first rung's picture, of the 0…1 of a colour.
    """

    scale: float
    drawn: Shown
    match: float | None
    moved: float


def pulls(model: TextToImage, made: Plan) -> Iterator[Pull | Finished]:
    """Draw, and say of every step what guidance did; closing the generator cancels.

    Args:
        model: what draws.
        made: a plan of one picture.

    Raises:
        UserError: there is no guidance in it.
        ValueError: a plan of several pictures.
    """
    if made.count != 1 or made.best_of != 1:
        raise ValueError("one picture is watched at a time")
    check_guided(made)
    return _pulls(model, made)


def _pulls(model: TextToImage, made: Plan) -> Iterator[Pull | Finished]:
    noted = noting(model)
    for event in generate(noted, made):
        asked = noted.take()
        yield event if isinstance(event, Finished) else _pull(event, asked[0], made)


def _pull(step: Step, asked: Asked, made: Plan) -> Pull:
    with_words, *rest = (answer[0] for answer in asked.answers)
    return Pull(step, with_words, rest[0] if rest else None, made.guidance, made.rescale)


def check_guided(made: Plan) -> None:
    """Refuse a drawing in which nothing is guided.

    Raises:
        UserError: guidance 1, or the same words on both sides.
    """
    if made.guidance == 1.0:
        raise UserError("guidance 1 asks the network once, so there is nothing to compare; give another guidance",
                        "guidance", advice=" (--guidance 3)")  # fmt: skip
    if not made.guided:
        raise UserError("guidance compares words with no words: give a prompt that differs from what is not wanted",
                        "prompt")  # fmt: skip


def ladder(model: TextToImage, subject: Subject, scales: Sequence[float] = SCALES) -> Iterator[Rung]:
    """Draw from one noise at several scales of guidance; closing the generator cancels.

    Args:
        model: what draws.
        subject: of which the guidance is left aside.
        scales: of guidance, 0…100.

    Raises:
        UserError: before anything is drawn, a scale that is none, or none at all.
    """
    if not scales:
        raise UserError("name at least one guidance", "guidance", advice=" (--scales 1,3,8)")
    return _ladder(model, [subject.plan(model, guidance=float(scale)) for scale in scales])


def _ladder(model: TextToImage, plans: Sequence[Plan]) -> Iterator[Rung]:
    first: Tensor | None = None
    for made in plans:
        latents = torch.empty(0)
        for event in generate(model, made):
            if isinstance(event, Step):
                latents = event.x_next[0]
                continue
            picture = event.pictures[0]
            first = picture if first is None else first
            _, beyond, furthest = _decoded(model, latents)
            match = fit(model, made, picture[None])[0] if model.clip is not None and not made.free else None
            yield Rung(made.guidance, Shown(picture, beyond, furthest), match, apart(picture, first))


def shown(model: TextToImage, latents: Tensor) -> Shown:
    """A clean estimate [C,h,w] as a picture, and how far it leaves the range."""
    return Shown(*_decoded(model, latents))


@torch.no_grad()
def _decoded(model: TextToImage, latents: Tensor) -> tuple[Tensor, float, float]:
    raw = decode_any_size(model.vae, latents[None]).float()[0].cpu()
    out = raw.abs() - 1
    return to_bytes(raw), float((out > VISIBLE).float().mean()), max(0.0, float(out.max()))


def parted(one: Tensor, other: Tensor) -> Tensor:
    """How much two pictures uint8 [3,H,W] differ at each place: white where not at all, dark red by half the range."""
    return warmth((one.float() - other.float()).abs().amax(0), 127.5, ON_WHITE)


def angle(a: Tensor, b: Tensor) -> float:
    """Degrees between two tensors of one shape, as vectors; 0 where one of them is zero."""
    x, y = a.double().flatten(), b.double().flatten()
    length = float(x.norm() * y.norm())
    return math.degrees(math.acos(min(1.0, max(-1.0, float(x @ y) / length)))) if length > 0 else 0.0


def facts_of(pull: Pull) -> dict[str, Any]:
    """What was measured at one step, as JSON writes it."""
    found = {"step": pull.step.index + 1, "t": pull.step.t, "difference": pull.strength, "angle": pull.angle}
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in found.items()}
