"""Some of the world's endless pictures as a packed data set, which ``fromnoise train`` opens as any other."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.progress import track

from fromnoise.data.pack import table_of
from fromnoise.data.packed import pyarrow
from fromnoise.data.record import HELD_OUT, Record
from fromnoise.data.world.choose import World, WorldMix
from fromnoise.data.world.drawing import Drawing
from fromnoise.data.world.stream import WorldStream, world_stream
from fromnoise.ground.errors import UserError
from fromnoise.ground.whole import whole_file

TESTS = {"test_pair": HELD_OUT, "test_concept": "test_concept", "combinations": HELD_OUT}  # and what records call them
TEST_SHARE = 0.01  # of each, beside what is trained on
AT_ONCE = 32


def pack_world(
    drawings: list[Drawing], file: Path, stream: WorldStream, count: int, mix: WorldMix | None = None
) -> tuple[int, int]:
    """Write the first pictures of a seed, and one in a hundred more of each kind that is held out, at constant memory.

    Args:
        drawings: what the world is made of.
        file: the .parquet file.
        stream: size, seed and workers.
        count: pictures to learn from.
        mix: how often which kind comes.

    Returns:
        Pictures to learn from, and pictures for tests. Kinds that these drawings hold nothing of are left out.

    Raises:
        UserError: another suffix than .parquet, a folder that cannot be written to, a full disk, no pictures, or no
            pyarrow.
    """
    if file.suffix.lower() != ".parquet":
        raise UserError(f"'{file}' should end in .parquet")
    if not os.access(file.parent, os.W_OK):
        raise UserError(f"the folder '{file.parent}' does not exist or cannot be written to")
    if count < 1:
        raise UserError(f"--count must be 1 or more, not {count}")
    arrow, parquet = pyarrow()
    wanted = {"train": count, **dict.fromkeys(TESTS, max(1, round(TEST_SHARE * count)))}
    written = dict.fromkeys(wanted, 0)
    try:
        with whole_file(file) as draft:
            writer = None
            for split, rows in _batches(drawings, wanted, stream, mix):
                images = [{"bytes": data, "path": record.file_name} for data, record in rows]
                table = table_of(arrow, images, [record for _, record in rows])
                if writer is None:
                    writer = parquet.ParquetWriter(draft, table.schema, compression="zstd")
                writer.write_table(table)
                written[split] += len(rows)
            if writer is not None:
                writer.close()
    except OSError as error:
        raise UserError(f"cannot write {file}: {error.strerror or error}") from None
    return written["train"], sum(written.values()) - written["train"]


def _batches(
    drawings: list[Drawing], wanted: dict[str, int], stream: WorldStream, mix: WorldMix | None
) -> Iterator[tuple[str, list[tuple[bytes, Record]]]]:
    """Pictures as PNG with their records, batch by batch, of every split that the drawings have."""
    for split, count in wanted.items():
        try:
            world = World(drawings, mix, split)
            world.choose(stream.seed, 0)
        except UserError:
            if split == "train":
                raise
            continue
        with contextlib.closing(world_stream(world, dataclasses.replace(stream, batch=AT_ONCE))) as batches:
            for first in track(range(0, count, AT_ONCE), split, console=Console(stderr=True), transient=True):
                batch = next(batches)
                rows = [
                    (_png(image), _named(record, split, stream.seed, first + i))
                    for i, (image, record) in enumerate(zip(batch.images.numpy(), batch.records, strict=True))
                ]
                yield split, rows[: count - first]


def _png(image: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image.transpose(1, 2, 0)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _named(record: Record, split: str, seed: int, number: int) -> Record:
    name = f"{split}-{seed}-{number:07d}.png"
    return dataclasses.replace(record, file_name=name, split=TESTS.get(split, record.split))
