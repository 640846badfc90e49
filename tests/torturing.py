"""Opens what was mutated, in processes that may die: what is not opened must be refused in one line.

A process tries one mutant after the other and tells of each by a line; where it dies or takes too long, the mutant
that it had before it is the one to blame, and another process goes on behind it.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from fromnoise.ground.cores import use_at_most
from fromnoise.ground.errors import UserError
from mutants import mutated_json

SECONDS = 20.0  # of its CPU that a mutant may take
WAITING = 300.0  # seconds without a word after which a process is given up
MEMORY = 1 << 30  # bytes beyond what the process has when it begins
LONGEST = 600  # characters of a refusal


def spoilt_json(file: Path, data: bytes, rng: random.Random) -> str:
    """Write one fault into a JSON file; returns its kind."""
    kind, after = mutated_json(data, rng)
    file.write_bytes(after)
    return kind


@dataclass(frozen=True)
class Subject:
    """Something that is opened.

    Attributes:
        name: for the table.
        folder: of its files; mutants are made of them in place, and each is put back.
        use: opens the folder, and draws with what it holds.
        files: what is mutated.
        spoil: writes a fault into a file whose bytes were these, and says its kind.
        share: of a campaign's mutants, beside the 1 of others.
    """

    name: str
    folder: Path
    use: Callable[[Path], object]
    files: tuple[Path, ...]
    spoil: Callable[[Path, bytes, random.Random], str] = spoilt_json
    share: float = 1.0


@dataclass(frozen=True)
class Tried:
    """What became of a mutant: "opened", "refused" or "crash", and what was said, in so many seconds and bytes."""

    subject: str
    kind: str
    outcome: str
    said: str
    seconds: float
    memory: int


def torture(subject: Subject, count: int, seed: int, begin: int = 0) -> Iterator[Tried]:
    """Try the mutants of a subject from number ``begin`` to ``count``; equal seeds give equal ones."""
    done, whole = begin, {file: file.read_bytes() for file in subject.files}
    while done < count:
        reader, writer = os.pipe()
        process = os.fork()
        if not process:
            os.close(reader)
            _child(subject, range(done, count), seed, writer)
        os.close(writer)
        try:
            for found in _told(reader, process):
                yield found
                done += found.outcome != "begun"
        finally:
            os.close(reader)
            for file, data in whole.items():  # as it may have died before it put a file back
                file.unlink(missing_ok=True)
                file.write_bytes(data)


def _told(reader: int, process: int) -> Iterator[Tried]:
    """What a process tells, and of what it died."""
    rest, now = b"", Tried("", "", "begun", "", 0.0, 0)
    while True:
        ready, _, _ = select.select([reader], [], [], WAITING)
        data = os.read(reader, 1 << 16) if ready else b""
        if not data:
            break
        *lines, rest = (rest + data).split(b"\n")
        for line in lines:
            now = Tried(**json.loads(line))
            if now.outcome != "begun":
                yield now
    if not ready:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if not ready and not now.subject:
        raise RuntimeError("a process did not begin with its first mutant; it was forked beside threads")
    if now.outcome != "begun" and os.waitstatus_to_exitcode(status) == 1:
        raise RuntimeError("a mutant could not be made; try it by itself")
    if now.outcome == "begun" and now.subject:
        slow = not ready or os.waitstatus_to_exitcode(status) == -signal.SIGPROF
        why = f"took over {SECONDS:.0f} s" if slow else f"the process died: {os.waitstatus_to_exitcode(status)}"
        yield Tried(now.subject, now.kind, "crash", why, SECONDS, now.memory)


def _child(subject: Subject, indices: Iterable[int], seed: int, writer: int) -> None:
    code = 1
    try:
        use_at_most(1)  # OpenMP's threads, where this process had them, are not there in what is forked: it would wait
        _bound_memory()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        for index in indices:
            _try(subject, random.Random(f"{subject.name}-{seed}-{index}"), writer)
        code = 0
    finally:
        os._exit(code)


def _try(subject: Subject, rng: random.Random, writer: int) -> None:
    file = rng.choice(subject.files)
    before = file.read_bytes()
    kind = subject.spoil(file, before, rng)
    said = (f"{subject.name}/{file.name}", kind)
    _tell(writer, Tried(*said, "begun", "", 0.0, 0))
    begin, least = time.process_time(), _peak(anew=True)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)  # ends the process, whatever it is busy with
    outcome, words = _outcome(subject)
    signal.setitimer(signal.ITIMER_PROF, 0)
    file.unlink()
    file.write_bytes(before)
    seconds, memory = time.process_time() - begin, _peak() - least
    if seconds > SECONDS or memory > MEMORY:
        outcome, words = "crash", f"{seconds:.1f} s, {memory >> 20} MiB ({outcome}: {words})"
    _tell(writer, Tried(*said, outcome, words, seconds, memory))


def _outcome(subject: Subject) -> tuple[str, str]:
    try:
        subject.use(subject.folder)
    except UserError as error:
        said = str(error)
        if len(said) > LONGEST or not said.isprintable():
            return "crash", f"no one line to read: {said[:300]!r}, {len(said)} characters"
        return "refused", said
    except BaseException as error:  # SystemExit would be as bad
        ours = [frame for frame in traceback.extract_tb(error.__traceback__) if "fromnoise" in frame.filename]
        where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else "?"
        return "crash", f"{type(error).__name__} at {where}: {str(error)[:200]}"
    return "opened", ""


def _tell(writer: int, tried: Tried) -> None:
    os.write(writer, json.dumps(vars(tried)).encode() + b"\n")


def _bound_memory() -> None:
    """So much of addresses that nobody's machine is brought down; what torch maps needs many."""
    import resource

    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + 3 * MEMORY, size + 3 * MEMORY))


def _peak(anew: bool = False) -> int:
    """Bytes that this process had in memory at most, since it was asked for anew."""
    if anew:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) << 10 for line in lines if line.startswith("VmHWM"))
