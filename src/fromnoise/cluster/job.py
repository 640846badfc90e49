"""What a cluster is to draw: the job, as its folder says it, and the pieces that are still to be done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from filelock import FileLock, Timeout

from fromnoise.cluster.shard import is_whole, shard_name
from fromnoise.drawing.request import Request
from fromnoise.ground.config import Config, check
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.json_file import read_object
from fromnoise.ground.whole import write_atomically

JOB, PROMPTS, LOCK = "job.json", "prompts.txt", ".lock"
MOST_JOB = 1 << 20
LEAST_SHARD, MOST_SHARD, SHARDS = 8, 1000, 64


@dataclass(frozen=True)
class ClusterJob(Config):
    """What is drawn, whoever draws it: the same job gives the same shards, byte for byte.

    Attributes:
        model: its name.
        model_hash: 12 hex digits over its weights and tokenizer.
        precision: number format of the U-Net, "fp32" or "bf16", the same on all machines.
        backend: what computes.
        fast: drawn in a few steps.
        loras: name and weight of each LoRA.
        start: 12 hex digits of the picture and mask that all start from; None when they begin as noise.
        request: of the first line, with nothing left open but its prompt; line i has its seed + i.
        lines: how many prompts there are.
        prompts: SHA-256 of them, in hex.
        shard: pictures per shard.
    """

    model: str
    model_hash: str
    precision: str
    backend: str
    fast: bool
    loras: tuple[str, ...]
    start: str | None
    request: Request
    lines: int
    prompts: str
    shard: int

    def __post_init__(self) -> None:
        check(self, "", tuple((name, getattr(self, name) > 0, "above 0") for name in ("lines", "shard")))

    @property
    def shards(self) -> int:
        """How many shards there will be."""
        return -(-self.lines // self.shard)

    def key(self, line: int) -> str:
        """What the picture of a line is called, as ``--prompts`` calls it without a cluster."""
        return f"{line:0{max(4, len(str(self.lines - 1)))}d}"


@dataclass(frozen=True)
class Piece:
    """The lines of one shard.

    Attributes:
        number: of the shard.
        first: the number of its first line.
        count: how many lines.
        offset, length: where they are in the job's file of prompts, bytes.
    """

    number: int
    first: int
    count: int
    offset: int
    length: int


def usual_shard(lines: int) -> int:
    """Pictures per shard where nobody says: 1,000, or fewer so that there are shards for many workers.

    >>> usual_shard(100), usual_shard(10_000), usual_shard(1_000_000)
    (8, 157, 1000)
    """
    return min(MOST_SHARD, max(LEAST_SHARD, -(-lines // SHARDS)))


def digest_of(lines: Sequence[str]) -> str:
    """SHA-256 of prompts, in hex."""
    found = hashlib.sha256()
    for line in lines:
        found.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return found.hexdigest()


def begun(folder: Path) -> ClusterJob | None:
    """The job that a folder was begun with; None where there is nothing yet.

    Raises:
        UserError: the folder holds something else.
    """
    if not folder.exists():
        return None
    if not folder.is_dir():
        raise UserError(f"'{folder}' is a file; name a folder for the shards with --out")
    file = folder / JOB
    if not file.exists():
        # Of a run that was stopped before it began there may be a lock and a draft of the job's file.
        others = sorted(f.name for f in folder.iterdir() if f.name != LOCK and not f.name.endswith(f".tmp.{JOB}"))
        if others:
            raise UserError(f"'{folder}' holds something else ({others[0]}); name a new or empty folder with --out")
        return None
    try:
        if file.stat().st_size > MOST_JOB:
            raise ValueError("it is too large")
        return ClusterJob.from_dict(read_object(file))
    except (OSError, ValueError, UserError) as error:
        raise UserError(f"{file} is damaged ({error!s:.200}); name another folder with --out") from None


def check_same(folder: Path, before: ClusterJob, now: ClusterJob) -> None:
    """Refuse to go on with another job than a folder was begun with.

    Raises:
        UserError: what is different, with both values where they are short.
    """
    if before == now:
        return
    other = "; give the options of before, or another --out"
    if before.prompts != now.prompts:
        raise UserError(f"'{folder}' was begun with other prompts ({before.lines:,} lines){other}")
    if before.model_hash != now.model_hash:
        names = f"{_said(before.model)} ({_said(before.model_hash)}), this is {now.model} ({now.model_hash})"
        raise UserError(f"'{folder}' was begun with another model: {names}{other}")
    for name, old, new in _differences(before, now):
        raise UserError(f"'{folder}' was begun with {name} {_said(old)}, not {_said(new)}{other}")


def _differences(before: ClusterJob, now: ClusterJob) -> Iterator[tuple[str, object, object]]:
    for old, new in ((before.request, now.request), (before, now)):
        for field in fields(old):  # type: ignore[arg-type]
            a, b = getattr(old, field.name), getattr(new, field.name)
            if a != b and field.name not in ("request", "prompt"):
                yield field.name.replace("_", " "), a, b


def _said(value: object) -> str:
    return "none" if value in (None, "", ()) else one_line(str(value))[:80]


def begin(folder: Path, job: ClusterJob, lines: Sequence[str]) -> None:
    """Write down what is to be done, for all workers to read, as far as it is not there yet."""
    texts = {JOB: json.dumps(job.to_dict(), indent=1) + "\n", PROMPTS: "".join(f"{line}\n" for line in lines)}
    for name, text in texts.items():
        if not (folder / name).exists() or (folder / name).read_bytes() != text.encode():
            write_atomically(folder / name, text)


def locked(folder: Path) -> FileLock:
    """Keep a second command out of the folder for as long as this process lives."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another fromnoise draws into '{folder}'; wait for it, or name another --out") from None
    return lock


def pieces(job: ClusterJob, lines: Sequence[str]) -> Iterator[Piece]:
    """All shards of a job."""
    offset = 0
    for number in range(job.shards):
        first = number * job.shard
        own = lines[first : first + job.shard]
        length = sum(len(line.encode()) + 1 for line in own)
        yield Piece(number, first, len(own), offset, length)
        offset += length


def to_do(folder: Path, job: ClusterJob, lines: Sequence[str]) -> list[Piece]:
    """The shards that are not there yet, or not to their end."""
    return [piece for piece in pieces(job, lines) if not is_whole(folder / shard_name(piece.number))]


def prompts_of(folder: Path, piece: Piece) -> list[str]:
    """The prompts of a shard.

    Raises:
        UserError: the file of prompts is not what it was.
    """
    with (folder / PROMPTS).open("rb") as stream:
        stream.seek(piece.offset)
        lines = stream.read(piece.length).decode(errors="replace").split("\n")
    if len(lines) != piece.count + 1 or lines[-1]:
        raise UserError(f"{folder / PROMPTS} was changed; name another folder with --out")
    return lines[:-1]
