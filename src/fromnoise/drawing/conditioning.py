"""What the denoiser is told: prompts as the U-Net wants them, guidance, and noise between two seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import Call, Denoiser, Wrapping, call_many
from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.drawing.plan import Plan, Words
from fromnoise.drawing.start import WithMore
from fromnoise.system.text_to_image import TextToImage
from fromnoise.system.texts import Tokens

Wanted = Callable[[], Sequence[bool]]  # which pictures of a batch anybody still wants


def conditioned(
    model: TextToImage, plans: Sequence[Plan], more: Tensor | None = None, wanted: Wanted | None = None
) -> tuple[Denoiser, Tensor]:
    """The (guided) denoiser of plans that share a batch, and their prompts as it wants them, [B,L,W].

    Args:
        model: what draws.
        plans: for one picture each, of one kind.
        more: what the network sees beside the latents (a mask and a masked picture), [B,M,h,w].
        wanted: which of the pictures are still wanted.
    """
    plan = plans[0]
    words = _between(model, plans, lambda told: told.wanted)
    plain: Denoiser = model.denoiser(plan.levels.walk)
    if wanted is not None:
        plain = OnlyWanted(plain, wanted)
    if more is not None:  # under the guidance: it sees the mask with and without words
        plain = WithMore(plain, more)
    if not plan.guided:
        return plain, words
    away = _between(model, plans, lambda told: told.unwanted, model.zero_empty)
    return ClassifierFreeGuidance(plain, away, plan.guidance, plan.interval, plan.rescale), words


def noise_of(plan: Plan, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """The noise that one picture begins with, float32 ``shape``; on the way towards another one, between both noises.

    Spherically (Shoemake 1985, "Animating rotation with quaternion curves", eq. 8): noise between two noises is as
    loud as they are, where a straight line would pass through something quieter, which no network has seen.

    Args:
        plan: of one picture.
        shape: (C, h, w).
        generator: the picture's own, freshly seeded.
    """
    noise = torch.randn(shape, generator=generator)
    if not plan.on_the_way:
        return noise
    other = torch.randn(shape, generator=torch.Generator().manual_seed(plan.goal_seed))
    return slerp(noise, other, plan.amount)


def slerp(a: Tensor, b: Tensor, amount: float) -> Tensor:
    """Between two tensors of one shape on the arc; both ends are exact, and equal tensors stay as they are."""
    if amount in (0.0, 1.0) or torch.equal(a, b):
        return (a, b)[int(amount == 1.0)]
    x, y = a.double().flatten(), b.double().flatten()
    angle = torch.acos((x @ y / (x.norm() * y.norm())).clamp(-1, 1))
    parts = torch.sin((1 - amount) * angle) * a.double() + torch.sin(amount * angle) * b.double()
    return (parts / torch.sin(angle)).to(a.dtype)


class OnlyWanted(Wrapping):
    """A denoiser that leaves out pictures nobody wants any more; their estimate is 0, all others keep their bits.

    Args:
        denoiser: answers each picture independently of its neighbours.
        wanted: asked before every call; its answer has an entry for every picture of the batch.
    """

    def __init__(self, denoiser: Denoiser, wanted: Wanted) -> None:
        super().__init__(denoiser)
        self.wanted = wanted

    def __call__(self, x_t: Tensor, t: Tensor, cond: Any) -> Tensor:
        """x̂_0, float32 [B,C,H,W]."""
        return self.many([(x_t, t, cond)])[0]

    def many(self, calls: Sequence[Call]) -> list[Tensor]:
        """The answers to several calls."""
        rows = [i for i, wanted in enumerate(self.wanted()) if wanted]
        if not rows or len(rows) == len(calls[0][0]):
            return call_many(self.denoiser, calls)
        found = call_many(self.denoiser, [(x[rows], t[rows], cond[rows]) for x, t, cond in calls])
        return [_spread(part, rows, len(x)) for part, (x, _, _) in zip(found, calls, strict=True)]


def _spread(part: Tensor, rows: list[int], total: int) -> Tensor:
    whole = part.new_zeros(total, *part.shape[1:])
    whole[rows] = part
    return whole


def _between(
    model: TextToImage, plans: Sequence[Plan], text: Callable[[Words], Tokens], zero_empty: bool = False
) -> Tensor:
    """What the U-Net wants to know of one text of each plan, [B,L,W]; on the way to another, of both, mixed."""
    here = _read(model, [text(p.words) for p in plans], plans[0].drawn_size, zero_empty)
    if all(text(p.words).text == text(p.goal).text for p in plans):
        return here
    there = _read(model, [text(p.goal) for p in plans], plans[0].drawn_size, zero_empty)
    amounts = torch.tensor([p.amount for p in plans], device=here.device)
    return torch.lerp(here, there, amounts.to(here.dtype)[:, None, None])


def _read(model: TextToImage, texts: list[Tokens], size: tuple[int, int], zero_empty: bool = False) -> Tensor:
    """What the U-Net wants to know of texts, [B,L,W]; equal texts are read once."""
    unique = {tokens.text: tokens for tokens in texts}
    silent = [zero_empty and not text for text in unique]
    words = dict(zip(unique, model.read_tokens(list(unique.values()), size, silent), strict=True))
    return torch.stack([words[tokens.text] for tokens in texts])
