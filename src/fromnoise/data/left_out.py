"""Lists of files with a sentence about each, such as why it was left out, for any program that reads CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import whole_file

LEFT_OUT = "left_out.csv"


def write_list(file: Path, pairs: Iterable[tuple[str, str]], columns: tuple[str, str] = ("file", "reason")) -> None:
    """Write pairs under two column names, in UTF-8; bytes of names that are no text are written as ``\\udc..``.

    Raises:
        UserError: the folder cannot be written, or the disk is full.
    """
    try:
        with whole_file(file) as draft, draft.open("w", encoding="utf-8", errors="backslashreplace", newline="") as to:
            csv.writer(to, lineterminator="\n").writerows((columns, *pairs))
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None
