"""OpenAI's ``background``: pictures as stickers without their white box."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from fromnoise.drawing.matte import is_cut_out
from fromnoise.studio.api.schemas import Generation
from fromnoise.studio.desk.problem import Problem


def wants_transparent(asked: Generation) -> bool:
    """Whether pictures are asked for without their background; ``auto`` is opaque.

    Raises:
        Problem: in a kind of file that has no transparency.
    """
    if asked.background != "transparent":
        return False
    if asked.output_format == "jpeg":
        said = "a transparent background needs output_format png or webp; jpeg has no transparency"
        raise Problem(400, said, "background", "invalid_value")
    return True


def background_of(pictures: Sequence[Tensor]) -> str:
    """What an answer says of its pictures: "transparent" where any of them is."""
    return "transparent" if any(map(is_cut_out, pictures)) else "opaque"
