"""Packed data sets: pictures and captions in parquet files, as :mod:`fromnoise.data.pack` or others write them.

Captions are read at once and pictures one by one when they are asked for, so that a file may be larger than memory.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fromnoise.data.columns import captioned, picture_column
from fromnoise.data.record import Found, Source, record_of, stamp_of
from fromnoise.ground.errors import UserError, missing_packages

DRAWINGS_FILE = "drawings.parquet"  # a packed file of drawings, which are no pictures yet
AT_ONCE = 64  # rows


def read_packed(file: Path) -> Found:
    """All pictures of a packed file, not decoded, and what is left out.

    Raises:
        UserError: the file is damaged or no data set, holds nothing that can be used, or pyarrow is missing.
    """
    found = Found()
    add_packed(file, file.parent, found)
    return found.or_nothing(file)


def add_packed(file: Path, folder: Path, found: Found, split: str = "") -> None:
    """Take in all pictures of a packed file.

    Args:
        file: to read.
        folder: that pictures without names are named from.
        found: takes them in.
        split: of rows that name none.

    Raises:
        UserError: the file is damaged or no data set, or pyarrow is missing.
    """
    _, parquet = pyarrow()
    try:
        with parquet.ParquetFile(file) as opened:
            column = picture_column(opened.schema_arrow.names)
            if column is None or _bytes_path(opened.schema_arrow.field(column).type) is None:
                raise UserError(
                    f"{file} has no column 'image' with pictures in it; was it made by: fromnoise data pack?"
                )
            rows = _facts(opened, column)
            for number, (facts, path) in enumerate(rows):
                name = str(facts.get("file_name") or path or f"{file.relative_to(folder).as_posix()} row {number + 1}")
                take(found, {**facts, "split": facts.get("split") or split}, name, PackedPicture(file, column, number))
    except UserError:
        raise
    except Exception as error:  # pyarrow's errors have no common base
        raise UserError(f"{file} cannot be read as a packed data set: {error}") from None


def take(found: Found, facts: dict[str, Any], name: str, source: Source) -> None:
    """Take in a picture of a table by what its row says, or name it with the reason why not.

    Args:
        found: takes it in.
        facts: columns of the row.
        name: of the picture.
        source: where it is read from.
    """
    facts = {**captioned(facts), "file_name": name}
    try:
        if facts.get("text") is None:
            raise ValueError("it has no caption: there is no text in a column called text, caption or prompt")
        found.add(facts, record_of(facts), source)
    except (ValueError, TypeError, UserError) as error:
        found.left_out.append((name, str(error)[:200]))


@dataclass(frozen=True)
class PackedPicture:
    """A picture in a row of a parquet file; pictures that are read in their order are read as one stream.

    Attributes:
        file, column, row: where it is.
    """

    file: Path
    column: str
    row: int

    def read_bytes(self) -> bytes:
        """The picture file's bytes."""
        try:
            return _reader(self.file, self.column, stamp_of(self.file), os.getpid()).at(self.row)
        except (OSError, ValueError):
            raise
        except Exception as error:  # pyarrow's errors have no common base
            raise ValueError(f"its row cannot be read: {error}") from None

    def stamp(self) -> str:
        """Changes when the file does."""
        return f"{stamp_of(self.file)} {self.row}"


class _Reader:
    """Reads the pictures of one column, forward as a stream; a step back begins again with that row's group.

    Pages are read as they are needed, since a file may hold all of its pictures in one group.
    """

    def __init__(self, file: Path, column: str) -> None:
        _, parquet = pyarrow()
        self._file = parquet.ParquetFile(file, buffer_size=1 << 20, pre_buffer=False)
        self._path = _bytes_path(self._file.schema_arrow.field(column).type) or ""
        self._column = column
        groups = (self._file.metadata.row_group(i).num_rows for i in range(self._file.num_row_groups))
        self._starts = [0, *itertools.accumulate(groups)]
        self._rows: Iterator[Any] = iter(())
        self._first = self._starts[-1]
        self._part: Any = []

    def at(self, row: int) -> bytes:
        """The bytes of a row's picture."""
        group = bisect.bisect_right(self._starts, row) - 1
        if row < self._first or self._starts[group] > self._first + len(self._part):
            self._first, self._part = self._starts[group], []
            columns = [f"{self._column}{self._path}"]
            self._rows = self._file.iter_batches(AT_ONCE, range(group, self._file.num_row_groups), columns)
        while row >= self._first + len(self._part):
            self._first += len(self._part)
            self._part = _plain(next(self._rows).column(0), self._path)
        data = self._part[row - self._first].as_py()
        if data is None:
            raise ValueError("the row has no picture")
        return bytes(data)


@functools.lru_cache(maxsize=4)
def _reader(file: Path, column: str, stamp: str, process: int) -> _Reader:
    """A reader that is kept for the next row, by this process alone: what it has open is not to be shared by a fork."""
    return _Reader(file, column)


def _plain(column: Any, path: str) -> Any:
    return column.field(path[1:]) if path else column


def _bytes_path(kind: Any) -> str | None:
    """Where in a column of this type the bytes are: ".bytes", as Hugging Face ``datasets`` writes pictures, "" where
    the column holds them itself; None where it holds none."""
    arrow, _ = pyarrow()
    types = arrow.types
    if types.is_struct(kind):
        return ".bytes" if kind.get_field_index("bytes") >= 0 and _is_binary(types, kind.field("bytes").type) else None
    return "" if _is_binary(types, kind) else None


def _is_binary(types: Any, kind: Any) -> bool:
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _facts(opened: Any, column: str) -> Iterator[tuple[dict[str, Any], str]]:
    """What each row of an open file says beside its picture, and the picture's own path or ""."""
    kind = opened.schema_arrow.field(column).type
    path = f"{column}.path" if _bytes_path(kind) and kind.get_field_index("path") >= 0 else ""
    names = [name for name in opened.schema_arrow.names if name != column]
    for batch in opened.iter_batches(1024, columns=[*names, *([path] if path else [])]):
        for row in batch.to_pylist():
            image = row.pop(column, None) or {}
            yield row, str(image.get("path") or "")


def pyarrow() -> tuple[Any, Any]:
    """The packages pyarrow and pyarrow.parquet.

    Raises:
        UserError: they are not installed.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise missing_packages("packed data needs pyarrow", "train") from error
    return pyarrow, parquet
