"""Standard input, output and error as commands can rely on them: there, and never a reason to stop the work.

A shell can start a command without them (``fromnoise generate ... >&-``), and whoever reads the output can leave
(``fromnoise train ... | head -1``). Neither is a fault of what is drawn or trained: what nobody reads is dropped.
"""

from __future__ import annotations

import io
import os
import stat
import sys
from typing import TextIO


class Forgiving(io.FileIO):
    """A stream that drops what can no longer be written.

    Args:
        number: of the stream, 1 or 2; it stays open when this is closed.
        forgiven: errors after which everything is dropped.
    """

    def __init__(self, number: int, forgiven: type[OSError]) -> None:
        super().__init__(number, "w", closefd=False)
        self._forgiven = forgiven

    def write(self, data) -> int:  # type: ignore[no-untyped-def, override]  # any buffer, as FileIO takes it
        """Write, or drop; see :class:`io.FileIO`."""
        try:
            return super().write(data)
        except self._forgiven:
            to_nowhere(self.fileno())
            return len(data)


def is_passed_on(number: int) -> bool:
    """Whether what an open stream says goes to a terminal, a pipe or nowhere, none of which is on a disk."""
    mode = os.fstat(number).st_mode
    same = os.path.samestat(os.fstat(number), os.stat(os.devnull))
    return os.isatty(number) or stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or same


def to_nowhere(number: int) -> None:
    """Let an open stream write to nowhere from now on."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)


def hold() -> None:
    """Open what the shell left closed, so that no file takes its number, and forgive readers that leave.

    Standard output forgives only that: a full disk behind it is told. Standard error has nobody to tell.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
    sys.stdin = sys.stdin or open(os.devnull)  # noqa: SIM115  # for as long as the process lives
    sys.stdout = _held(sys.stdout, sys.__stdout__, 1, BrokenPipeError)
    sys.stderr = _held(sys.stderr, sys.__stderr__, 2, OSError)


def _held(stream: TextIO | None, first: TextIO | None, number: int, forgiven: type[OSError]) -> TextIO:
    """The same stream, forgiving; one that somebody has put in its place, as tests do, is left alone."""
    if stream is None:
        return open(os.devnull, "w", encoding="utf-8")
    if stream is not first or not isinstance(stream, io.TextIOWrapper):
        return stream
    raw = getattr(stream.buffer, "raw", stream.buffer)
    if type(raw) is not io.FileIO:  # a Windows console, which writes in a way of its own
        return stream
    stream.flush()
    own = Forgiving(number, forgiven)
    return io.TextIOWrapper(
        own if stream.write_through else io.BufferedWriter(own),  # type: ignore[arg-type]
        stream.encoding,
        stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
