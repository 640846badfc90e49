"""Many processes that train together: who is who, who goes first, how they agree and how they end.

``torchrun`` and ``accelerate launch`` start the same command several times and tell each by environment variables which
one it is. All of them compute; the first one alone prints, prepares files and writes. The others follow it in silence:
they begin with a task when it has prepared what that needs, find everything made, and end when it ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from fromnoise.ground.errors import UserError, missing_packages, one_line
from fromnoise.training.recipe import LoopConfig
from fromnoise.training.share import ALL, Share
from fromnoise.training.tasks.base import Losses, Task
from fromnoise.training.watch import Watch

LONGEST = timedelta(days=7)  # that others wait for the first one; whether it lives is watched by a thread
BROKEN = ("gloo", "connection closed", "connection reset", "broken pipe", "nccl")  # in errors of lost processes
TRUE = ("1", "true", "yes")


class Asked(NamedTuple):
    """What is to happen between two steps.

    Attributes:
        elapsed: seconds of training so far.
        stop, pause, sheet, save: because of a signal, a deadline, or because it is time for it.
    """

    elapsed: float
    stop: bool
    pause: bool
    sheet: bool
    save: bool


class Alone:
    """One process that trains by itself.

    Attributes:
        main: whether this process prints and writes.
        share: of every batch.
        device: where it computes, where a launcher decides that.
        patience: seconds within which a second Ctrl-C is the launcher's, which passes the first one on.
    """

    main = True
    share = ALL
    device: torch.device | None = None
    patience = 0.0

    def losses(self, task: Task) -> Callable[[Any, Any], Losses]:
        """The task's losses as a function of batch and clock; their gradients are those of all processes."""
        return task.losses

    def mean(self, losses: Losses) -> Losses:
        """Figures without their gradient, of the whole batch."""
        return {name: value.detach() for name, value in losses.items()}

    def agreed(self, asked: Asked) -> Asked:
        """What all processes do now: what the first one's watch says, and whether any of them was asked to stop."""
        return asked

    def any_of(self, wish: bool) -> bool:
        """Whether any process wishes something."""
        return wish

    def same(self, number: int) -> bool:
        """Whether a number is the same everywhere."""
        return True

    def meet(self) -> None:
        """Wait for all others, however long they take."""

    def in_turn(self, work: Callable[[], None]) -> None:
        """Do something that the first process does before all others."""
        work()

    def prepared(self) -> None:
        """As the first process: let the others prepare the same task, which find files made. All go on from here."""

    def wait_turn(self) -> None:
        """As another process: wait until the first one has prepared the next task."""

    def is_lost(self, error: BaseException) -> bool:
        """Whether an error says that another process is gone."""
        return False


class Many(Alone):
    """One process among several. Joins the others when it is made.

    Args:
        index, count: which one of how many, as the launcher says.
        voice: where errors are told.
    """

    patience = 10.0

    def __init__(self, index: int, count: int, voice: Any) -> None:
        state = joined_state()
        self.device = state.device if state.device.type != "cpu" else torch.device("cpu")  # accelerate says "cpu:0"
        self.index, self.count, self.main, self.share = index, count, index == 0, Share(index, count)
        self._voice, self._turns = voice, 0
        self._mesh = dist.init_device_mesh(self.device.type, (count,)) if sharded() else None
        # Apart from the group that averages gradients, which may not wait for long and may know GPUs alone.
        self.talk: Any = dist.new_group(backend="gloo", timeout=LONGEST)
        self.watch = Watch(index, count, self.end)
        self.watch.begin()

    def losses(self, task: Task) -> Callable[[Any, Any], Losses]:
        """See :class:`Alone`. torch's DDP averages gradients while the backward pass still goes on."""
        on_gpu = [self.device.index] if self.device and self.device.type == "cuda" else None
        return DistributedDataParallel(_Loss(task), device_ids=on_gpu)

    def mean(self, losses: Losses) -> Losses:
        """See :class:`Alone`."""
        values = torch.stack([value.detach().float() for value in losses.values()])
        self.share.average_([values])
        return dict(zip(losses, values.unbind(), strict=True))

    def agreed(self, asked: Asked) -> Asked:
        """See :class:`Alone`."""
        own = asked if self.main else Asked(0.0, asked.stop, False, False, False)
        found = torch.tensor(own, dtype=torch.float64)
        dist.all_reduce(found, dist.ReduceOp.MAX, group=self.talk)
        elapsed, *wishes = found.tolist()
        return Asked(elapsed, *map(bool, wishes))

    def any_of(self, wish: bool) -> bool:
        """See :class:`Alone`."""
        found = torch.tensor(float(wish))
        dist.all_reduce(found, dist.ReduceOp.MAX, group=self.talk)
        return bool(found)

    def meet(self) -> None:
        """See :class:`Alone`."""
        dist.barrier(group=self.talk)

    def in_turn(self, work: Callable[[], None]) -> None:
        """See :class:`Alone`."""
        if self.main:
            work()
        self.meet()
        if not self.main:
            work()

    def prepared(self) -> None:
        """See :class:`Alone`."""
        if self.main:
            self._turns += 1
            self.watch.say(f"turn/{self._turns}")
        self.meet()

    def wait_turn(self) -> None:
        """See :class:`Alone`."""
        if not self.main:
            self._turns += 1
            self.watch.wait(f"turn/{self._turns}")

    def is_lost(self, error: BaseException) -> bool:
        """See :class:`Alone`."""
        return isinstance(error, dist.DistError) or (
            isinstance(error, RuntimeError) and any(word in str(error).lower() for word in BROKEN)
        )

    def mesh(self) -> Any:
        """All processes in a row, for FSDP."""
        return self._mesh

    def same(self, number: int) -> bool:
        """See :class:`Alone`."""
        found = torch.tensor([number, -number], dtype=torch.float64)
        dist.all_reduce(found, dist.ReduceOp.MAX, group=self.talk)
        return bool(found.sum() == 0)

    def end(self, line: str, code: int) -> None:
        """End this process at once, whatever it waits for, with a line for the reader unless it is empty."""
        if line:
            print(f"fromnoise: {one_line(line)}", file=self._voice, flush=True)
        os._exit(code)


