"""Jobs of the page: pictures that are kept in the gallery, watched while they are drawn, cancelled, and taken up again
after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from fromnoise.drawing.matte import told_of
from fromnoise.drawing.picture_file import as_stamped, png_bytes
from fromnoise.drawing.start import Start
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.provenance.stamp import PLAIN, Stamp
from fromnoise.studio.desk.encode import data_url
from fromnoise.studio.desk.engine import Drawn, Engine, Event, Failed, Progress, Show, Stopped, Wish
from fromnoise.studio.desk.hub import Hub
from fromnoise.studio.desk.order import Order, orders_of
from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.desk.store import OPEN, Kept, Store, StoredJob
from fromnoise.studio.desk.uploads import Uploads
from fromnoise.studio.desk.waiting import Asked

LOG = logging.getLogger("fromnoise.studio")
REMEMBERED = 100  # finished jobs that can still be asked about without reading the disk


@dataclass(frozen=True)
class Watching(Config):
    """How a job is watched.

    Attributes:
        client: name of the page that asked, which is sent the previews.
        show: what to show on the way.
        every: show every so many steps.
        keep: put the pictures into the gallery.
    """

    client: str = ""
    show: Show = "clean"
    every: int = 1
    keep: bool = True


@dataclass(eq=False)
class Job:
    """A job that is known to this server.

    Attributes:
        told: what the drawn pictures have to say, beside their plans' notes.
        steps: (made, of) for each picture.
        pictures: those that are drawn.
        latest: the newest preview of each picture.
    """

    id: str
    orders: Sequence[Order]
    watching: Watching
    created: float
    state: str = "queued"
    message: str | None = None
    told: list[str] = field(default_factory=list)
    steps: list[tuple[int, int]] = field(default_factory=list)
    pictures: dict[int, dict[str, Any]] = field(default_factory=dict)
    latest: dict[int, dict[str, Any]] = field(default_factory=dict)
    wishes: list[Wish] = field(default_factory=list)
    task: asyncio.Task[None] | None = None
    asked: Asked | None = None

    @property
    def open(self) -> bool:
        """Whether it is not done yet."""
        return self.state in OPEN


class Jobs:
    """All jobs of the page.

    Args:
        engine: draws.
        store: keeps.
        uploads: pictures to start from.
        hub: tells the pages.
        drain_seconds: for the pictures under way when the server stops.
        stamp: what is put on pictures that are kept.
    """

    def __init__(
        self,
        engine: Engine,
        store: Store,
        uploads: Uploads,
        hub: Hub,
        drain_seconds: float,
        stamp: Stamp = PLAIN,
    ) -> None:
        self.engine, self.store, self.uploads, self.hub = engine, store, uploads, hub
        self._drain_seconds, self._stamp = drain_seconds, stamp
        self._jobs: dict[str, Job] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="fromnoise-gallery")
        self.closing, self._drained = False, False

    # --- asking ------------------------------------------------------------------------------------------------

    def begin(self, orders: Sequence[Order], starts: Sequence[Start | None], watching: Watching) -> Job:
        """Begin a job; on the event loop.

        Args:
            orders: its pictures.
            starts: what each of them starts from (:meth:`starts_of`).
            watching: how it is watched.

        Raises:
            Problem: there is nothing to draw, the queue is full, or the server is stopping.
        """
        if not orders:
            raise Problem(400, "a job needs a picture to draw")
        job = self._run(Job(secrets.token_hex(16), orders, watching, self.store.now()), range(len(orders)), starts)
        if watching.keep:
            stored = [order.to_dict() for order in orders]
            try:
                self.store.add_job(StoredJob(job.id, job.state, job.created, stored))
            except Problem:
                if job.task is not None:
                    job.task.cancel()
                raise
        return job

    def take_up(self) -> tuple[int, list[StoredJob]]:
        """After a start: queue again what waited, and say what was being drawn when the server ended.

        Returns:
            How many jobs were queued again, and those that were interrupted.
        """
        interrupted, again = self.store.jobs(("running",)), self.store.jobs(("queued",))
        for job in interrupted:
            of = len(job.orders)
            left = len(self.missing_of(job))
            said = f"the server ended while this was being drawn; {of - left} of {of} pictures were done"
            self.store.set_state(job.id, *(("interrupted", said) if left else ("finished",)))
        taken = 0
        for stored in again:
            todo = self.missing_of(stored)
            if not todo:
                self.store.set_state(stored.id, "finished")
                continue
            try:
                orders = orders_of(stored, self.engine.models)
                starts = self.starts_of(orders)
                self._run(Job(stored.id, orders, Watching(), stored.created), todo, starts)
                taken += 1
            except (Problem, UserError) as error:
                self.store.set_state(stored.id, "interrupted", error.message)
        return taken, self.store.jobs(("interrupted",))

    def missing_of(self, job: StoredJob) -> list[int]:
        """Which pictures of a stored job are not drawn yet."""
        return sorted(set(range(len(job.orders))) - self.store.done_places(job.id))

    def get(self, name: str) -> Job | None:
        """A job of this server's life."""
        return self._jobs.get(name)

    def all(self) -> list[Job]:
        """All jobs, the oldest first."""
        return list(self._jobs.values())

    def cancel(self, job: Job) -> None:
        """Stop a job within one step; what is drawn is kept."""
        if job.open and job.task is not None:
            job.task.cancel()  # which cancels its wishes

    async def close(self) -> None:
        """Let jobs that are being drawn finish; those that wait stay in the store for the next start."""
        self.closing = True
        jobs = [job for job in self._jobs.values() if job.task and not job.task.done()]
        self._drained = await asyncio.to_thread(self.engine.close, self._drain_seconds)
        if not self._drained:
            LOG.warning("pictures under way were not done in time; they will be called interrupted")
        await asyncio.sleep(0)  # the drawing thread's last news are on their way before this
        for job in jobs:
            if job.asked is not None:
                job.asked.end()
        await asyncio.gather(*(job.task for job in jobs if job.task), return_exceptions=True)
        self._writer.shutdown()

    def starts_of(self, orders: Sequence[Order]) -> list[Start | None]:
        """What each order starts from; unpacks pictures, so not on the event loop while the server runs.

        Raises:
            Problem: one is not there any more.
        """
        return [self.start_of(order) for order in orders]

    def start_of(self, order: Order) -> Start | None:
        """The picture that an order starts from.

        Raises:
            Problem: it is not there any more.
        """
        if order.start is None:
            return None
        return self.uploads.start(order.start, order.mask, order.plan.size.drawn)

    # --- drawing -----------------------------------------------------------------------------------------------

    def _run(self, job: Job, todo: Sequence[int], starts: Sequence[Start | None]) -> Job:
        job.steps = [(0, order.plan.steps) for order in job.orders]
        asked = Asked(self.engine, [partial(self._wish, job, i, starts[i]) for i in todo])
        job.asked = asked
        self._jobs[job.id] = job
        for old in [j for j in self._jobs.values() if not j.open][:-REMEMBERED]:
            del self._jobs[old.id]
        job.task = asyncio.get_running_loop().create_task(self._drive(job, list(todo), asked))
        self.tell_state(job)
        return job

    async def _drive(self, job: Job, todo: list[int], asked: Asked) -> None:
        try:
            async with aclosing(asked.events()) as events:
                async for which, event in events:
                    await self._heard(job, todo[which], event)
            if asked.left == 0:
                self._end(job, "failed" if job.message else "finished")
            elif job.watching.keep and self._drained:
                self.store.set_state(job.id, "queued")  # drawn after the next start
        except asyncio.CancelledError:
            asked.cancel()
            self._end(job, "cancelled")
        except Problem as error:
            job.message = f"a picture was drawn and could not be kept: {error.message}"
            LOG.error("job %s: %s", job.id, job.message)
            asked.cancel()
            self._end(job, "failed")
        except Exception as error:
            LOG.exception("job %s failed", job.id)
            job.message = f"keeping the picture failed: {type(error).__name__}; the server's log says why"
            self._end(job, "failed")

    def _wish(self, job: Job, i: int, start: Start | None, tell: Callable[[Event], None]) -> Wish:
        order, watching = job.orders[i], job.watching
        wish = Wish(order.plan, tell, start, order.fast, watching.show, watching.every, rank=len(job.wishes))
        job.wishes.append(wish)
        return wish

    async def _heard(self, job: Job, i: int, event: Event) -> None:
        if job.state == "queued" and not isinstance(event, Stopped):
            self._set(job, "running")
        if isinstance(event, Progress):
            self._step(job, i, event)
        elif isinstance(event, Failed):
            job.message = event.problem.message
        elif isinstance(event, Drawn):
            job.steps[i] = (job.steps[i][1],) * 2
            job.told += (*(event.choice.notes if event.choice else ()), *told_of(event.picture))
            picture = await asyncio.get_running_loop().run_in_executor(self._writer, self._keep, job, i, event)
            job.pictures[i] = picture
            job.latest.pop(i, None)
            self.hub.tell({"type": "picture", "job": job.id, "index": i, "picture": picture})

    def _step(self, job: Job, i: int, event: Progress) -> None:
        job.steps[i] = (event.index + 1, event.total)
        news: dict[str, Any] = {"type": "step", "job": job.id, "index": i, "step": event.index, "total": event.total}
        news |= {"t": event.t, "client": job.watching.client}
        if job.watching.show == "clean":
            news["key"] = (job.id, i)  # who is slow sees the newest; where every step counts, none is left out
        shown = {"clean": event.clean, "noisy": event.noisy}
        made = self.engine.models.made(job.orders[i].plan, job.orders[i].start is not None)
        news |= {name: data_url(picture, made) for name, picture in shown.items() if picture is not None}
        if "clean" in news or i not in job.latest:
            job.latest[i] = news
        self.hub.tell(news)

    def _keep(self, job: Job, i: int, event: Drawn) -> dict[str, Any]:
        order, picture, now = job.orders[i], event.picture, self.store.now()
        origin = self.engine.models.origin(order.plan, self.start_of(order), order.fast, i, event.choice)
        origin, request = as_stamped(origin, self._stamp), origin.request
        words = (request.prompt, request.style, request.seed)
        size = (int(picture.shape[2]), int(picture.shape[1]))
        kept = Kept(secrets.token_hex(16), job.id, i, now, *words, *size, origin.to_dict(), order.start, order.mask)
        if job.watching.keep:
            self.store.add(kept, png_bytes(picture, origin, self._stamp))
            return kept.to_dict()
        return {**kept.to_dict(), "id": None, "data": data_url(picture, None, origin, self._stamp)}

    def _set(self, job: Job, state: str) -> None:
        job.state = state
        if job.watching.keep:
            with contextlib.suppress(Problem):  # which the store has told; whoever waits is to hear how it ended
                self.store.set_state(job.id, state, job.message)
        self.tell_state(job)

    def _end(self, job: Job, state: str) -> None:
        job.latest.clear()
        self._set(job, state)

    # --- telling -----------------------------------------------------------------------------------------------

    def tell_state(self, job: Job) -> None:
        """Tell the pages how a job stands."""
        self.hub.tell({"type": "job", "job": job.id, "state": self.state(job)})

    def state(self, job: Job) -> dict[str, Any]:
        """How a job stands, for the page."""
        done, of = sum(made for made, _ in job.steps), sum(all_of for _, all_of in job.steps)
        first = job.orders[0]
        found: dict[str, Any] = {"id": job.id, "state": job.state, "message": job.message, "created": job.created}
        found |= {"count": len(job.orders), "done": len(job.pictures), "steps": done, "total": of}
        found |= {"request": first.plan.request.to_dict(), "fast": first.fast, "start": first.start, "mask": first.mask}
        found |= {"client": job.watching.client, "keep": job.watching.keep}
        notes = (note for order in job.orders for note in order.plan.notes)
        found["warnings"] = list(dict.fromkeys([*notes, *job.told]))
        found["pictures"] = [job.pictures[i] for i in sorted(job.pictures)]
        if job.open and job.wishes:
            waiting = [self.engine.ahead_of(wish) for wish in job.wishes]
            found["ahead"] = min(count for count, _ in waiting)
            found["seconds"] = round(max(seconds for _, seconds in waiting), 1)
        return found


def stored_state(job: StoredJob, pictures: Sequence[Kept]) -> dict[str, Any]:
    """How a job of an earlier life of the server stands, for the page."""
    first = job.orders[0] if job.orders else {}
    found: dict[str, Any] = {"id": job.id, "state": job.state, "message": job.message, "created": job.created}
    found |= {"count": len(job.orders), "done": len(pictures), "request": first.get("request")}
    found |= {"fast": bool(first.get("fast")), "start": first.get("start"), "mask": first.get("mask")}
    return found | {
        "pictures": [kept.to_dict() for kept in pictures],
        "steps": 0,
        "total": 0,
        "client": "",
        "keep": True,
        "warnings": list(dict.fromkeys(note for order in job.orders for note in order.get("notes", ()))),
    }
