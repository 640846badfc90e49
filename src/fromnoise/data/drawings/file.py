"""Drawings to files; :func:`fromnoise.data.world.drawing.read_drawings` reads them."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

from fromnoise.data.packed import pyarrow
from fromnoise.data.world.drawing import Drawing, read_drawings
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import whole_file

_LISTS = ("alt", "keywords", "attributes", "colours")


def write_file(file: Path, drawings: list[Drawing]) -> None:
    """Write drawings to one parquet file, whole or not at all; equal drawings make equal bytes.

    Raises:
        UserError: the disk is full, or pyarrow is missing.
    """
    pa, parquet = pyarrow()
    kinds = {"box": pa.list_(pa.float64()), "picture": pa.binary(), **dict.fromkeys(_LISTS, pa.list_(pa.string()))}
    columns = {
        f.name: pa.array([getattr(d, f.name) for d in drawings], kinds.get(f.name, pa.string()))
        for f in fields(Drawing)
    }
    try:
        with whole_file(file) as draft:
            parquet.write_table(pa.table(columns), draft, compression="zstd")
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None


def read_set(file: Path) -> list[Drawing]:
    """The drawings of one set, which may be none.

    Raises:
        UserError: the file is damaged.
    """
    _, parquet = pyarrow()
    try:
        if parquet.read_metadata(file).num_rows == 0:
            return []
    except Exception as error:  # pyarrow's errors have no common base
        raise UserError(f"{file} is damaged ({str(error)[:80]}); delete it and run this again") from None
    return read_drawings(file)
