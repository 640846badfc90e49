"""Latents of the endless world for a U-Net: a pool of the newest pictures, renewed while training goes on.

Drawing a picture of the world and encoding it costs less than half of what learning from it once does
(``benchmarks/world.py``), so each is kept for a while and seen a few times. The pool is cut into shards of equal size.
At every moment of the run's clock it holds certain ones, and a shard is a pure function of its number: so a run that
was killed goes on with the same pictures. Shards are files in the run's folder; older ones are deleted, missing ones
made again, and disk and memory stay constant.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from fromnoise.data.world import World, WorldBatch, WorldStream, world_stream
from fromnoise.data.world.captions import caption
from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.whole import whole_file
from fromnoise.training.clock import Clock
from fromnoise.training.processes import here
from fromnoise.training.tasks.base import Compute
from fromnoise.training.tasks.vae import encode_all
from fromnoise.training.world_config import AT_ONCE, WorldConfig


@dataclass(frozen=True, eq=False)
class Shard:
    """Some pictures: latents float16 [N,C,h,w], and the wordings of each."""

    latents: Tensor
    captions: list[list[str]]


@dataclass(frozen=True, eq=False)
class Maker:
    """Makes shards.

    Attributes:
        world: what is drawn.
        config: sizes of the pool, and how pictures are asked for.
        pixels: side of the pictures.
        seed: of the endless row of pictures.
        vae: encodes; white already.
        compute: where.
        stamp: names the drawings and the VAE's weights, so that shards of others are made again.
    """

    world: World
    config: WorldConfig
    pixels: int
    seed: int
    vae: Any
    compute: Compute
    stamp: str

    def name(self) -> str:
        """16 hex digits that tell shards of the same pictures and latents from others."""
        config = self.config
        told = [config.mix.to_dict(), config.captions.to_dict(), config.shard, config.wordings]
        asked = json.dumps([self.stamp, self.pixels, self.seed, *told], sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()[:16]

    def batches(self, shard: int) -> Generator[WorldBatch]:
        """The world from the first picture of a shard on, without end."""
        workers = self.config.drawing_processes()
        start = shard * self.config.shard // AT_ONCE
        stream = WorldStream(self.pixels, AT_ONCE, self.seed, start, workers=workers, ahead=self.config.ahead)
        return world_stream(self.world, stream, self.config.captions)

    def make(self, batches: Iterator[WorldBatch]) -> Shard:
        """The next pictures, encoded."""
        parts, captions = [], []
        for _ in range(self.config.shard // AT_ONCE):
            batch = next(batches)
            parts.append(encode_all(self.vae, batch.images, self.compute).half().cpu())
            for described in batch.descriptions:
                wordings = range(self.config.wordings)
                captions.append([caption(described, self.config.captions, again) for again in wordings])
        return Shard(torch.cat(parts), captions)


class WorldExamples:
    """The pool: latents and captions of the newest pictures, for every step of the clock.

    Args:
        folder: for the shards; made where it is missing.
        maker: makes them.
        console: is told while pictures are made.
    """

    def __init__(self, folder: Path, maker: Maker, console: Console | None = None) -> None:
        self.folder, self.maker, self._name = folder, maker, maker.name()
        self._console = console or Console(stderr=True)
        self._shards: dict[int, Shard] = {}
        self._coming: tuple[int, Generator[WorldBatch]] | None = None  # the shard that the open stream makes next
        folder.mkdir(parents=True, exist_ok=True)

    @property
    def shape(self) -> torch.Size:
        """Of one picture's latents, [C,h,w]."""
        if not self._shards:
            self._shards[0] = self._shard(0)
        return next(iter(self._shards.values())).latents.shape[1:]

    def at(self, clock: Clock, device: torch.device) -> tuple[Tensor, list[str]]:
        """Clean latents of this step, float32 [B,C,h,w], and a caption for each.

        Pictures that the clock asks for and that are not there yet are made first.

        Raises:
            UserError: the disk is full.
        """
        config = self.maker.config
        window = config.window(clock.pictures)
        self._have(window)
        rng = clock.generator("order")
        places = torch.randint(len(window) * config.shard, (clock.batch,), generator=rng).tolist()
        wordings = torch.randint(config.wordings, (clock.batch,), generator=rng).tolist()
        found = [(self._shards[window[place // config.shard]], place % config.shard) for place in places]
        latents = torch.stack([shard.latents[i] for shard, i in found])
        return latents.to(device).float(), [shard.captions[i][w] for (shard, i), w in zip(found, wordings, strict=True)]

    def close(self) -> None:
        """End the workers."""
        if self._coming is not None:
            self._coming[1].close()
            self._coming = None

    def _have(self, window: range) -> None:
        """Hold these shards and these alone; files of older ones are deleted.

        Of several processes, the first one makes what is missing, and the others read it.
        """
        if not all(number in self._shards for number in window):
            here().in_turn(lambda: self._fill(window))
        self._shards = {number: shard for number, shard in self._shards.items() if number in window}
        if not here().main:
            return
        for file in self.folder.glob("[0-9]*.safetensors"):
            if file.stem.isdigit() and int(file.stem) < window.start:
                file.unlink(missing_ok=True)

    def _fill(self, window: range) -> None:
        for number in window:
            if number not in self._shards:
                self._shards[number] = self._shard(number)

    def _shard(self, number: int) -> Shard:
        """A shard from its file, or made now."""
        found = self._stored(number)
        if found is not None:
            return found
        if not here().main:
            raise UserError(
                f"{self._file(number)}, which the first process has made, does not fit here: all machines need the "
                "same folder and the same kind of processor"
            )
        shard = self._made(number)
        notes = {"stamp": self._name, "captions": json.dumps(shard.captions)}
        try:
            with whole_file(self._file(number)) as draft:
                save_file({"latents": shard.latents.contiguous()}, draft, metadata=notes)
        except (OSError, SafetensorError) as error:
            raise UserError(
                f"cannot write {self._file(number)}: {one_line(str(error))}; free some space and run again"
            ) from error
        return shard

    def _stored(self, number: int) -> Shard | None:
        """A shard's file, unless it is missing, damaged or of other pictures or latents."""
        try:
            with safe_open(self._file(number), "pt") as stored:
                notes = stored.metadata() or {}
                if notes["stamp"] != self._name:
                    return None
                return Shard(stored.get_tensor("latents"), json.loads(notes["captions"]))
        except (OSError, SafetensorError, KeyError, ValueError):
            return None

    def _made(self, number: int) -> Shard:
        if self._coming is None or self._coming[0] != number:
            self.close()
            self._coming = number, self.maker.batches(number)
        batches = self._coming[1]
        with self._console.status(f"drawing {self.maker.config.shard:,} more pictures of the world"):
            shard = self.maker.make(batches)
        self._coming = number + 1, batches
        return shard

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:08d}.safetensors"
