"""What ``fromnoise generate --prompts … --cluster …`` does: check all, hand out shards, count what comes back."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fromnoise.cli.drawing import ERRORS, Job, make_folder, prompt_lines, shown_bar
from fromnoise.cli.files import Spread
from fromnoise.cli.opened import planned, tell
from fromnoise.cluster.job import (
    ClusterJob,
    Piece,
    begin,
    begun,
    check_same,
    digest_of,
    locked,
    to_do,
    usual_shard,
)
from fromnoise.cluster.painter import Work, absolute, failed_in
from fromnoise.cluster.pool import Pool, check_cluster, connected, painted, spread
from fromnoise.drawing.opened import names_of
from fromnoise.drawing.plan import check_told, plan
from fromnoise.drawing.request import Request
from fromnoise.drawing.start import Start
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage

PLANNED = 64  # lines whose plans are told about; what there is to say of a million nobody reads


def draw_prompts_on_cluster(job: Job, prompts: Path, any_seed: bool, wanted: Spread) -> int:
    """Draw one picture per line into shards; what is there already is kept.

    Args:
        job: ``out`` is the folder; line i is drawn with the request's seed + i.
        prompts: a text file, one prompt per line.
        any_seed: nobody asked for the request's seed; the one of an interrupted run is taken up instead.
        wanted: how to spread it.

    Returns:
        The seed of the first line.
    """
    wanted = replace(wanted, cluster=check_cluster(wanted.cluster))
    lines, folder = prompt_lines(prompts), job.files.out or Path()
    before = begun(folder)
    if before is not None and any_seed:
        job = replace(job, request=replace(job.request, seed=before.request.seed))
    whole, start = _whole_request(job, lines)
    what = _cluster_job(job, whole, start, lines, wanted.shard or (before.shard if before else usual_shard(len(lines))))
    if before is not None:
        check_same(folder, before, what)
    else:
        _check_lines(job.model, whole, lines)
    make_folder(folder)
    with locked(folder):
        if begun(folder) != before:
            raise UserError(f"another fromnoise has just begun to draw into '{folder}'; name another --out")
        _draw(Path(os.path.realpath(folder)), what, lines, _opening_work(folder, what, job, start), wanted)
    _tell_failed(folder, what)
    print(folder)
    return whole.seed


def _whole_request(job: Job, lines: Sequence[str]) -> tuple[Request, Start | None]:
    """The first line's request with nothing left open, without its prompt; and the picture that all start from."""
    first, start = planned(job.model, replace(job.request, prompt=lines[0]), job.files.image, job.files.mask)
    return replace(first.request, prompt="", style=job.request.style, width=first.size.given[0]), start


def _cluster_job(job: Job, whole: Request, start: Start | None, lines: Sequence[str], shard: int) -> ClusterJob:
    opening = job.opening
    return ClusterJob(
        job.name,
        job.model.hash,
        job.model.precision,
        opening.backend,
        opening.fast,
        names_of(opening.loras),
        start.digest if start else None,
        whole,
        len(lines),
        digest_of(lines),
        shard,
    )


def _check_lines(model: TextToImage, request: Request, lines: Sequence[str]) -> None:
    """Refuse a line that cannot be drawn, before anything is.

    Raises:
        UserError: which line, and why.
    """
    with shown_bar() as bar:
        task = bar.add_task("checking", total=len(lines))
        for i, line in enumerate(lines):
            asked = replace(request, prompt=line, seed=request.seed + i)
            try:
                if i < PLANNED or i == len(lines) - 1:
                    tell([plan(model, asked)])
                else:
                    check_told(model, asked)
            except UserError as error:
                raise error.behind(f"line {i + 1:,} of the prompts: ", error.field) from None
            bar.advance(task)


def _opening_work(folder: Path, what: ClusterJob, job: Job, start: Start | None) -> Work:
    opening = absolute(job.opening)
    if opening.backend == "torch":  # "auto" must not mean one thing on this machine and another on that
        opening = replace(opening, precision=what.precision)
    return Work(Path(os.path.realpath(folder)), what, opening, start, command=secrets.token_hex(4))


def _draw(folder: Path, what: ClusterJob, lines: Sequence[str], work: Work, wanted: Spread) -> None:
    todo = to_do(folder, what, lines)
    there = what.lines - sum(piece.count for piece in todo)
    if there:
        ERRORS.print(f"{there:,} of {what.lines:,} are there already")
    if not todo:
        return
    with connected(wanted.cluster) as machines:
        pool = spread(machines, wanted.workers)
        begin(folder, what, lines)
        _count(work, todo, pool)


def _count(work: Work, todo: Sequence[Piece], pool: Pool) -> None:
    with shown_bar() as bar:
        task = bar.add_task("drawing", total=sum(piece.count for piece in todo))
        for done in painted(replace(work, cores=pool.cores), todo, pool):
            bar.advance(task, done.drawn + done.taken + done.failed)


def _tell_failed(folder: Path, what: ClusterJob) -> None:
    """Say which lines could not be drawn.

    Raises:
        UserError: how many, with the first one's reason.
    """
    failed = {k: v for n in range(what.shards) for k, v in failed_in(folder, n).items()}
    if failed:
        first = min(failed)
        raise UserError(
            f"{len(failed):,} of {what.lines:,} lines could not be drawn (the .failed.json files name them): "
            f"line {first + 1:,}: {failed[first]}"
        )
