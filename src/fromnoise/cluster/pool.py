"""A pool of workers on one machine or many: Ray Data hands out shards, and hands one out again if its worker dies."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from fromnoise.cluster.job import Piece
from fromnoise.cluster.painter import Done, Painter, Work
from fromnoise.ground.cores import available_cores
from fromnoise.ground.errors import UserError, missing_packages, one_line

AHEAD = 2  # shards that a worker knows of, so that it never waits for the next
HERE = "ray"  # what --cluster says for RAY_ADDRESS, or this machine alone
STARTS = 3  # attempts to start a Ray on this machine
STORE = 100 * 2**20  # bytes of the object store of this machine's own Ray; the pictures never go through it
SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is reported to its makers
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_worker_niceness": "0",  # a command is no background job: beside any other work its workers would starve
}


@dataclass(frozen=True)
class Pool:
    """How work is spread.

    Attributes:
        workers: processes, each with the model.
        cores: that each of them may take.
    """

    workers: int
    cores: int


def check_cluster(address: str) -> str:
    """What :func:`connected` will connect to; refused where there is no Ray, or nobody answers.

    Args:
        address: HOST:PORT, or :data:`HERE` for what RAY_ADDRESS says; without it, a Ray on this machine alone.
    """
    _ray()
    found = os.environ.get("RAY_ADDRESS") or HERE if address == HERE else address
    if found != HERE:
        check_address(found)
    return found


def check_address(address: str) -> None:
    """Refuse an address at which nobody answers, before Ray tries for a minute.

    Raises:
        UserError: it is no address, or nobody listens there.
    """
    found = re.fullmatch(r"\[?([^\[\]\s/]+)\]?:(\d{1,5})", address)
    if found is None or not 0 < int(found[2]) < 65536:
        raise UserError(
            f"--cluster takes 'ray' for this machine, or HOST:PORT of a Ray cluster's head as 10.0.0.1:6379; "
            f"not '{one_line(address)}'"
        )
    try:
        socket.create_connection((found[1], int(found[2])), timeout=5).close()
    except OSError as error:
        reason = error.strerror or "no answer in 5 seconds"
        raise UserError(
            f"there is no Ray cluster at {address} ({reason}); start one with: ray start --head, or use --cluster ray "
            "for this machine alone"
        ) from None


@contextmanager
def connected(address: str) -> Iterator[list[int]]:
    """A connection to a Ray cluster; the cores of each of its machines.

    Args:
        address: of :func:`check_cluster`; a Ray on this machine alone ends with the connection. In a process that is
            connected already, that connection is used, and stays.

    Raises:
        UserError: there is no cluster at that address.
    """
    ray = _ray()
    if ray.is_initialized():
        yield _machines(ray)
        return
    if address == HERE:
        start_here(available_cores())
    else:
        _join(ray, address)
    try:
        yield _machines(ray)
    finally:
        ray.shutdown()


def start_here(cores: int) -> None:
    """Start a Ray of this machine alone, with so many cores.

    Raises:
        UserError: it does not start.
    """
    ray, own = _ray(), {"address": "local", "object_store_memory": STORE, "include_dashboard": False}
    for attempt in range(STARTS):
        try:
            with _without_stderr():
                ray.init(**own, num_cpus=cores, log_to_driver=False, logging_level="ERROR")
            return
        except Exception as error:  # it raises that very class where a busy machine takes longer than 30 seconds
            ray.shutdown()
            if attempt == STARTS - 1:
                raise UserError(f"Ray does not start on this machine: {one_line(str(error))[:200]}") from None


def _join(ray: Any, address: str) -> None:
    try:
        with _without_stderr():
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # of many kinds, also plain ones
        reason = one_line(str(error))[:200]
        raise UserError(f"the Ray cluster at {address} cannot be worked with: {reason}") from None


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Let what Ray's own processes and its C++ parts say while they start go nowhere; what goes wrong is raised."""
    sys.stderr.flush()
    before, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        sys.stderr.flush()
        os.dup2(before, 2)
        os.close(before)


def spread(machines: Sequence[int], workers: int | None) -> Pool:
    """How many workers, with how many cores each: one for every core where nobody says, and as many cores as fit.

    Args:
        machines: cores of each.
        workers: how many there shall be.

    Raises:
        UserError: more workers than cores.
    """
    total = sum(machines)
    count = total if workers is None else workers
    for cores in range(max(machines, default=0), 0, -1):
        if count and sum(machine // cores for machine in machines) >= count:
            return Pool(count, cores)
    raise UserError(f"--workers {count} is more than the {total} cores that the cluster has")


def painted(work: Work, todo: Sequence[Piece], pool: Pool, painter: type[Painter] = Painter) -> Iterator[Done]:
    """Let workers draw shards; each as soon as it is done, in no order.

    Args:
        work: what every worker is told.
        todo: the shards.
        pool: how many workers.
        painter: what works.

    Raises:
        UserError: what stopped a worker, or that workers died over one batch again and again.
    """
    data = _ray_data()
    workers = min(pool.workers, len(todo))
    rows = data.from_items([asdict(piece) for piece in todo], override_num_blocks=len(todo))
    done = rows.map_batches(
        _one_row(painter),
        fn_constructor_args=(work,),
        batch_size=1,
        compute=data.ActorPoolStrategy(size=workers, max_tasks_in_flight_per_actor=AHEAD),
        num_cpus=pool.cores,  # a worker that dies is started again, and its shard with it, without end: see Painter
    )
    for row in done.iter_rows():
        found = Done(**row)
        if found.error:
            raise UserError(found.error)
        yield found


def _one_row(painter: type[Painter]) -> type[Any]:
    """The painter as Ray Data calls it: a table of one shard in, a table of one answer out."""

    class Worker:
        def __init__(self, work: Work) -> None:
            self.painter = painter(work)

        def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
            piece = Piece(**{name: int(column[0]) for name, column in batch.items()})
            return {name: [value] for name, value in asdict(self.painter.paint(piece)).items()}

    return Worker


def _machines(ray: Any) -> list[int]:
    found = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    return [cores for cores in found if cores]


def _ray() -> Any:
    """Ray as a command uses it; what the user has set of it stays."""
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise missing_packages("drawing on a cluster needs Ray", "cluster") from error
    logging.getLogger("ray").setLevel(logging.ERROR)
    return ray


def _ray_data() -> Any:
    try:
        import ray.data
    except ImportError as error:
        raise missing_packages("drawing on a cluster needs more packages", "cluster") from error
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray.data
