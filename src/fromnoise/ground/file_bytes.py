"""Whole files that somebody named, read into memory: never a device or a pipe, which may have no end."""

from __future__ import annotations

import stat
from pathlib import Path

from fromnoise.ground.errors import UserError

MOST_BYTES = 256 * 2**20  # of a picture's file
MOST_TEXT = 64 * 2**20  # of a list of prompts, a key, a certificate


def bytes_of(file: Path, most: int = MOST_BYTES, pipe: bool = False) -> bytes:
    """The bytes of a file that somebody named.

    Args:
        file: which.
        most: bytes that it may have.
        pipe: it may also be a pipe, as ``<(…)`` and ``/dev/stdin`` are.

    Raises:
        UserError: it is not there, no regular file, larger than that, or cannot be read.
    """
    try:
        stats = file.stat()
        if stat.S_ISDIR(stats.st_mode):
            raise UserError(f"{file} is a folder; name the files in it")
        if not stat.S_ISREG(stats.st_mode) and not (pipe and stat.S_ISFIFO(stats.st_mode)):
            raise UserError(f"{file} is a device or a pipe, not a file with an end; save it into a file first")
        if stats.st_size > most:
            raise UserError(f"{file} has {stats.st_size / 2**20:,.0f} MiB; at most {most >> 20} MiB are read")
        with file.open("rb") as source:
            data = source.read(most + 1)  # it may have grown, or be larger than it says, as those of /proc are
    except FileNotFoundError:
        raise UserError(f"there is no file {file}") from None
    except OSError as error:
        raise UserError(f"cannot read {file}: {error.strerror or error}") from None
    if len(data) > most:
        raise UserError(f"{file} has more than {most >> 20} MiB; at most that is read")
    return data
