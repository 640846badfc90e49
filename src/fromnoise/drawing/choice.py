"""Which of several candidates was kept, as a picture's file says it, and the seeds that candidates have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from fromnoise.drawing.plan import Plan
from fromnoise.ground.config import Config

# 2**32 / golden ratio: multiples of it, modulo 2**32, lie apart by tens of millions for the 64 candidates there may be.
# So no candidate of a picture is one of its neighbours in a batch, whose seeds count up by 1.
STRIDE = 0x9E3779B9


def candidate_seed(seed: int, number: int) -> int:
    """The seed of a candidate: of number 0 the plain one, of the others (seed + number · STRIDE) mod 2³².

    >>> candidate_seed(7, 0), candidate_seed(7, 1)
    (7, 2654435776)
    """
    return (seed + number * STRIDE) % 2**32 if number else seed


def candidates(plan: Plan) -> list[Plan]:
    """The plans for one picture each among which one is chosen; a plan that asks for no choice is its own only one."""
    if plan.best_of == 1:
        return [plan]
    return [numbered(plan, number) for number in range(plan.best_of)]


def numbered(plan: Plan, number: int) -> Plan:
    """What draws one candidate of a plan alone."""
    seed = candidate_seed(plan.seed, number)
    return replace(plan, seed=seed, goal_seed=seed, best_of=1)


@dataclass(frozen=True)
class Choice(Config):
    """What was chosen among candidates, and by what.

    Attributes:
        seed: that was asked for, of candidate 0.
        kept: number of the candidate that was kept.
        scores: of each candidate, the cosine between picture and words as the model's own CLIP reads them, -1…1.
        copies: numbers of those called copies of training pictures.
        like: the training picture that the kept one is most like, if that is a copy too; "" if not.
    """

    seed: int
    kept: int
    scores: tuple[float, ...]
    copies: tuple[int, ...] = ()
    like: str = ""

    @property
    def fits(self) -> bool:
        """Whether its numbers go together; what a file says may be anything."""
        numbers = range(len(self.scores))
        return len(numbers) > 1 and self.kept in numbers and all(i in numbers for i in self.copies)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell whoever asked for it."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        count, refused = len(self.scores), len(self.copies)
        others = [score for i, score in enumerate(self.scores) if i != self.kept]
        low, high = min(others), max(others)
        range_of = f"the other has {low:.3f}" if len(others) == 1 else f"the others have {low:.3f} to {high:.3f}"
        kept = f"seed {candidate_seed(self.seed, self.kept)} is kept"
        yield f"of {count} candidates {kept}: its likeness to the words is {self.scores[self.kept]:.3f}, {range_of}"
        if self.kept in self.copies:
            yield f"all {count} candidates look like training pictures; the one kept, least so, is like {self.like}"
        elif refused:
            refusal = "1 candidate looks like a training picture and was" if refused == 1 else (
                f"{refused} candidates look like training pictures and were"
            )  # fmt: skip
            yield f"{refusal} left out"


def kept_plan(plan: Plan, choice: Choice | None) -> Plan:
    """What draws the picture that was kept, alone: a plan with its own seed that asks for no choice."""
    return plan if choice is None else numbered(plan, choice.kept)
