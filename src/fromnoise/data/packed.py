"""Packed data sets: pictures and captions in one parquet file, as :mod:`fromnoise.data.pack` writes them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fromnoise.data.record import Found, record_of
from fromnoise.ground.errors import UserError, missing_packages

DRAWINGS_FILE = "drawings.parquet"  # a packed file of drawings, which are no pictures yet


def read_packed(file: Path) -> Found:
    """All pictures of a packed file, not decoded, and what is left out.

    Raises:
        UserError: the file is damaged or not ours, holds nothing that can be used, or pyarrow is missing.
    """
    _, parquet = pyarrow()
    try:
        table = parquet.read_table(file)
    except Exception as error:  # pyarrow's errors have no common base
        raise UserError(f"{file} cannot be read as a packed data set: {error}") from None
    found = Found()
    for number, row in enumerate(table.to_pylist(), 1):
        image = row.pop("image", None)
        if not isinstance(image, dict) or image.get("bytes") is None:
            raise UserError(f"{file} has no 'image' column with pictures; was it made by: fromnoise data pack?")
        name = str(row.get("file_name") or image.get("path") or f"row {number}")
        try:
            found.add(row, record_of({**row, "file_name": name}), image["bytes"])
        except (ValueError, TypeError, UserError) as error:
            found.left_out.append((name, str(error)[:200]))
    if not found.entries:
        first = next((f": {name}: {reason}" for name, reason in found.left_out), "")
        raise UserError(f"{file} holds no captioned pictures{first}")
    return found


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
