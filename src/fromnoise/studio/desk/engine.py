"""The one thread that draws: wishes come in from everywhere, and those that are alike share a batch.

A picture is the same bits alone and in company (:mod:`fromnoise.system.picturewise`), so who else is waiting changes
when a picture comes, never what it shows.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from fromnoise.diffusion.samplers import Step
from fromnoise.drawing.choice import Choice
from fromnoise.drawing.generate import Finished, generate_together
from fromnoise.drawing.plan import Plan, at_once
from fromnoise.drawing.start import Start
from fromnoise.ground.errors import UserError
from fromnoise.studio.desk.models import Models
from fromnoise.studio.desk.problem import Problem, problem_of

LOG = logging.getLogger("fromnoise.studio")
AT_ONCE = 16  # candidates of a batch; more would only make everyone wait longer
IN_A_ROW = 4  # pictures of one job before it is another one's turn
LINGER = 0.004  # seconds after a first wish, in which others that were sent with it arrive
PREVIEW_SHARE = 0.35  # of the drawing time that may go into showing it

Show = Literal["none", "clean", "both"]


@dataclass(frozen=True, eq=False)
class Progress:
    """A step was made; ``clean`` and ``noisy`` are uint8 [3,H,W], if wanted and there was time."""

    index: int
    total: int
    t: float
    clean: Tensor | None = None
    noisy: Tensor | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """The picture, uint8 [3,H,W], or [4,H,W] with alpha where that was asked for; and its choice among candidates."""

    picture: Tensor
    choice: Choice | None = None


@dataclass(frozen=True)
class Failed:
    """No picture, and why; ``problem`` is what to tell."""

    problem: Problem


@dataclass(frozen=True)
class Stopped:
    """No picture: the server is stopping."""


Event = Progress | Drawn | Failed | Stopped


@dataclass(eq=False)
class Wish:
    """One picture that somebody waits for.

    Attributes:
        plan: what will be done, for one picture.
        tell: called with every event, on the drawing thread; must return at once.
        start: the picture to begin with.
        fast: draw with the few-step model.
        show: what to show on the way.
        every: show every so many steps.
        rank: which picture of its job it is.
        cancelled: nobody waits any more.
        kind: what it has in common with wishes of the same batch; the engine finds it out.
    """

    plan: Plan
    tell: Callable[[Event], None]
    start: Start | None = None
    fast: bool = False
    show: Show = "none"
    every: int = 1
    rank: int = 0
    cancelled: bool = False
    kind: Any = None


@dataclass
class Pace:
    """How fast pictures are drawn, to say how long is left: seconds for a step of one picture."""

    seconds: float = 0.02
    known: bool = False
    pictures: int = 0
    batches: int = 0
    busy: float = 0.0

    def learn(self, seconds: float, steps: int) -> None:
        """Take in a batch: how long it took, and the steps of all its pictures."""
        now = seconds / max(1, steps)
        self.seconds = 0.7 * self.seconds + 0.3 * now if self.known else now
        self.known = True


class Engine:
    """Draws wishes, first come, first served, with turns between jobs.

    Args:
        models: what draws.
        most: wishes that may wait.
    """

    def __init__(self, models: Models, most: int) -> None:
        self.models, self.most, self.pace = models, most, Pace()
        self._queue: list[tuple[tuple[int, int], Wish]] = []  # with its turn and arrival; sorted when a batch is taken
        self._arrivals, self._ready = itertools.count(), threading.Condition()
        self._current: list[Wish] = []
        self._steps_left = 0
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="fromnoise-drawing", daemon=True)
        self._thread.start()

    # --- from any thread ---------------------------------------------------------------------------------------

    def submit(self, wishes: Sequence[Wish]) -> None:
        """Queue the wishes of one job, all or none.

        Raises:
            Problem: 429 when too many wait already, 503 when the server is stopping.
        """
        for wish in wishes:
            wish.kind = self._kind(wish)
        with self._ready:
            if self._closing:
                raise Problem(503, "the server is stopping; try again in a minute", retry=60)
            if self._waiting() + sum(wish.plan.best_of for wish in wishes) > self.most:
                wait = max(1, round(self._seconds_left()))
                raise Problem(429, f"{self.most} pictures wait already; try again in {wait} s", retry=wait)
            for wish in wishes:
                self._queue.append(((wish.rank // IN_A_ROW, next(self._arrivals)), wish))
            self._ready.notify()

    def cancel(self, wish: Wish) -> None:
        """Nobody waits for this any more: it is not begun, or stops within one step."""
        wish.cancelled = True

    @property
    def waiting(self) -> int:
        """How many candidates have not been begun; of most wishes that is one each."""
        with self._ready:
            return self._waiting()

    def ahead_of(self, wish: Wish) -> tuple[int, float]:
        """How many pictures come before this one, and the seconds until it is done, as far as one can tell."""
        with self._ready:
            place = next((key for key, other in self._queue if other is wish), None)
            before = [w for key, w in self._queue if place and key < place and not w.cancelled]
            steps = self._steps_left + sum(w.plan.work for w in before)
            own = wish.plan.work if place else 0
            return len(before) + (len(self._current) if place else 0), (steps + own) * self.pace.seconds

    @property
    def seconds_left(self) -> float:
        """Until everything that waits now is done, as far as one can tell."""
        with self._ready:
            return self._seconds_left()

    def close(self, seconds: float) -> bool:
        """Take no more wishes, finish the batch under way, and stop; whether that was done in time.

        Those whose turn has not come are told at once, those that take too long when the time is over.
        """
        with self._ready:
            self._closing = True
            waiting, self._queue = [wish for _, wish in self._queue], []
            self._ready.notify()
        self._stop(waiting)
        self._thread.join(seconds)
        in_time = not self._thread.is_alive()
        self._stop([] if in_time else self._current)
        return in_time

    def _stop(self, wishes: Sequence[Wish]) -> None:
        for wish in wishes:
            if not wish.cancelled:
                wish.cancelled = True
                wish.tell(Stopped())

    @property
    def alive(self) -> bool:
        """Whether it draws what is asked for."""
        return self._thread.is_alive() and not self._closing

    def _waiting(self) -> int:
        return sum(wish.plan.best_of for _, wish in self._queue if not wish.cancelled)

    def _seconds_left(self) -> float:
        steps = self._steps_left + sum(w.plan.work for _, w in self._queue if not w.cancelled)
        return steps * self.pace.seconds

    def _kind(self, wish: Wish) -> Any:
        return wish.fast, wish.start.digest if wish.start else None, wish.plan.kind

    # --- on the drawing thread ---------------------------------------------------------------------------------

    def _run(self) -> None:
        while group := self._next():
            self._draw(group)
            with self._ready:
                self._current, self._steps_left = [], 0

    def _next(self) -> list[Wish]:
        """The next batch, or nothing when it is time to stop."""
        with self._ready:
            while not self._closing:
                self._queue = sorted((key, wish) for key, wish in self._queue if not wish.cancelled)
                if self._queue:
                    return self._take()
                self._ready.wait()
                if 0 < len(self._queue) < AT_ONCE:
                    self._ready.wait(LINGER)
            return []

    def _take(self) -> list[Wish]:
        """The first in the queue and all that can be drawn with it."""
        first = self._queue[0][1]
        most = at_once(first.plan.best_of, AT_ONCE)
        group = [wish for _, wish in self._queue if wish.kind == first.kind][:most]
        chosen = set(map(id, group))
        self._queue = [entry for entry in self._queue if id(entry[1]) not in chosen]
        self._current = group
        self._steps_left = sum(wish.plan.work for wish in group)
        return group

    def _draw(self, group: list[Wish]) -> None:
        try:
            self._stream(group)
        except Exception as error:
            if len(group) > 1:  # one picture's trouble is not its neighbours'
                for wish in group:
                    self._draw([wish])
            else:
                group[0].tell(Failed(_problem(error)))

    def _stream(self, group: list[Wish]) -> None:
        began, shown = time.perf_counter(), 0.0
        events = generate_together(
            self.models.get(group[0].fast),
            [wish.plan for wish in group],
            group[0].start,
            lambda: [not wish.cancelled for wish in group],
        )
        for event in events:
            if all(wish.cancelled for wish in group):
                events.close()  # type: ignore[attr-defined]
                return
            if isinstance(event, Finished):
                self._finish(group, event, time.perf_counter() - began - shown)
                return
            share = shown / max(1e-9, time.perf_counter() - began)
            now = time.perf_counter()
            self._tell_step(group, event, share <= PREVIEW_SHARE)
            shown += time.perf_counter() - now

    def _finish(self, group: list[Wish], event: Finished, seconds: float) -> None:
        self.pace.learn(seconds, sum(wish.plan.work for wish in group))
        self.pace.batches += 1
        self.pace.busy += seconds
        for wish, picture, choice in zip(group, event.pictures, event.choices, strict=True):
            if not wish.cancelled:
                self.pace.pictures += 1
                wish.tell(Drawn(picture, choice))

    def _tell_step(self, group: list[Wish], step: Step, in_time: bool) -> None:
        model, each_of = self.models.get(group[0].fast), group[0].plan.best_of
        with self._ready:
            self._steps_left = max(0, self._steps_left - len(group) * each_of)
        last = step.index + 1 == step.total
        seen = [
            i
            for i, wish in enumerate(group)
            if wish.show != "none"
            and not wish.cancelled
            and (last or (step.index % wish.every == 0 and (in_time or wish.every > 1 or wish.show == "both")))
        ]
        noisy = [i for i in seen if group[i].show == "both"]
        first = slice(None, None, each_of)  # candidate 0 of each picture is shown
        clean = dict(zip(seen, model.decode(step.x0_hat[first][seen]), strict=True)) if seen else {}
        rough = dict(zip(noisy, model.decode(step.x_t[first][noisy]), strict=True)) if noisy else {}
        for i, wish in enumerate(group):
            if not wish.cancelled:
                wish.tell(Progress(step.index, step.total, float(step.t), clean.get(i), rough.get(i)))


def _problem(error: Exception) -> Problem:
    if isinstance(error, UserError):
        return problem_of(error)
    if isinstance(error, MemoryError) or "alloc" in str(error):
        return Problem(503, "there is not enough memory for this picture; ask for a smaller one", retry=10)
    LOG.error("drawing failed", exc_info=error)
    return Problem(500, "drawing failed inside the server; its log says why")