class _Loss(nn.Module):
    """A task's losses as a module's forward pass, which is what DDP wraps."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.network, self._task = task.network, task

    def forward(self, batch: Any, clock: Any) -> Losses:
        return self._task.losses(batch, clock)


_HERE: Alone = Alone()


def here() -> Alone:
    """This process."""
    return _HERE


def launched() -> tuple[int, int]:
    """Which process this is of how many, as ``torchrun`` or ``accelerate launch`` says; (0, 1) without them."""
    index, count = os.environ.get("RANK", "0"), os.environ.get("WORLD_SIZE", "1")
    return (int(index), int(count)) if index.isdigit() and count.isdigit() else (0, 1)


def joined_state() -> Any:
    """accelerate's state of this process, which has joined the others: gloo on CPUs, nccl on GPUs.

    Raises:
        UserError: the packages for training are missing.
    """
    try:
        from accelerate import PartialState
    except ImportError as error:
        raise missing_packages("training needs more packages", "train") from error
    return PartialState(cpu=not torch.cuda.is_available())


def alone(what: str) -> None:
    """Refuse to be one of several processes.

    Raises:
        UserError: this is one.
    """
    if launched()[1] > 1:
        raise UserError(f"{what} is trained by one process: start it without torchrun and accelerate launch")


@contextmanager
def joined() -> Iterator[Alone]:
    """Train together with the processes that a launcher has started beside this one; alone, nothing happens.

    Processes but the first are silent, and never come out of this: they end with the first one.
    """
    global _HERE
    index, count = launched()
    if count < 2:
        yield _HERE
        return
    with contextlib.ExitStack() as stack:
        voice = sys.stderr
        if index:
            nowhere = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
            stack.enter_context(contextlib.redirect_stderr(nowhere))
        many = _HERE = Many(index, count, voice)
        try:
            with _first(many) if many.main else _following(many, voice):
                yield many
        finally:
            _HERE = Alone()


@contextmanager
def _first(many: Many) -> Iterator[None]:
    """The life of the first process; the others end with it."""
    code, missing = 2, 0
    try:
        yield
        code = 0
    except KeyboardInterrupt:
        code = 130
        raise
    except RuntimeError as error:
        if many.is_lost(error):
            _let_nobody_hurry()
            missing = 1
            raise UserError(many.watch.lost()) from error
        raise
    finally:
        many.watch.end_all(code, missing)
    dist.destroy_process_group()


@contextmanager
def _following(many: Many, voice: Any) -> Iterator[None]:
    """The life of another process. What goes wrong here alone is told by the first one."""
    try:
        many.wait_turn()
        yield
    except UserError as error:
        many.watch.say(f"failed/{many.index}", f"process {many.index + 1} ({socket.gethostname()}): {error}")
    except Exception as error:
        if many.is_lost(error):
            _let_nobody_hurry()
            many.watch.linger()
        traceback.print_exc(file=voice)
        many.watch.say(f"failed/{many.index}", f"process {many.index + 1} ({socket.gethostname()}) failed: {error}")
    except KeyboardInterrupt:
        pass
    many.watch.follow()


def _let_nobody_hurry() -> None:
    """A launcher that misses one process ends the others; within the seconds that this takes, they say why."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def check_shares(loops: dict[str, LoopConfig], tasks: tuple[str, ...]) -> None:
    """Refuse, before anything is written, what the processes beside this one cannot share.

    Raises:
        UserError: a batch that cannot be divided into equal parts, or whole matrices where weights are sharded.
    """
    count = here().share.of
    for task in tasks if count > 1 else ():
        if loops[task].batch % count:
            raise UserError(
                f"{task}.loop.batch = {loops[task].batch} has no equal parts for {count} processes: take a multiple of "
                f"{count}, or another number of processes"
            )
    if count > 1 and sharded() and "diffusion" in tasks and loops["diffusion"].optimizer == "muon":
        raise UserError(
            "FSDP cuts the U-Net's weights in parts, and Muon needs whole matrices: add "
            "--set diffusion.loop.optimizer=adamw, or leave FSDP out"
        )


def sharded() -> bool:
    """Whether accelerate's settings ask for FSDP (``accelerate launch --use_fsdp``, or ACCELERATE_USE_FSDP=true)."""
    return os.environ.get("ACCELERATE_USE_FSDP", "").lower() in TRUE
