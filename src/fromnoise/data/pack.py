"""One parquet file instead of thousands of small ones, to travel to another machine."""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fromnoise.data.decoding import reason
from fromnoise.data.packed import pyarrow
from fromnoise.data.pictures import wanted
from fromnoise.data.places import entries_of
from fromnoise.data.record import Entry, Record
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import open_picture
from fromnoise.ground.whole import whole_file

ROWS = 256  # pictures that are held in memory, and lie together in the file


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
        UserError: nothing to pack or no picture that can be read, a suffix other than .parquet, or pyarrow is missing.
    """
    if file.suffix.lower() != ".parquet":
        raise UserError(f"'{file}' should end in .parquet")
    if not os.access(file.parent, os.W_OK):  # false too where there is no such folder
        raise UserError(f"the folder '{file.parent}' does not exist or cannot be written to")
    found = entries_of(folder)
    entries = [e for e in found.entries if wanted(e.record, None, styles or None, groups or None)]
    if not entries:
        raise UserError(f"{folder} has no pictures of these styles and groups")
    arrow, parquet = pyarrow()
    refused: list[tuple[str, str]] = []
    count, rows = 0, _packable(entries, refused)
    try:
        with whole_file(file) as draft:
            with contextlib.ExitStack() as opened:
                writer = None
                while some := list(itertools.islice(rows, ROWS)):
                    table = table_of(arrow, [image for image, _ in some], [record for _, record in some])
                    if writer is None:
                        writer = opened.enter_context(parquet.ParquetWriter(draft, table.schema, compression="zstd"))
                    writer.write_table(table)
                    count += len(some)
            if not count:
                raise UserError(f"{folder} has no picture that can be packed: {refused[0][0]}: {refused[0][1]}")
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None
    return count, [*found.left_out, *refused]


def _packable(entries: list[Entry], refused: list[tuple[str, str]]) -> Iterator[tuple[dict[str, Any], Record]]:
    """Pictures as {"bytes", "path"} with their records; those that cannot be packed are added to ``refused``."""
    for entry in entries:
        name = entry.record.file_name
        try:
            data = entry.read()
            open_picture(data)  # whether it is a picture at all
            yield {"bytes": data, "path": name}, entry.record
        except (OSError, ValueError) as error:
            refused.append((name, reason(error, name)))


def table_of(arrow: Any, images: list[dict[str, Any]], records: list[Record]) -> Any:
    """A table of pictures, each {"bytes", "path"}, and all that their records know; empty columns keep their type."""
    facts = [record.to_dict() for record in records]
    lists, text = arrow.list_(arrow.string()), arrow.string()
    columns = {
        field.name: arrow.array([f[field.name] for f in facts], lists if "tuple" in str(field.type) else text)
        for field in dataclasses.fields(Record)
    }
    kind = arrow.struct([("bytes", arrow.binary()), ("path", text)])
    return arrow.table({"image": arrow.array(images, kind), **columns})
