"""Which drawings may be chosen for what, and how often: rare concepts and rare hands more often than their number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from itertools import accumulate

from fromnoise.data.world.chance import Chance
from fromnoise.data.world.drawing import Drawing
from fromnoise.data.world.rules import is_face, is_thing, may_be_said, may_recolour, may_turn, thing_of
from fromnoise.ground.errors import UserError

_RULES: dict[str, Callable[[Drawing], bool]] = {
    "any": lambda drawing: drawing.kind != "background",
    "things": is_thing,
    "faces": is_face,
    "recolour": may_recolour,
    "turn": may_turn,
    "things to colour": lambda drawing: is_thing(drawing) and may_recolour(drawing),
}


class Pools:
    """Drawings by what may be done with them.

    Args:
        drawings: all of the world.
        split: only these are chosen.
        silhouettes: largest share of drawings in one colour, where a rule allows others too. There are many of them,
            and the hands that people ask for are others.

    Raises:
        UserError: no drawing has this split.
    """

    def __init__(self, drawings: list[Drawing], split: str, silhouettes: float = 1.0) -> None:
        mine = [i for i, drawing in enumerate(drawings) if drawing.split == split and may_be_said(drawing)]
        if not mine:
            raise UserError(f"none of the {len(drawings):,} drawings has the split '{split}'")
        things = Counter(thing_of(drawings[i]) for i in mine)
        styles = Counter(drawings[i].style for i in mine)
        self._drawings, self._silhouettes = drawings, silhouettes
        self._weight = {i: (things[thing_of(drawings[i])] * styles[drawings[i].style]) ** -0.5 for i in mine}
        self._known: dict[tuple[str, str], tuple[list[int], list[float]]] = {}

    def pick(self, rule: str, chance: Chance, style: str = "") -> int | None:
        """The number of a drawing that a rule allows, by one hand if ``style`` is given; None if there is none."""
        options, edges = self._pool(rule, style)
        return chance.weighted(options, edges) if options else None

    def _pool(self, rule: str, style: str) -> tuple[list[int], list[float]]:
        if (rule, style) not in self._known:
            options = self._pool(rule, "")[0] if style else [i for i in self._weight if _RULES[rule](self._drawings[i])]
            options = [i for i in options if not style or self._drawings[i].style == style]
            self._known[rule, style] = options, list(accumulate(self._weights(options)))
        return self._known[rule, style]

    def _weights(self, options: list[int]) -> list[float]:
        plain = [self._drawings[i].kind == "silhouette" for i in options]
        weights = [self._weight[i] for i in options]
        theirs = sum(weight for weight, one in zip(weights, plain, strict=True) if one)
        others = sum(weights) - theirs
        most = self._silhouettes * others / (1 - self._silhouettes) if self._silhouettes < 1 else theirs
        less = min(1.0, most / theirs) if theirs and others else 1.0
        return [weight * less if one else weight for weight, one in zip(weights, plain, strict=True)]
