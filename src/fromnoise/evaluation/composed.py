"""Pictures composed of real ones that answer a question about attributes perfectly: its ceiling."""

from __future__ import annotations

import torch
from torch import Tensor

from fromnoise.data.scenes import WHITE, compose
from fromnoise.data.stickers.render import PALETTE
from fromnoise.evaluation.attributes import NUMBERS, Attribute

Places = tuple[tuple[float, float, float], ...]  # top, left, side
COUNTED: tuple[Places, ...] = (
    ((0.05, 0.05, 0.9),),
    ((0.26, 0.01, 0.47), (0.26, 0.52, 0.47)),
    ((0.02, 0.27, 0.45), (0.53, 0.02, 0.45), (0.53, 0.53, 0.45)),
    tuple((top, left, 0.44) for top in (0.03, 0.53) for left in (0.03, 0.53)),
    (*((top, left, 0.3) for top in (0.01, 0.69) for left in (0.01, 0.69)), (0.35, 0.35, 0.3)),
)
BESIDE: Places = ((0.26, 0.01, 0.47), (0.26, 0.52, 0.47))
OVER: Places = ((0.01, 0.26, 0.47), (0.52, 0.26, 0.47))
RELATIONS: dict[str, Places] = {
    "left": BESIDE, "right": BESIDE[::-1], "above": OVER, "below": OVER[::-1],
    "on": ((0.04, 0.27, 0.46), (0.5, 0.27, 0.46)),
}  # fmt: skip
SIZES: dict[str, Places] = {"small": ((0.3, 0.3, 0.4),), "large": ((0.02, 0.02, 0.96),)}
SIDES: dict[str, Places] = {
    "left": ((0.28, 0.02, 0.44),), "right": ((0.28, 0.54, 0.44),),
    "top": ((0.02, 0.28, 0.44),), "bottom": ((0.54, 0.28, 0.44),),
}  # fmt: skip


def composed(question: Attribute, real: Tensor) -> Tensor:
    """A picture that shows what is asked for.

    Args:
        question: what.
        real: real pictures of its things, uint8 [K,3,P,P], in their order.

    Returns:
        uint8 [3,P,P].
    """
    kind, answer = question.kind, question.answer
    if kind == "count":
        number = NUMBERS.index(answer) + 1
        return compose(real[[0] * number], COUNTED[number - 1])
    if kind in ("colour", "two colours"):
        real = torch.stack([tinted(p, colour) for p, colour in zip(real, answer.split(", "), strict=True)])
        return real[0] if kind == "colour" else compose(real, BESIDE)
    layouts = {"relation": RELATIONS, "size": SIZES, "place": SIDES}
    if kind in layouts:
        return compose(real, layouts[kind][answer])
    return on_colour(real[0], answer) if kind == "background" else real[0]


def tinted(picture: Tensor, colour: str) -> Tensor:
    """A thing in one colour, uint8 [3,P,P]: its own shades between three fifths and all of that colour."""
    light = picture.float().mean(0) / 255
    wanted = torch.tensor(PALETTE[colour], dtype=torch.float32)[:, None, None] * (0.6 + 0.4 * light)
    white = (picture >= WHITE).all(0)
    return torch.where(white, picture, wanted.round().to(torch.uint8))


def on_colour(picture: Tensor, colour: str) -> Tensor:
    """A picture whose white is of a colour, uint8 [3,P,P]."""
    wanted = torch.tensor(PALETTE[colour], dtype=torch.uint8)[:, None, None]
    return torch.where((picture >= WHITE).all(0), wanted, picture)
