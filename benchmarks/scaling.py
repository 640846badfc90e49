"""What growth costs: time for a picture and memory, against batch, steps, resolution, rows of the data set, workers.

    python benchmarks/scaling.py [--out docs] [--quick] [--million] [--workers 1,2] [--note "the machine was shared"]

Writes OUT/scaling.json, every number with what was measured, and OUT/pictures/scaling_*.png. Each measurement is a
process of its own with one thread, so that its largest memory is its own. Seconds are the CPU's, the median of a few
rounds: what one thread takes on a core of its own, nearly so where other programs share it. Drawing is done by the
shipped model, learning by its U-Net on random numbers (forward, backward, Muon, averages). A data set is simulated: a
parquet file of so many 16-pixel pictures with captions, read as training reads it; a million rows are extrapolated from
the largest number that was read unless --million is given. Workers are those of benchmarks/cluster.py, by the clock on
the wall; more of them than cores are left out. docs/scaling.md says what the numbers mean.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from scaling_paper import on_paper

UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
ROUNDS = 3
SIDES = (64, 96, 128, 192, 256)
GAP = 12  # pixels between two charts


def memory() -> float:
    """The largest resident memory of this process so far, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT / 2**20


def median_seconds(call: Callable[[], object], rounds: int = ROUNDS) -> float:
    """Median of the CPU seconds of a call, after one that warms up."""
    found = []
    for _ in range(rounds + 1):
        at = time.process_time()
        call()
        found.append(time.process_time() - at)
    return statistics.median(found[1:])


# --- what is measured, each in a process of its own -------------------------------------------------------------


def draw(batch: int, steps: int, pixels: int) -> dict[str, Any]:
    """Draw a batch with the shipped model, every pixel of it."""
    from fromnoise.drawing.generate import draw_plans
    from fromnoise.drawing.opened import Opening, open_model
    from fromnoise.drawing.plan import plan
    from fromnoise.drawing.request import Request
    from fromnoise.ground.cores import use_at_most

    use_at_most(1)
    _, model = open_model(Opening())
    opened = memory()
    asked = Request("red apple", style="noto", count=batch, steps=steps, width=pixels, height=pixels, native=True)
    plans = plan(model, asked).one_by_one()
    seconds = median_seconds(lambda: draw_plans(model, plans))
    return {"seconds": seconds / batch, "MiB": memory(), "MiB opened": opened, "precision": model.precision}


def learn(batch: int, pixels: int) -> dict[str, Any]:
    """One training step of the shipped model's U-Net."""
    from fromnoise.training.memory import keep_freed_memory, let_idle_threads_sleep

    let_idle_threads_sleep()
    keep_freed_memory()
    import torch

    from fromnoise.cli.train import load_recipe
    from fromnoise.training import precision
    from fromnoise.training.speed import flops, peak, random_step

    torch.set_num_threads(1)
    config = replace(load_recipe("stickers_64").diffusion.model, sample_size=pixels // 8)
    choice = precision.choose(torch.device("cpu"))
    parameters = sum(p.numel() for p in config.build().parameters())
    step = random_step(config, batch, choice.dtype, "muon")
    found = {"seconds": median_seconds(step) / batch, "MiB": memory(), "precision": choice.name}
    return {**found, "FLOP": flops(config), "peak FLOP/s": peak(choice.dtype, rounds=3), "parameters": parameters}


def write_rows(rows: int, file: str) -> dict[str, Any]:
    """A data set of so many small pictures, no two alike."""
    import numpy as np
    import pyarrow
    from pyarrow import parquet

    rng = np.random.default_rng(0)
    schema = pyarrow.schema([("image", pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])),
                             ("file_name", pyarrow.string()), ("text", pyarrow.string())])  # fmt: skip
    with parquet.ParquetWriter(file, schema) as writer:
        for first in range(0, rows, 1000):
            numbers = range(first, min(first + 1000, rows))
            images = [{"bytes": _png(rng.integers(0, 255, (16, 16, 3), np.uint8)), "path": f"{i}.png"} for i in numbers]
            table = {"image": images, "file_name": [f"{i}.png" for i in numbers],
                     "text": [f"a red apple number {i} on a table" for i in numbers]}  # fmt: skip
            writer.write_table(pyarrow.Table.from_pydict(table, schema))
    return {"bytes": Path(file).stat().st_size}


