"""What a pool of workers is worth: pictures a second for one worker and for two, and what going on costs.

    python benchmarks/cluster.py [--model FOLDER] [--pictures 192] [--steps 20] [--workers 1,2] [--lines 1000000]

Every worker draws with one thread. "One process" is the same work without Ray. The rate of a pool is taken over the
time in which all of its workers draw, so that neither the start of Ray nor the wait for the last worker counts; what
the whole command took, with both, stands beside it. The ratio is to one worker of the same run. Then: what it costs to
check a list of prompts before anything starts, and to find that all of a job's pictures are there already.

Two workers need two idle cores: `--workers 2` on one core shows half of the truth.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from formats import machine
from fromnoise.cluster.job import ClusterJob, begin, begun, digest_of, pieces, to_do, usual_shard
from fromnoise.cluster.painter import Done, Painter, Work
from fromnoise.cluster.pool import Pool, check_cluster, painted, start_here
from fromnoise.cluster.shard import shard_name
from fromnoise.drawing.opened import Opening, open_model
from fromnoise.drawing.plan import check_told, plan
from fromnoise.drawing.request import Request
from fromnoise.ground.cores import available_cores, use_at_most
from fromnoise.system.text_to_image import TextToImage

THINGS = ("red apple", "blue house", "cat face", "green tree", "yellow sun", "guitar", "mushroom", "car")
SHARD = 16


@dataclass(frozen=True)
class Rate:
    """How fast a pool drew.

    Attributes:
        workers: 0 for one process without Ray.
        rate: pictures a second while all workers drew.
        seconds: of all of it, from the command to the last picture.
        pictures: that were drawn.
    """

    workers: int
    rate: float
    seconds: float
    pictures: int


def job_of(model: TextToImage, folder: Path, lines: Sequence[str], steps: int, place: str | None) -> Work:
    """A job of so many lines, begun in a folder."""
    request = replace(plan(model, Request(prompt=lines[0], steps=steps)).request, prompt="")
    found = (model.precision, "torch", False, (), None, request, len(lines), digest_of(lines), SHARD)
    job = ClusterJob("benchmark", model.hash, *found)
    folder.mkdir(parents=True, exist_ok=True)
    begin(folder, job, lines)
    return Work(folder, job, Opening(place, precision=model.precision))


def rate_of(dones: Sequence[Done]) -> float:
    """Pictures a second in the time in which all workers draw; shards that lie in it in part count in part."""
    by_worker: dict[str, list[Done]] = defaultdict(list)
    for done in dones:
        by_worker[done.worker].append(done)
    first = max(min(d.began for d in own) for own in by_worker.values())
    last = min(max(d.began + d.seconds for d in own) for own in by_worker.values())
    inside = [max(0.0, min(d.began + d.seconds, last) - max(d.began, first)) / d.seconds * d.drawn for d in dones]
    return sum(inside) / (last - first) if last > first else float("nan")


def alone(work: Work, lines: Sequence[str]) -> Rate:
    """The same work in this process."""
    painter, at = Painter(work), time.perf_counter()
    painter.opened()
    dones = [painter.paint(piece) for piece in pieces(work.job, lines)]
    _check(dones)
    return Rate(0, rate_of(dones), time.perf_counter() - at, sum(d.drawn for d in dones))


def pooled(work: Work, lines: Sequence[str], workers: int) -> Rate:
    """So many workers, one core each, on a Ray of their own."""
    import ray

    at = time.perf_counter()
    start_here(workers)
    try:
        dones = list(painted(work, list(pieces(work.job, lines)), Pool(workers, 1)))
    finally:
        ray.shutdown()
    _check(dones)
    if len({d.worker for d in dones}) < workers:
        print(f"only {len({d.worker for d in dones})} of {workers} workers drew; take more --pictures", file=sys.stderr)
    return Rate(workers, rate_of(dones), time.perf_counter() - at, sum(d.drawn for d in dones))


def _check(dones: Sequence[Done]) -> None:
    for done in dones:
        if done.error or done.taken or done.failed:
            raise SystemExit(f"shard {done.number} was not drawn as a benchmark wants it: {done}")


def checking(model: TextToImage, lines: int, measured: int = 1000) -> float:
    """Seconds to check so many prompts, from a thousand of them."""
    request, at = plan(model, Request(prompt="red apple")).request, time.perf_counter()
    for i in range(measured):
        check_told(model, replace(request, prompt=f"{THINGS[i % len(THINGS)]} {i}"))
    return (time.perf_counter() - at) / measured * lines


def going_on(model: TextToImage, lines: int) -> dict[str, float]:
    """Seconds to find that all pictures of a job are there: simulated, with shards that are whole and empty."""
    texts = [f"{THINGS[i % len(THINGS)]} {i}" for i in range(lines)]
    request = plan(model, Request(prompt=texts[0])).request
    with tempfile.TemporaryDirectory() as name:
        folder, shard = Path(name), usual_shard(lines)
        found = (model.precision, "torch", False, (), None, request, lines, digest_of(texts), shard)
        job = ClusterJob("benchmark", model.hash, *found)
        begin(folder, job, texts)
        for number in range(job.shards):
            (folder / shard_name(number)).write_bytes(bytes(10240))
        at = time.perf_counter()
        assert begun(folder) == replace(job, prompts=digest_of(texts))
        same = time.perf_counter() - at
        at = time.perf_counter()
        assert to_do(folder, job, texts) == []
        return {"lines": lines, "shards": job.shards, "same job": same, "all there": time.perf_counter() - at}


def again(folder: Path, prompts: Path, options: Sequence[str]) -> float:
    """Seconds of the whole command once everything is drawn."""
    command = [sys.executable, "-m", "fromnoise", "generate", "--prompts", str(prompts), "--out", str(folder), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    at = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - at


def show(rates: Sequence[Rate], costs: dict[str, float], cores: int) -> None:
    """Print the tables."""
    table = Table(title=f"pictures by a pool of workers, one thread each: {machine()}, {cores} cores")
    for name in ("workers", "pictures/s", "to one worker", "whole, s", "pictures"):
        table.add_column(name, justify="right")
    one = next((r.rate for r in rates if r.workers == 1), rates[0].rate)
    for r in rates:
        name = str(r.workers) if r.workers else "one process"
        table.add_row(name, f"{r.rate:.2f}", f"{r.rate / one:.2f}x", f"{r.seconds:.1f}", str(r.pictures))
    Console(width=110).print(table)
    for name, value in costs.items():
        print(f"{name}: {value:,.2f}" if isinstance(value, float) else f"{name}: {value:,}")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=None)
    parser.add_argument("--pictures", type=int, default=192, help="for each worker")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--workers", default="1,2")
    parser.add_argument("--lines", type=int, default=1_000_000, help="of the simulated list")
    parser.add_argument("--json", type=Path, help="write the measurements here, too")
    options = parser.parse_args()
    check_cluster("ray")
    cores, rates = available_cores(), []
    use_at_most(1)
    _, model = open_model(Opening(options.model))
    with tempfile.TemporaryDirectory() as name:
        for workers in (0, *(int(text) for text in options.workers.split(","))):
            lines = [THINGS[i % len(THINGS)] for i in range(options.pictures * max(1, workers))]
            work = job_of(model, Path(name) / str(workers), lines, options.steps, options.model)
            rates.append(pooled(work, lines, workers) if workers else alone(work, lines))
        prompts = Path(name) / "few.txt"
        prompts.write_text("\n".join(THINGS))
        drawn = [
            "--cluster",
            "ray",
            "--steps",
            "1",
            "--seed",
            "0",
            *(["--model", options.model] if options.model else []),
        ]
        costs = {"the command again when all is drawn, s": again(Path(name) / "few", prompts, drawn)}
    costs |= {f"going on, simulated: {key}": value for key, value in going_on(model, options.lines).items()}
    costs[f"checking {options.lines:,} prompts before anything starts, s"] = checking(model, options.lines)
    show(rates, costs, cores)
    if options.json:
        found = {"machine": machine(), "cores": cores, "rates": [asdict(r) for r in rates], "costs": costs}
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
