"""The settings of a training on the endless world."""

from __future__ import annotations

from dataclasses import dataclass, field

from fromnoise.data.world.captions import WorldCaptions
from fromnoise.data.world.choose import WorldMix
from fromnoise.ground.config import Config, Wishes, check
from fromnoise.ground.cores import available_cores

AT_ONCE = 32  # pictures that a worker draws for one call
MOST_WORKERS = 16  # each holds all drawings in memory


@dataclass(frozen=True)
class WorldConfig(Config):
    """How a run uses the world, where its data are drawings: a sample of it for CLIP and the VAE, a pool for the U-Net.

    Attributes:
        mix: which pictures.
        captions: how they are asked for.
        sample: pictures that are packed into the run's folder once; CLIP and the VAE learn from them.
        shard: pictures that are made at once for the U-Net's pool; a multiple of 32.
        shards: how many of those are kept.
        repeats: how often each picture is seen in its time in the pool, on average; the first ones are seen more often,
            since the pool is small then.
        wordings: captions of each picture; one of them is read whenever it is seen.
        workers: processes that draw; -1 takes one per core, 0 draws in the training's own.
        ahead: calls of 32 pictures that each worker has ready at most. With a few, they draw while the training waits;
            with hundreds beside it, which suits a GPU with many cores.
    """

    mix: WorldMix = field(default_factory=WorldMix)
    captions: WorldCaptions = field(default_factory=WorldCaptions)
    sample: int = 12_000
    shard: int = 2048
    shards: int = 64
    repeats: float = 4.0
    wordings: int = 4
    workers: int = -1
    ahead: int = 2

    def __post_init__(self) -> None:
        wishes: Wishes = (
            ("sample", 1 <= self.sample <= 10**7, "1 or more"),
            ("shard", self.shard > 0 and self.shard % AT_ONCE == 0, f"a multiple of {AT_ONCE}"),
            ("shards", 1 <= self.shards <= 100_000, "1…100000"),
            ("repeats", 0 < self.repeats <= 10_000, "above 0 and up to 10000"),
            ("wordings", 1 <= self.wordings <= 64, "1…64"),
            ("workers", -1 <= self.workers <= 256, "-1 (one per core) to 256"),
            ("ahead", 1 <= self.ahead <= 10_000, "1…10000"),
        )
        check(self, "data.world.", wishes)

    def drawing_processes(self) -> int:
        """How many processes draw."""
        return min(MOST_WORKERS, available_cores()) if self.workers < 0 else self.workers

    def window(self, pictures: int) -> range:
        """The shards that are in the pool after so many pictures were seen; there is always one."""
        newest = int(pictures / (self.shard * self.repeats))
        return range(max(0, newest - self.shards + 1), newest + 1)