def _png(pixels: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def read_rows(rows: int, file: str) -> dict[str, Any]:
    """Read it, as training does before its first step."""
    from fromnoise.data.pictures import load_folder

    few = f"{file}.few.parquet"  # so that what is imported is not counted as memory for the rows
    write_rows(10, few)
    load_folder(Path(few), 16)
    before, at = memory(), time.process_time()
    found = load_folder(Path(file), 16)
    seconds = time.process_time() - at
    assert len(found.records) == rows
    return {"seconds": seconds / rows, "MiB": memory(), "MiB for the rows": memory() - before}


def work(workers: int, pictures: int, steps: int) -> dict[str, Any]:
    """Pictures by a pool of workers."""
    from cluster import THINGS, job_of, pooled
    from fromnoise.cluster.pool import check_cluster
    from fromnoise.drawing.opened import Opening, open_model
    from fromnoise.ground.cores import use_at_most

    check_cluster("ray")
    use_at_most(1)
    _, model = open_model(Opening())
    with tempfile.TemporaryDirectory() as name:
        lines = [THINGS[i % len(THINGS)] for i in range(pictures * workers)]
        rate = pooled(job_of(model, Path(name), lines, steps, None), lines, workers)
    return {"seconds": 1 / rate.rate, "pictures/s": rate.rate, "whole": rate.seconds}


def prompt(lines: int) -> dict[str, Any]:
    """What a prompt of a long list costs beside its picture: to be checked, and on the disk."""
    from cluster import THINGS, checking, job_of
    from fromnoise.cluster.job import pieces
    from fromnoise.cluster.painter import Painter
    from fromnoise.cluster.shard import shard_name
    from fromnoise.drawing.opened import Opening, open_model
    from fromnoise.ground.cores import use_at_most

    use_at_most(1)
    _, model = open_model(Opening())
    at = time.process_time()
    checking(model, lines, lines)
    seconds = time.process_time() - at
    with tempfile.TemporaryDirectory() as name:
        work = job_of(model, Path(name), THINGS * 2, 4, None)
        (piece,) = pieces(work.job, THINGS * 2)
        Painter(work).paint(piece)
        size = (Path(name) / shard_name(0)).stat().st_size
    return {"seconds": seconds / lines, "bytes": size / len(THINGS * 2)}


KINDS: dict[str, Callable[..., dict[str, Any]]] = {
    "draw": draw, "learn": learn, "write_rows": write_rows, "read_rows": read_rows, "work": work, "prompt": prompt,
}  # fmt: skip


def one(kind: str, **how: Any) -> dict[str, Any]:
    """Measure in a process of its own; what it was asked is part of the answer."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, "--one", json.dumps([kind, how])]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    found = {"kind": kind, **how, **json.loads(done.stdout.splitlines()[-1])}
    print(", ".join(f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
                    for key, value in found.items() if key != "file"), file=sys.stderr)  # fmt: skip
    found.pop("file", None)
    return found


# --- the questions ----------------------------------------------------------------------------------------------


def measured(options: argparse.Namespace) -> dict[str, list[dict[str, Any]]]:
    """Every question's measurements."""
    quick = options.quick
    found = {
        "batch": [one("draw", batch=b, steps=10, pixels=64) for b in ((1, 8) if quick else (1, 2, 4, 8, 16))],
        "steps": [one("draw", batch=8, steps=s, pixels=64) for s in ((5, 10) if quick else (5, 10, 20, 40))],
        "resolution": [one("draw", batch=2, steps=10, pixels=p) for p in ((64, 128) if quick else SIDES)],
        "learning batch": [one("learn", batch=b, pixels=64) for b in ((8, 16) if quick else (8, 16, 32, 64))],
        "learning resolution": [one("learn", batch=16, pixels=p) for p in ((64, 128) if quick else (64, 128, 256))],
        "rows": rows_measured((1000, 10_000) if quick else (1000, 10_000, 100_000), options.million),
        "prompt": [one("prompt", lines=200 if quick else 1000)],
        "workers": [one("work", workers=w, pictures=options.pictures, steps=10) for w in options.counts],
    }  # fmt: skip
    return found


def rows_measured(counts: Sequence[int], million: bool) -> list[dict[str, Any]]:
    """Reading data sets of so many rows; a million is extrapolated unless it is asked for."""
    found = []
    with tempfile.TemporaryDirectory() as name:
        for rows in (*counts, *([1_000_000] if million else [])):
            file = str(Path(name) / f"{rows}.parquet")
            one("write_rows", rows=rows, file=file)
            found.append(one("read_rows", rows=rows, file=file))
    if not million:
        last = found[-1]
        more = {key: last[key] * 1_000_000 / last["rows"] for key in ("MiB for the rows",)}
        found.append({"kind": "read_rows", "rows": 1_000_000, "extrapolated": True, "seconds": last["seconds"], **more})
    return found


# --- plots ------------------------------------------------------------------------------------------------------

PLOTS = {
    "batch": ("batch", "pictures drawn together", "64 pixels, 10 steps"),
    "steps": ("steps", "steps from noise to picture", "64 pixels, batches of 8"),
    "resolution": ("pixels", "side of a picture, pixels", "10 steps, batches of 2, every pixel drawn"),
    "learning batch": ("batch", "pictures in a training step", "64 pixels"),
    "learning resolution": ("pixels", "side of a picture, pixels", "training steps of 16 pictures"),
    "rows": ("rows", "rows of the data set", "16 pixels"),
    "workers": ("workers", "workers, one thread each", "64 pixels, 10 steps"),
}


def plots(found: dict[str, list[dict[str, Any]]], folder: Path) -> None:
    """A picture for each question: time above, memory below."""
    from fromnoise.inspection.charts import Line, line_chart

    for name, (axis, below, how) in PLOTS.items():
        rows = found.get(name, [])
        if not rows:
            continue
        places = [f"{row[axis]:,}" for row in rows]
        charts = []
        if name == "workers":
            charts.append(
                line_chart(f"pictures a second ({how})", [Line("", [r["pictures/s"] for r in rows])], places, below)
            )
        elif name == "rows":
            each = [r["MiB for the rows"] * 2**20 / r["rows"] / 1024 for r in rows]
            read = Line("", [1e3 * r["seconds"] for r in rows])
            how += "; a million by extrapolation" if any(r.get("extrapolated") for r in rows) else ""
            charts.append(line_chart(f"milliseconds to read a row ({how})", [read], places, below))
            charts.append(line_chart("KiB of memory for a row", [Line("", each)], places, below))
        else:
            charts.append(
                line_chart(
                    f"milliseconds for a picture ({how})", [Line("", [1e3 * r["seconds"] for r in rows])], places, below
                )
            )
            charts.append(
                line_chart("largest memory of the process, MiB", [Line("", [r["MiB"] for r in rows])], places, below)
            )
        stacked(charts).save(folder / f"scaling_{name.replace(' ', '_')}.png", optimize=True)


def stacked(charts: Sequence[Image.Image]) -> Image.Image:
    """Charts below each other, on white."""
    height = sum(chart.height for chart in charts) + GAP * (len(charts) - 1)
    sheet, at = Image.new("RGB", (max(chart.width for chart in charts), height), "white"), 0
    for chart in charts:
        sheet.paste(chart, (0, at))
        at += chart.height + GAP
    return sheet


def main() -> None:
    """Measure, write, plot."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--quick", action="store_true", help="two values for each question, to see that it runs")
    parser.add_argument("--million", action="store_true", help="read a million rows, too")
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--pictures", type=int, default=96, help="for each worker")
    parser.add_argument("--note", default="", help="what else there is to say of the machine")
    parser.add_argument("--plot", action="store_true", help="plot what was measured before")
    parser.add_argument(
        "--paper", action="store_true", help="what 10 million pictures mean on 64 GPUs, by what was measured"
    )
    parser.add_argument("--one", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        kind, how = json.loads(options.one)
        print(json.dumps(KINDS[kind](**how)))
        return
    from formats import machine
    from fromnoise.ground.cores import available_cores

    if options.paper:
        print("\n".join(on_paper(json.loads((options.out / "scaling.json").read_text()), 10_000_000, 64)))
        return
    file, began = options.out / "scaling.json", time.monotonic()
    (options.out / "pictures").mkdir(parents=True, exist_ok=True)
    if not options.plot:
        cores = available_cores()
        options.counts = [w for w in map(int, options.workers.split(",")) if w <= cores]
        found = measured(options)
        about = {"machine": f"{machine().split(',')[0]}, 1 thread, {cores} cores", "note": options.note}
        about |= {"command": "python benchmarks/scaling.py", "seconds": round(time.monotonic() - began)}
        file.write_text(json.dumps({"about": about, **found}, indent=1) + "\n")
    plots(json.loads(file.read_text()), options.out / "pictures")
    print(file)


if __name__ == "__main__":
    main()
