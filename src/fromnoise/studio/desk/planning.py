"""Plans for many pictures: what they have in common is decided, and their words cut into tokens, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request
from fromnoise.system.text_to_image import TextToImage


def planned(model: TextToImage, requests: Sequence[Request]) -> list[Plan]:
    """A plan for each request. Those that differ only in seeds and in how far they go share one, moved to theirs.

    Raises:
        UserError: see :func:`fromnoise.drawing.plan.plan`.
    """
    known: dict[Request, Plan] = {}
    found = []
    for request in requests:
        alike = _without_seeds(request)
        if alike not in known:
            known[alike] = plan(model, request)
        amount = request.towards.amount if request.towards else 0.0
        found.append(replace(known[alike], seed=request.seed, goal_seed=request.other.seed, amount=amount))
    return found


def _without_seeds(request: Request) -> Request:
    to = request.towards and replace(request.towards, seed=0, amount=0.0)
    return replace(request, seed=0, towards=to)
