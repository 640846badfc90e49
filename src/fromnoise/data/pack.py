"""One parquet file instead of thousands of small ones, to travel to another machine."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fromnoise.data.record import Record
from fromnoise.ground.errors import UserError, missing_packages
from fromnoise.ground.whole import whole_file


def pack(
    folder: Path | str, file: Path, styles: Iterable[str] = (), groups: Iterable[str] = ()
) -> tuple[int, list[tuple[str, str]]]:
    """Write a folder's pictures and captions into a parquet file that Hugging Face ``datasets`` also opens.

    Args:
        folder: what to pack, or "starter".
        file: the .parquet file.
        styles, groups: keep only these; nothing keeps all.

    Returns:
        The number of pictures, and (file, reason) of everything that was left out.

    Raises:
        UserError: nothing to pack, a suffix other than .parquet, or pyarrow is missing.
    """
    from fromnoise.data.pictures import FAILURES, decode, entries_of, reason, wanted

    if file.suffix != ".parquet":
        raise UserError(f"'{file}' should end in .parquet")
    if not os.access(file.parent, os.W_OK):  # false too where there is no such folder
        raise UserError(f"the folder '{file.parent}' does not exist or cannot be written to")
    entries, left_out = entries_of(folder)
    entries = [e for e in entries if wanted(e.record, None, styles or None, groups or None)]
    if not entries:
        raise UserError(f"{folder} has no pictures of these styles and groups")
    arrow, parquet = _pyarrow()
    columns: dict[str, list[Any]] = {f.name: [] for f in dataclasses.fields(Record)}
    images = []
    for entry in entries:
        try:
            data = entry.read()
            decode(data, 8)  # whether it is a picture at all
        except FAILURES as error:
            left_out.append((entry.record.file_name, reason(error)))
            continue
        images.append({"bytes": data, "path": entry.record.file_name})
        for name, value in entry.record.to_dict().items():
            columns[name].append(value)
    try:
        with whole_file(file) as draft:
            parquet.write_table(arrow.table({"image": images, **columns}), draft, compression="zstd")
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None
    return len(images), left_out


def unpack(file: Path) -> Iterator[tuple[Record, bytes]]:
    """The records of a packed file, each with its picture's bytes.

    Raises:
        UserError: the file is damaged or not ours, or pyarrow is missing.
    """
    _, parquet = _pyarrow()
    try:
        table = parquet.read_table(file)
    except Exception as error:  # pyarrow's errors have no common base
        raise UserError(f"{file} cannot be read as a packed data set: {error}") from None
    for row in table.to_pylist():
        image = row.pop("image", None)
        if not isinstance(image, dict) or image.get("bytes") is None:
            raise UserError(f"{file} has no 'image' column with pictures; was it made by: fromnoise data pack?")
        yield Record.from_dict({k: v for k, v in row.items() if v is not None}), image["bytes"]


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise missing_packages("packed data needs pyarrow", "train") from error
    return pyarrow, parquet
