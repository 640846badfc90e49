"""Folders that a long build makes: begun, interrupted, gone on with; and work shared out among processes."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn, track

from fromnoise.ground.cores import available_cores
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import write_atomically

Job = TypeVar("Job")
Done = TypeVar("Done")
COLUMNS = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())


def claim(out: Path, wanted: dict[str, Any], flags: str) -> None:
    """Make a folder and note in its ``build.json`` what it will hold.

    Args:
        out: the folder.
        wanted: the options that everything in it must share, as JSON types.
        flags: how those options are called on the command line, for the message.

    Raises:
        UserError: it holds something else, was begun with other options, or cannot be written.
    """
    note = out / "build.json"
    try:
        out.mkdir(parents=True, exist_ok=True)
        if not note.exists():
            if any(p.name != ".npm" for p in out.iterdir()):
                raise UserError(f"'{out}' is not empty and was not made by this command; name another --out")
            write_atomically(note, json.dumps(wanted))
        found = json.loads(note.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot write to '{out}': {error.strerror}") from None
    except (ValueError, RecursionError):
        raise UserError(f"'{note}' is damaged; name another --out") from None
    if found != wanted:
        raise UserError(f"'{out}' was begun with other {flags}; name another --out")


def in_parallel(work: Callable[[Job], Done], jobs: list[Job], workers: int, title: str) -> Iterable[Done]:
    """The results of all jobs in their order, with a progress bar.

    Args:
        work: a function of a module, so that processes can be told it.
        jobs: what it is called with.
        workers: processes; 0 takes one per core, 1 works in this process.
        title: stands before the bar.
    """
    console = Console(stderr=True)
    workers = workers or available_cores()
    if workers == 1:
        yield from track(map(work, jobs), title, len(jobs), console=console, transient=True)
        return
    with ProcessPoolExecutor(workers) as pool:
        yield from track(pool.map(work, jobs, chunksize=16), title, len(jobs), console=console, transient=True)


def in_batches(
    work: Callable[[Sequence[Job]], Sequence[Done]], jobs: Sequence[Job], title: str, workers: int = 0, batch: int = 32
) -> Generator[Done]:
    """The results of all jobs in their order, however many: only a few batches of them are held at a time.

    Args:
        work: a function of a module that does several jobs.
        jobs: what it is called with, ``batch`` at a time.
        title: stands before the progress bar.
        workers: processes; 0 takes one per core, 1 works in this process.
        batch: jobs that a process is given at a time.

    Raises:
        UserError: a process was ended, as the system does where memory runs out.
    """
    workers = min(workers or available_cores(), -(-len(jobs) // batch))
    parts = (jobs[i : i + batch] for i in range(0, len(jobs), batch))
    with Progress(*COLUMNS, console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(title, total=len(jobs))
        for done in map(work, parts) if workers <= 1 else _in_order(work, parts, workers):
            yield from done
            progress.advance(bar, len(done))


def _in_order(work: Callable[[Job], Done], jobs: Iterable[Job], workers: int) -> Iterator[Done]:
    pool, waiting = ProcessPoolExecutor(workers), deque[Future[Done]]()
    try:
        for job in jobs:
            waiting.append(pool.submit(work, job))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise UserError("a process that read pictures was ended: is there too little memory? run again") from None
    finally:
        pool.shutdown(cancel_futures=True)
