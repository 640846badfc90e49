"""Which files a drawing command reads and writes, and who does the work."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from fromnoise.drawing.picture_file import read_origin
from fromnoise.ground.errors import UserError
from fromnoise.provenance.stamp import PLAIN, Stamp


@dataclass(frozen=True)
class Files:
    """Which files are read and written: a picture to start from and its mask, pictures, films, prompts; and what is
    put on the pictures."""

    image: Path | None = None
    mask: Path | None = None
    out: Path | None = None
    film: Path | None = None
    prompts: Path | None = None
    again: Path | None = None
    stamp: Stamp = PLAIN


@dataclass(frozen=True)
class Spread:
    """How a list of prompts is spread over workers; each as it was said.

    Attributes:
        cluster: "ray", or HOST:PORT.
        workers: processes with the model; None: one for every core.
        shard: pictures per file; None: :func:`fromnoise.cluster.job.usual_shard`.
    """

    cluster: str
    workers: int | None = None
    shard: int | None = None


def spread_of(cluster: str | None, workers: int | None, shard: int | None) -> Spread | None:
    """How to spread the work, or None where nobody asked for it.

    Raises:
        UserError: workers or shards without a cluster, or a number that makes no sense.
    """
    for name, value in (("--workers", workers), ("--shard", shard)):
        if value is not None and cluster is None:
            raise UserError(f"{name} is about a cluster: give --cluster ray")
        if value is not None and value < 1:
            raise UserError(f"{name} must be at least 1, not {value}")
    return None if cluster is None else Spread(cluster, workers, shard)


def check_stamped(drawn: list[Path], stamp: Stamp) -> None:
    """Refuse to go on where the pictures that are there are not marked and signed as the others would be.

    Raises:
        UserError: naming the first of them, and what is different.
    """
    for file in drawn:
        origin = read_origin(file)
        if origin.watermark != stamp.watermark:
            before, option = ("with" if origin.watermark else "without") + " a watermark", "--watermark"
        elif origin.signer != stamp.signer:
            before, option = f"signed by '{origin.signer}'" if origin.signer else "unsigned", "--sign"
        else:
            continue
        raise UserError(f"{file} is there already, {before}; give {option} as before, or another --out")
