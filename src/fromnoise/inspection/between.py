"""A walk from one picture to another: from words to words, from noise to noise, or both at once.

Nothing is mixed in pictures. The words' features are mixed on a straight line and the noise on an arc
(:mod:`fromnoise.drawing.conditioning`), and every stop is a drawing of its own; both ends are the pictures that either
prompt draws alone, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import Tensor

from fromnoise.drawing.best_of import fit
from fromnoise.drawing.generate import Finished, generate
from fromnoise.drawing.plan import Plan, plan
from fromnoise.drawing.request import Request, Towards
from fromnoise.ground.errors import UserError
from fromnoise.inspection.pixels import apart
from fromnoise.inspection.subject import Subject
from fromnoise.system.text_to_image import TextToImage

STOPS = 7
MOST_STOPS = 200


@dataclass(frozen=True)
class Goal:
    """Where a walk ends; what is left out is as where it begins.

    Attributes:
        prompt: of the other picture.
        seed: of the other picture.
        both: words for what may lie between, drawn beside the walk; "" for none.
    """

    prompt: str | None = None
    seed: int | None = None
    both: str = ""


@dataclass(frozen=True, eq=False)
class Stop:
    """One picture of a walk.

    Attributes:
        amount: how far along, 0…1.
        picture: uint8 [3,H,W].
        request: what draws it alone.
        matches: CLIP's cosines between the picture and the words of each plan in :attr:`Walk.told`; empty without CLIP.
        moved: root mean square difference from the stop before, 0…1; 0 at the first.
    """

    amount: float
    picture: Tensor
    request: Request
    matches: tuple[float, ...]
    moved: float


@dataclass(frozen=True, eq=False)
class Walk:
    """A walk that is checked and can begin.

    Attributes:
        stops: the plan of each stop.
        told: plans whose words pictures are compared with: of the beginning, of the end where its words are others, and
            of what may lie between where that is asked for.
    """

    stops: tuple[Plan, ...]
    told: tuple[Plan, ...]


def walk(model: TextToImage, subject: Subject, goal: Goal, stops: int = STOPS) -> Walk:
    """Decide on a walk.

    Args:
        model: what will draw.
        subject: where it begins.
        goal: where it ends.
        stops: how many pictures, both ends included.

    Raises:
        UserError: nowhere to go, too few or too many stops, or what :func:`fromnoise.drawing.plan.plan` refuses.
    """
    same_words = goal.prompt is None or goal.prompt == subject.prompt
    if same_words and goal.seed in (None, subject.seed):
        raise UserError("a walk needs somewhere to go: give a second prompt, or another seed", "towards",
                        advice=" (--to-seed 5)")  # fmt: skip
    if not 2 <= stops <= MOST_STOPS:
        raise UserError(f"a walk has 2…{MOST_STOPS} pictures, not {stops}", "stops", advice=" (--steps-between)")
    request = subject.request
    amounts = [i / (stops - 1) for i in range(stops)]
    made = [plan(model, replace(request, towards=_towards(subject, goal, amount))) for amount in amounts]
    ends = [request] if same_words else [request, replace(request, towards=_towards(subject, goal, 1.0)).other]
    between = [replace(request, prompt=goal.both, free=False)] if goal.both else []
    return Walk(tuple(made), tuple(plan(model, each) for each in [*ends, *between]))


def _towards(subject: Subject, goal: Goal, amount: float) -> Towards:
    seed = subject.seed if goal.seed is None else goal.seed
    if goal.prompt is None:
        return Towards(amount, seed)
    return Towards(amount, seed, goal.prompt, subject.negative, subject.style)


def stops_of(model: TextToImage, way: Walk) -> Iterator[Stop]:
    """Draw a walk, stop by stop; closing the generator cancels."""
    before: Tensor | None = None
    for made in way.stops:
        picture = drawn(model, made)
        moved = 0.0 if before is None else apart(picture, before)
        yield Stop(made.amount, picture, made.request, matches(model, way.told, picture), moved)
        before = picture


def matches(model: TextToImage, told: tuple[Plan, ...], picture: Tensor) -> tuple[float, ...]:
    """CLIP's cosine between a picture uint8 [3,H,W] and the words of each plan; empty where that cannot be told."""
    if model.clip is None or any(made.free for made in told):
        return ()
    return tuple(fit(model, made, picture[None])[0] for made in told)


def drawn(model: TextToImage, made: Plan) -> Tensor:
    """The picture of a plan for one, uint8 [3,H,W]."""
    *_, last = generate(model, made)
    assert isinstance(last, Finished)
    return last.pictures[0]
