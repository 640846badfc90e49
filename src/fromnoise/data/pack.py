"""One parquet file instead of thousands of small ones, to travel to another machine."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fromnoise.data.packed import pyarrow
from fromnoise.data.pictures import entries_of, reason, wanted
from fromnoise.data.record import Record
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import PictureError, open_picture
from fromnoise.ground.text import is_unicode
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
        UserError: nothing to pack or no picture that can be read, a suffix other than .parquet, or pyarrow is missing.
    """
    if file.suffix.lower() != ".parquet":
        raise UserError(f"'{file}' should end in .parquet")
    if not os.access(file.parent, os.W_OK):  # false too where there is no such folder
        raise UserError(f"the folder '{file.parent}' does not exist or cannot be written to")
    found = entries_of(folder)
    left_out = list(found.left_out)
    entries = [e for e in found.entries if wanted(e.record, None, styles or None, groups or None)]
    if not entries:
        raise UserError(f"{folder} has no pictures of these styles and groups")
    arrow, parquet = pyarrow()
    images, records = [], []
    for entry in entries:
        try:
            data = entry.read()
            open_picture(data)  # whether it is a picture at all
        except (OSError, PictureError) as error:
            left_out.append((entry.record.file_name, reason(error, entry.record.file_name)))
            continue
        if not is_unicode(entry.record.file_name):
            left_out.append((entry.record.file_name, "its name is not valid UTF-8; rename it"))
            continue
        images.append({"bytes": data, "path": entry.record.file_name})
        records.append(entry.record)
    if not images:
        name, why = left_out[len(found.left_out)]  # the first that was to be packed
        raise UserError(f"{folder} has no picture that can be packed: {name}: {why}")
    try:
        with whole_file(file) as draft:
            parquet.write_table(table_of(arrow, images, records), draft, compression="zstd")
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None
    return len(images), left_out


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
