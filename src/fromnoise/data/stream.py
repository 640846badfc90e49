"""A data set of the hub, brought over one picture after the other: for sets that are larger than the disk.

Pictures are made smaller on the way and kept in parquet files of a few hundred, which train as any other set does. The
head of each file says where the stream stood behind its last picture (the state of ``datasets``' own iterator), so a
call that was interrupted goes on behind the last whole file, and asks for nothing twice.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image
from rich.console import Console
from rich.progress import Progress, TextColumn

from fromnoise.data.begun import claim
from fromnoise.data.columns import captioned, picture_column
from fromnoise.data.decoding import reason
from fromnoise.data.left_out import LEFT_OUT, write_list
from fromnoise.data.pack import table_of
from fromnoise.data.packed import pyarrow
from fromnoise.data.record import Record, record_of
from fromnoise.data.saved import HUB, classes_named, hub_id, quiet_hub
from fromnoise.ground.errors import UserError, missing_packages, one_line
from fromnoise.ground.pictures import open_picture
from fromnoise.ground.whole import whole_file

ROWS, BYTES = 512, 2**26  # of a file, at most, about
STATE = b"fromnoise.stream"  # in the head of each file


@dataclass
class _Where:
    """Where a stream stands.

    Attributes:
        split: that is read, "" before the first.
        state: of its iterator; None at its beginning.
        rows: of that split that were read.
        kept: pictures in all files.
        done: nothing follows.
    """

    split: str = ""
    state: dict[str, Any] | None = None
    rows: int = 0
    kept: int = 0
    done: bool = False


@dataclass
class _Part:
    """What the next file will hold."""

    images: list[dict[str, Any]] = field(default_factory=list)
    records: list[Record] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    bytes: int = 0

    @property
    def full(self) -> bool:
        """Whether it is written now."""
        return len(self.images) + len(self.left_out) >= ROWS or self.bytes >= BYTES


def stream(place: str, folder: Path, side: int, limit: int = 0) -> tuple[int, list[tuple[str, str]]]:
    """Bring a data set over, or go on with it.

    Args:
        place: "hf:owner/name" or "hf:owner/name/configuration".
        folder: for the parquet files; ``left_out.csv`` in it names what cannot be used.
        side: the shorter side of larger pictures is made so many pixels; 0 leaves all as they are.
        limit: pictures at most; 0 takes all.

    Returns:
        How many pictures there are now, and (picture, reason) of what was left out.

    Raises:
        UserError: no such data set, no pictures in it, the hub cannot be reached, the folder holds something else or
            cannot be written, or packages are missing.
    """
    splits = _streams(place)
    claim(folder, {"stream": place, "side": side}, "--side, or of another data set")
    where, left_out = _begun(folder)
    before = where.kept
    with Progress(*Progress.get_default_columns()[:1], TextColumn("{task.completed:,} pictures"),
                  console=Console(stderr=True), transient=True) as progress:  # fmt: skip
        bar = progress.add_task(f"from {place}", total=None, completed=before)
        for part in _parts(splits, where, side, limit):
            _write(folder, part, where)
            left_out += part.left_out
            progress.update(bar, completed=where.kept)
    write_list(folder / LEFT_OUT, left_out)
    if not where.kept:
        first = f": {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise UserError(f"{place} holds no captioned pictures{first}")
    return where.kept, left_out


def _streams(place: str) -> dict[str, Any]:
    """The splits of a data set, not read yet."""
    try:
        import datasets
    except ImportError as error:
        raise missing_packages("data sets of the hub need datasets", "train") from error
    if not place.startswith(HUB):
        if Path(place).exists():
            raise UserError(f"'{place}' is here already: give it to train as it is; fetch takes {HUB}owner/name")
        raise UserError(f"'{place}' names no data set of the hub; write {HUB}owner/name")
    name, configuration = hub_id(place)
    quiet_hub()
    try:
        found = datasets.load_dataset(name, *configuration, streaming=True)
    except Exception as error:  # of a dozen kinds
        said = one_line(str(error) or type(error).__name__)[:160]
        raise UserError(
            f"the data set {name} cannot be opened ({said}): check its name and the connection, and run again"
        ) from None
    return dict(found) if isinstance(found, dict) else {"all": found}


def _parts(splits: dict[str, Any], where: _Where, side: int, limit: int) -> Iterator[_Part]:
    """Files' worth of pictures from where the stream stands; ``where`` tells how far it is with each."""
    if where.done or (limit and where.kept >= limit):
        return
    names = list(splits)
    for name in names[names.index(where.split) if where.split in names else 0 :]:
        if name != where.split:
            where.split, where.state, where.rows = name, None, 0
        data, column = _opened(splits[name], name)
        if where.state is not None:
            data.load_state_dict(where.state)
        part, rows = _Part(), iter(data)
        for row in _safely(rows, name):
            where.rows += 1
            row = classes_named(row, data.features)
            _take(part, row, column, f"{name} {where.rows}", "" if name == "all" else name, side)
            enough = bool(limit) and where.kept + len(part.images) >= limit
            if part.full or enough:
                where.kept += len(part.images)
                where.state = data.state_dict()
                yield part
                part = _Part()
            if enough:
                return
        last = name == names[-1]
        if part.images or part.left_out or last:
            where.kept += len(part.images)
            where.state, where.done = data.state_dict(), last
            if part.images or part.left_out:
                yield part


