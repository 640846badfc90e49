"""What the denoiser is told: prompts as the U-Net wants them, guidance, and noise between two seeds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from fromnoise.diffusion.denoiser import Call, Denoiser, call_many
from fromnoise.diffusion.guidance import ClassifierFreeGuidance
from fromnoise.diffusion.paths import Path
from fromnoise.drawing.request import Request, parts_of, prompt_text
from fromnoise.system.text_to_image import TextToImage

Wanted = Callable[[], Sequence[bool]]  # which pictures of a batch anybody still wants


def conditioned(
    model: TextToImage, requests: Sequence[Request], walk: Path | None = None, wanted: Wanted | None = None
) -> tuple[Denoiser, Tensor]:
    """The (guided) denoiser of complete requests that share a batch, and their prompts as it wants them, [B,L,W]."""
    request = requests[0]
    parts, size = parts_of(model, request), request.size(model)
    words = _between(model, requests, prompt_text, parts, size)
    plain: Denoiser = model.denoiser(walk)
    if wanted is not None:
        plain = OnlyWanted(plain, wanted)
    if not guides(request):
        return plain, words
    away = _between(model, requests, lambda r: r.negative, parts, size, model.zero_empty)
    interval, rescale = request.interval or (0, model.schedule.steps), request.rescale or 0.0
    return ClassifierFreeGuidance(plain, away, _scale(request), interval, rescale), words


def _scale(request: Request) -> float:
    return 1.0 if request.guidance is None else request.guidance  # 0 is a scale of its own, not "off"


def guides(request: Request) -> bool:
    """Whether guidance changes anything: equal words pull nowhere."""
    return _scale(request) != 1.0 and any(prompt_text(r) != r.negative for r in (request, request.other))


def noise_of(request: Request, shape: Sequence[int], generator: torch.Generator) -> Tensor:
    """The noise that one picture begins with, float32 ``shape``; on the way towards another one, between both noises.

    Spherically (Shoemake 1985, "Animating rotation with quaternion curves", eq. 8): noise between two noises is as
    loud as they are, where a straight line would pass through something quieter, which no network has seen.

    Args:
        request: of one picture.
        shape: (C, h, w).
        generator: the picture's own, freshly seeded.
    """
    noise = torch.randn(shape, generator=generator)
    if request.towards is None:
        return noise
    other = torch.randn(shape, generator=torch.Generator().manual_seed(request.towards.seed))
    return slerp(noise, other, request.towards.amount)


def slerp(a: Tensor, b: Tensor, amount: float) -> Tensor:
    """Between two tensors of one shape on the arc; both ends are exact, and equal tensors stay as they are."""
    if amount in (0.0, 1.0) or torch.equal(a, b):
        return (a, b)[int(amount == 1.0)]
    x, y = a.double().flatten(), b.double().flatten()
    angle = torch.acos((x @ y / (x.norm() * y.norm())).clamp(-1, 1))
    parts = torch.sin((1 - amount) * angle) * a.double() + torch.sin(amount * angle) * b.double()
    return (parts / torch.sin(angle)).to(a.dtype)


class OnlyWanted:
    """A denoiser that leaves out pictures nobody wants any more; their estimate is 0, all others keep their bits.

    Args:
        denoiser: answers each picture independently of its neighbours.
        wanted: asked before every call; its answer has an entry for every picture of the batch.
    """

    def __init__(self, denoiser: Denoiser, wanted: Wanted) -> None:
        self.denoiser, self.wanted = denoiser, wanted
        self.schedule, self.prediction = getattr(denoiser, "schedule", None), getattr(denoiser, "prediction", "v")

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
    model: TextToImage,
    requests: Sequence[Request],
    text: Callable[[Request], str],
    parts: int,
    size: tuple[int, int],
    zero_empty: bool = False,
) -> Tensor:
    """What the U-Net wants to know of one text of each request, [B,L,W]; on the way to another, of both, mixed."""
    here = _read(model, [text(r) for r in requests], parts, size, zero_empty)
    if all(r.towards is None or text(r) == text(r.other) for r in requests):
        return here
    there = _read(model, [text(r.other) for r in requests], parts, size, zero_empty)
    amounts = torch.tensor([r.towards.amount if r.towards else 0.0 for r in requests], device=here.device)
    return torch.lerp(here, there, amounts.to(here.dtype)[:, None, None])


def _read(model: TextToImage, texts: list[str], parts: int, size: tuple[int, int], zero_empty: bool = False) -> Tensor:
    """What the U-Net wants to know of texts, [B,L,W]; equal texts are read once."""
    unique = list(dict.fromkeys(texts))
    silent = [zero_empty and not text for text in unique]
    words = dict(zip(unique, model.read(unique, parts, size, silent), strict=True))
    return torch.stack([words[text] for text in texts])
