"""How much memory a training needs, by how many pictures it learns from.

    python benchmarks/large_sets.py [--counts 2000 20000 200000] [--pixels 16] [--tar] [--in-memory]

Makes so many small pictures with captions in one parquet file (or, with ``--tar``, in WebDataset shards), and trains
all three networks on them for a few steps, in a process of its own. Told are the seconds of the whole run and of the
part in which pictures are unpacked, the largest size that the process had (``ru_maxrss``), what its workers had, and
what the run's files of pictures and latents are. ``--in-memory`` holds unpacked pictures in memory, for comparison.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

COLOURS = ("red", "green", "blue", "yellow", "grey", "pink", "brown", "white")
THINGS = ("apple", "pear", "boat", "house", "cat", "dog", "tree", "lamp", "star", "shoe", "cup", "hat")


def small_pictures(count: int, pixels: int) -> Iterator[tuple[bytes, str]]:
    """PNG files, no two alike, and captions."""
    for i in range(count):
        colours = np.random.default_rng(i).integers(0, 256, (4, 4, 3), np.uint8)
        out = io.BytesIO()
        Image.fromarray(colours).resize((pixels, pixels), Image.Resampling.NEAREST).save(out, "PNG", compress_level=1)
        yield out.getvalue(), f"{COLOURS[i % 8]} {THINGS[i // 8 % 12]} number {i}"


def write_parquet(place: Path, count: int, pixels: int) -> Path:
    """All pictures in one file, without ever holding them all."""
    import pyarrow
    from pyarrow import parquet

    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    schema = pyarrow.schema([("image", kind), ("text", pyarrow.string())])
    with parquet.ParquetWriter(place / "pictures.parquet", schema) as writer:
        rows: list[dict[str, object]] = []
        for i, (data, text) in enumerate(small_pictures(count, pixels), 1):
            rows.append({"image": {"bytes": data, "path": f"{i}.png"}, "text": text})
            if len(rows) == 1000 or i == count:
                writer.write_table(pyarrow.Table.from_pylist(rows, schema))
                rows = []
    return place / "pictures.parquet"


def write_tars(place: Path, count: int, pixels: int) -> Path:
    """All pictures in tar files of ten thousand."""
    (place / "shards").mkdir()
    pictures = enumerate(small_pictures(count, pixels))
    for shard in range(-(-count // 10_000)):
        with tarfile.open(place / "shards" / f"{shard:05d}.tar", "w") as tar:
            for i, (data, text) in pictures:
                for name, content in ((f"{i}.png", data), (f"{i}.txt", text.encode())):
                    member = tarfile.TarInfo(name)
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))
                if i % 10_000 == 9_999:
                    break
    return place


def trained(data: str, out: str, pixels: int, in_memory: bool) -> None:
    """Train, and print what it took as JSON; runs in a process of its own."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "recipes"))
    import first_model
    from fromnoise.data import pictures
    from fromnoise.training import run

    pictures.IN_MEMORY = 2**60 if in_memory else 0
    few = {"loop.pictures": "320", "loop.batch": "32", "loop.warmup": "32", "loop.sheet_minutes": "100"}
    settings = {f"{task}.{name}": value for task in ("clip", "vae", "diffusion") for name, value in few.items()}
    recipe = first_model.recipe().with_overrides(
        {
            **settings,
            "data.pixels": str(pixels),
            "clip.image.pixels": str(pixels),
            "vae.model.block_out_channels": "16,16,16",
            "diffusion.model.sample_size": str(pixels // 4),
            "diffusion.model.block_out_channels": "16,16",
            "diffusion.model.head_dim": "16",
            "diffusion.sheet_steps": "1",
        }
    )
    begin, read = time.monotonic(), run.read_pictures
    unpacking = [0.0]

    def timed(*arguments: object) -> object:
        start = time.monotonic()
        found = read(*arguments)  # type: ignore[arg-type]
        unpacking[0] = time.monotonic() - start
        return found

    run.read_pictures = timed  # type: ignore[assignment]
    run.train(recipe, data, Path(out))
    own, workers = (resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    files = sum(f.stat().st_size for f in Path(out).rglob("*") if f.suffix == ".u8" or f.name == "latents.safetensors")
    seconds = time.monotonic() - begin
    print(json.dumps({"seconds": seconds, "read": unpacking[0], "own": own, "workers": workers, "files": files}))


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--counts", type=int, nargs="+", default=[2_000, 20_000, 200_000])
    parser.add_argument("--pixels", type=int, default=16)
    parser.add_argument("--tar", action="store_true")
    parser.add_argument("--in-memory", action="store_true")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        trained(*args.one, args.pixels, args.in_memory)
        return
    table = Table("pictures", "whole run, s", "reading, s", "process, MiB", "workers, MiB", "files, MiB")
    for count in args.counts:
        with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
            place = Path(folder)
            data = (write_tars if args.tar else write_parquet)(place, count, args.pixels)
            command = [sys.executable, __file__, "--one", str(data), str(place / "run"), "--pixels", str(args.pixels)]
            command += ["--in-memory"] if args.in_memory else []
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            told = json.loads(done.stdout.splitlines()[-1])
        sizes = (told["own"] / 1024, told["workers"] / 1024, told["files"] / 2**20)
        table.add_row(f"{count:,}", f"{told['seconds']:.0f}", f"{told['read']:.0f}", *(f"{x:,.0f}" for x in sizes))
    from formats import machine

    Console().print(f"{args.pixels} px, {'in memory' if args.in_memory else 'in files'}, {machine()}", table)


if __name__ == "__main__":
    main()