def _safely(rows: Iterator[Any], name: str) -> Iterator[Any]:
    """Rows, until the connection breaks."""
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except Exception as error:  # of a dozen kinds
            said = one_line(str(error) or type(error).__name__)[:160]
            raise UserError(f"the stream of {name} broke off ({said}); run the same command again to go on") from None
        yield row


def _opened(data: Any, name: str) -> tuple[Any, str]:
    """A stream whose pictures come as files, and the name of their column."""
    from datasets import Image as Pictures

    data = data if data.features is not None else data._resolve_features()
    column = picture_column(data.features)
    if column is None:
        raise UserError(f"{name} has no column with pictures, such as 'image'; it has {', '.join(data.features)}")
    if isinstance(data.features[column], Pictures):
        data = data.cast_column(column, Pictures(decode=False))
    return data, column


def _take(part: _Part, row: dict[str, Any], column: str, name: str, split: str, side: int) -> None:
    """Add a row to a file, or name it with the reason why not."""
    image = row.pop(column)
    inner, data = (image.get("path"), image.get("bytes")) if isinstance(image, dict) else (None, image)
    facts = captioned(row)
    name = str(facts.get("file_name") or (os.path.basename(inner) if inner else "") or name)
    try:
        if not isinstance(data, bytes):
            raise ValueError("the row has no picture")
        if facts.get("text") is None:
            raise ValueError("it has no caption: there is no text in a column called text, caption or prompt")
        record = record_of({**facts, "file_name": name, "split": facts.get("split") or split})
        data = smaller(data, side)
    except (OSError, ValueError, TypeError, UserError) as error:
        part.left_out.append((name, reason(error, name)))
        return
    part.images.append({"bytes": data, "path": name})
    part.records.append(record)
    part.bytes += len(data)


def smaller(data: bytes, side: int) -> bytes:
    """A picture file whose shorter side has at most so many pixels: the file as it is, or a PNG; 0 leaves all.

    Raises:
        PictureError: it cannot be used.
    """
    picture = open_picture(data)
    if not side or min(picture.size) <= side:
        return data
    scale = side / min(picture.size)
    size = tuple(max(1, round(scale * length)) for length in picture.size)
    buffer = io.BytesIO()
    # Half-transparent pixels are scaled with their colours multiplied in, as Pillow does it for this mode.
    mode = {"RGBA": "RGBa"}.get(picture.mode, picture.mode)
    small = picture.convert(mode).resize((size[0], size[1]), Image.Resampling.LANCZOS)
    small.convert(picture.mode).save(buffer, "PNG")
    return buffer.getvalue()


def _write(folder: Path, part: _Part, where: _Where) -> None:
    """Write the next file, with where the stream stands behind it."""
    arrow, parquet = pyarrow()
    head = {"where": vars(where), "left_out": part.left_out}
    table = table_of(arrow, part.images, part.records)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), STATE: json.dumps(head).encode()})
    try:
        with whole_file(folder / f"{len(_files(folder)):05d}.parquet") as draft:
            parquet.write_table(table, draft, compression="zstd", row_group_size=64)
    except OSError as error:
        raise UserError(
            f"cannot write into {folder}: {error.strerror or error}; free some space and run again"
        ) from None


def _begun(folder: Path) -> tuple[_Where, list[tuple[str, str]]]:
    """Where an earlier call stopped, and what it left out."""
    _, parquet = pyarrow()
    where, left_out = _Where(), []
    for file in _files(folder):
        try:
            head = json.loads(parquet.read_schema(file).metadata[STATE])
            where = _Where(**head["where"])
            left_out += [(name, why) for name, why in head["left_out"]]
        except Exception as error:  # pyarrow's errors have no common base
            raise UserError(f"{file} is damaged ({one_line(str(error))[:80]}); remove it and those after it") from None
    return where, left_out


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9]*.parquet"))
