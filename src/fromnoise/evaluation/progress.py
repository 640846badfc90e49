"""How far an evaluation is: the section, what is drawn in it, and about how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from fromnoise.evaluation.sizes import Sizes
from fromnoise.ground.duration import in_words

JUDGED = 0.05  # of the time of a drawing: a picture that the judge looks at
STYLED = 0.01  # a picture that the judge of styles learns from
STEPS = 20  # the usual number of them
COPIES = 300.0  # drawings of that section, and the index


class Watch(Protocol):
    """Is told of work that was done."""

    def did(self, what: str, work: float) -> None:
        """``what`` was done; ``work`` in drawings."""


class Unwatched:
    """Nobody looks."""

    def did(self, what: str, work: float) -> None:
        """Forget it."""


def expected(sizes: Sizes, styles: int, beside: Sequence[int] = ()) -> dict[str, float]:
    """About how much work each section is, in drawings at the usual number of steps.

    Args:
        sizes: of the sections.
        styles: that the model draws in.
        beside: steps of each further model on the curves.
    """
    asked = sizes.asked * styles
    points = (sum(sizes.steps) + sum(beside)) / STEPS + len(sizes.guidances)
    return {
        "retrieval": asked + JUDGED * (sizes.concepts * styles + 4 * asked),
        "style": STYLED * 2 * sizes.per_style * styles + 1,
        "second_style": 2 * STYLED * 2 * sizes.per_style * styles + 1,
        "no_style": sizes.asked + JUDGED * 2 * sizes.asked + 1,
        "reconstruction": JUDGED * 8 * sizes.rebuilt,
        "distances": JUDGED * asked + 1,
        "composition": 2 * sizes.held_out * (1 + JUDGED * styles),
        "words": 2 * sizes.words,
        "colours": 7 * sizes.colours * sizes.seeds,
        "counts": 3 * sizes.counts * sizes.seeds,
        "pairs": 2 * sizes.pairs * (1 + JUDGED) + JUDGED * 24 * styles,
        "attributes": 9 * sizes.attributes * sizes.seeds * (1 + 4 * JUDGED),
        "free": sizes.free * (1 + 5 * JUDGED),
        "specificity": 3.6 * sizes.chains * sizes.spread,
        "curves": sizes.curve * points,
        "film": 1,
        "copies": COPIES,
    }


class Bar:
    """A bar on a terminal, and a line for each section anywhere.

    Time left is what is to be done at the pace so far; before anything is done there is none.

    Args:
        console: to write to.
        work: of each section that will be measured, in their order.
        clock: seconds.
    """

    def __init__(self, console: Console, work: Mapping[str, float], clock: Callable[[], float] = time.monotonic):
        self._work, self._clock, self._names = dict(work), clock, list(work)
        self._done, self._here, self._name, self._began = 0.0, 0.0, "", clock()
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[left]}"))
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task("", total=max(sum(self._work.values()), 1e-6), left="")

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bar.stop()

    def begin(self, name: str) -> None:
        """A section begins; the one before it is done."""
        self.end()
        self._name = name
        left = self.left()
        number = self._names.index(name) + 1
        line = f"{number}/{len(self._names)} {name}{f', {left}' if left else ''}"
        self._bar.console.print(line, highlight=False)
        self._show(name)

    def end(self) -> None:
        """The section is done."""
        self._done += self._work.get(self._name, 0.0)
        self._name, self._here = "", 0.0
        self._show("")

    def did(self, what: str, work: float) -> None:
        """A part of the section is done; no part counts for more than the section."""
        self._here = min(self._here + work, 0.98 * self._work.get(self._name, 0.0))
        self._show(f"{self._name}: {what}")

    def left(self) -> str:
        """How long it will take, in words; "" before there is a pace."""
        done, whole = self._done + self._here, sum(self._work.values())
        spent = self._clock() - self._began
        if done <= 0 or spent <= 0:
            return ""
        return f"about {in_words(spent * (whole - done) / done)} left"

    def _show(self, text: str) -> None:
        self._bar.update(self._task, description=text, completed=self._done + self._here, left=self.left())
