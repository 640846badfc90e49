"""What is tortured of what was drawn: pictures that say how, and the folder of a cluster's job."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

from fromnoise.ground.errors import UserError
from settings_mutants import mutated_job, mutated_settings
from torturing import Subject

LINES = [f"{colour} {thing}" for colour in ("red", "blue") for thing in ("apple", "house", "sun", "cat", "tree")]


FAILED = "a picture too large for this machine"


@cache
def _opened(place: Path) -> tuple[str, Any]:
    from fromnoise.drawing.opened import Opening, open_model

    return open_model(Opening(str(place), precision="fp32"))


def settings_subject(folder: Path) -> Subject:
    """A picture with its settings, drawn by the tiny model that lies in the same folder."""
    from fromnoise.drawing.pipeline import load

    place = folder / "settings"
    place.mkdir()
    model = load(folder / "tiny")
    model.save(model("red apple", style="noto", negative="blue", seed=3, steps=1)[0], place / "drawn.png")
    return Subject("settings", place, use_settings, (place / "drawn.png",), mutated_settings)


def use_settings(folder: Path) -> None:
    """Ask a picture where it comes from, on the command line and in the studio, and draw it again."""
    from fastapi.responses import JSONResponse

    from fromnoise.cli import drawing
    from fromnoise.cli.files import Files
    from fromnoise.cli.views.origin import _print
    from fromnoise.drawing.opened import Opening
    from fromnoise.drawing.provenance import provenance_of
    from fromnoise.evaluation.copies.answers import origin_of

    file, place = folder / "drawn.png", folder.parent / "tiny"
    found = provenance_of(file)
    _print(file, found)
    json.dumps([found.to_dict()], ensure_ascii=False).encode("utf-8")
    origin_of(file.read_bytes(), "this picture", picky=False)
    if found.origin is not None:
        JSONResponse({"origin": found.origin.to_dict()})  # POST /settings
    else:
        assert found.why_not.isprintable()
    out = folder.with_name("again.png")
    with mock.patch.object(drawing, "open_model", return_value=_opened(place)), _short(drawing):
        drawing.redraw(Files(again=file, out=out), Opening(str(place)))


@contextlib.contextmanager
def _short(module: Any) -> Iterator[None]:
    """What would be drawn for minutes is planned and not drawn: a picture may say so, and the user may want it."""
    true = module.draw_plans

    def draw_plans(model: Any, made: Sequence[Any], start: Any) -> Any:
        if any(plan.steps * plan.size.drawn[0] * plan.size.drawn[1] > 20 * 64**2 for plan in made):
            raise UserError("too long for a test")
        return true(model, made, start)

    with mock.patch.object(module, "draw_plans", draw_plans):
        yield


def job_subject(folder: Path) -> Subject:
    """A cluster's job that was stopped: a whole shard, one begun, one to do, one with a line that failed."""
    place = folder / "job"
    place.mkdir()
    (place / "p.txt").write_text("\n".join(LINES))
    _go_on(place)
    shards = place / "shards"
    data = (shards / "00001.tar").read_bytes()
    (shards / ".00001.0-0.elsewhere-1-0.part").write_bytes(data[: 2 * len(data) // 3])
    (shards / "00001.tar").unlink()
    (shards / "00002.tar").unlink()
    (shards / "00003.failed.json").write_text(json.dumps({"9": FAILED}))
    files = [place / "p.txt", *(file for file in sorted(shards.iterdir()) if file.name != ".lock")]
    return Subject("job", place, use_job, tuple(files), mutated_job)


def use_job(folder: Path) -> None:
    """Go on with a copy of the job."""
    scratch = folder.with_name("job-goes-on")
    shutil.rmtree(scratch, ignore_errors=True)
    shutil.copytree(folder, scratch)
    try:
        _go_on(scratch)
    except UserError as error:
        if FAILED not in str(error):  # a line of the job is said to have failed, and that is told
            raise


def _go_on(place: Path) -> None:
    """``generate --prompts p.txt --cluster ray --shard 3 --out shards`` with one worker, in this process."""
    from fromnoise.cli import cluster
    from fromnoise.cli.drawing import Job
    from fromnoise.cli.files import Files, Spread
    from fromnoise.cluster import painter as painters
    from fromnoise.drawing.opened import Opening
    from fromnoise.drawing.request import Request

    tiny = place.parent / "tiny"
    name, model = _opened(tiny)

    def painted(work: Any, todo: Sequence[Any], pool: Any) -> Iterator[Any]:
        painter = painters.Painter(work)
        painter._opened = name, model
        for piece in todo:
            done = painter.paint(piece)
            if done.error:
                raise UserError(done.error)
            yield done

    begun = (place / "shards").exists()
    job = Job(name, model, Opening(str(tiny), precision="fp32"), Request(seed=5, steps=1), Files(out=place / "shards"))
    with contextlib.ExitStack() as stack:
        for module, attribute, value in (
            (cluster, "check_cluster", lambda address: address),
            (cluster, "connected", lambda address: contextlib.nullcontext([1])),
            (cluster, "painted", painted),
            # A worker takes all cores for good; OpenMP's threads wait for ever in what is forked afterwards.
            (painters, "use_at_most", lambda cores: None),
        ):
            stack.enter_context(mock.patch.object(module, attribute, value))
        wanted = Spread("ray", 1, None if begun else 3)
        cluster.draw_prompts_on_cluster(job, place / "p.txt", begun, wanted)
