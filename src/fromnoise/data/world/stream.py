"""Pictures of the world without end: worker processes render ahead while others learn from what is ready.

Batch ``n`` holds the pictures ``n·B … n·B + B − 1`` of a seed and is the same whatever the number of workers. Memory is
constant: each worker holds the drawings and a bounded memory of their looks, and renders a few batches ahead.
"""

from __future__ import annotations

import itertools
import signal
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fromnoise.data.record import Record
from fromnoise.data.world.captions import WorldCaptions, caption, exact
from fromnoise.data.world.choose import World
from fromnoise.data.world.description import Description
from fromnoise.data.world.paint import paint
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError


@dataclass(frozen=True)
class WorldStream(Config):
    """How pictures come.

    Attributes:
        pixels: side of the pictures.
        batch: pictures at once.
        seed: of the endless row of pictures.
        start: number of the first batch, to go on where a run ended.
        alpha: with a fourth channel, how much of each pixel is filled; the first three stay as seen on white.
        workers: processes that render ahead; 0 renders in this one.
        ahead: batches that each worker has ready at most.
    """

    pixels: int = 128
    batch: int = 32
    seed: int = 0
    start: int = 0
    alpha: bool = False
    workers: int = 1
    ahead: int = 2

    def __post_init__(self) -> None:
        if not (8 <= self.pixels <= 2048 and self.batch > 0 and self.start >= 0):
            raise UserError(
                f"pictures of the world have 8…2048 pixels a side, not {self.pixels}; a batch has 1 or more of them, "
                "and the first has number 0 or more"
            )
        if self.workers < 0 or self.ahead < 1:
            raise UserError("a world's stream needs 0 or more workers, each 1 or more batches ahead")


@dataclass(frozen=True)
class WorldBatch:
    """Some pictures.

    Attributes:
        number: of the batch.
        images: uint8 [B,3,P,P], on white where there is no ground; or [B,4,P,P] with alpha.
        captions: one for each.
        records: what is known about each, as of other training pictures; ``text`` says everything.
        descriptions: what each shows.
    """

    number: int
    images: Tensor
    captions: list[str]
    records: list[Record]
    descriptions: list[Description]


def world_stream(world: World, stream: WorldStream, captions: WorldCaptions | None = None) -> Generator[WorldBatch]:
    """Batches of the world without end, in order. Closing the iterator, or Ctrl-C, ends the workers.

    Args:
        world: what is drawn.
        stream: size, seed and workers.
        captions: how the pictures are asked for.
    """
    batches = _Batches(world, stream, captions or WorldCaptions())
    loader: DataLoader[dict[str, Any] | UserError] = DataLoader(
        batches,
        batch_size=None,
        sampler=itertools.count(stream.start),  # type: ignore[arg-type]
        num_workers=stream.workers,
        collate_fn=_as_it_is,
        prefetch_factor=stream.ahead if stream.workers else None,
        worker_init_fn=_deaf,
        # A fork of a process that computes with threads may hang; a fresh one costs a second or two once.
        multiprocessing_context="spawn" if stream.workers else None,
    )
    for found in loader:
        if isinstance(found, UserError):
            raise found
        yield WorldBatch(**{**found, "images": torch.from_numpy(found["images"])})


def picture_batch(world: World, stream: WorldStream, number: int, captions: WorldCaptions) -> WorldBatch:
    """Batch ``number``, drawn here and now."""
    first = number * stream.batch
    described = [world.choose(stream.seed, i) for i in range(first, first + stream.batch)]
    painted = [paint(world, d, stream.pixels) for d in described]
    images = np.stack([p.rgba() if stream.alpha else p.picture for p in painted]).transpose(0, 3, 1, 2)
    return WorldBatch(
        number, torch.from_numpy(np.ascontiguousarray(images)), [caption(d, captions) for d in described],
        [record_of_description(world, d) for d in described], described,
    )  # fmt: skip


def record_of_description(world: World, described: Description) -> Record:
    """What is known about a picture of the world, as a record of training data; all authors are credited."""
    drawings = [world.drawings[thing.drawing] for thing in described.things]
    first, one = drawings[0], len(drawings) == 1
    text = exact(described)
    style = described.styles[0] if len(described.styles) == 1 else ""
    colours = tuple(dict.fromkeys(t.colour or t.own_colour for t in described.things if t.colour or t.own_colour))
    return Record(
        file_name="",
        text=text.removesuffix(f", {style} style") if style else text,
        keywords=described.things[0].keywords if one else (),
        style=style,
        key=first.key if one else f"several: {text}",
        group=first.group if one else "",
        subgroup=first.subgroup if one else "",
        colours=colours,
        licence=", ".join(sorted({d.licence for d in drawings if d.licence})),
        author=", ".join(sorted({d.author for d in drawings if d.author})),
        split="train" if world.split == "train" else "test_pair" if world.split == "combinations" else world.split,
    )


class _Batches(Dataset[dict[str, Any] | UserError]):
    """The world as a row of batches. What a worker raises reaches a person with all of its traceback, so a sentence for
    people is handed over as a value.

    Pictures are handed over as arrays: a worker that ends while its thread is handing over a tensor can die in torch's
    C++ ("terminate called without an active exception"), and a frightening traceback follows.
    """

    def __init__(self, world: World, stream: WorldStream, captions: WorldCaptions) -> None:
        self._world, self._stream, self._captions = world, stream, captions

    def __getitem__(self, number: int) -> dict[str, Any] | UserError:
        try:
            batch = picture_batch(self._world, self._stream, number, self._captions)
            return {**vars(batch), "images": batch.images.numpy()}
        except UserError as error:
            return error


def _deaf(worker: int) -> None:
    """A terminal sends Ctrl-C to workers too; they would die of it before whoever waits for them could save. That one
    ends them.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _as_it_is(batch: Any) -> Any:
    return batch
