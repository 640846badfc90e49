"""``fromnoise studio``: the page in the browser and the image API."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from fromnoise.cli.identity import Marking, Signer, Signing, stamp_of
from fromnoise.ground.collecting import without_collecting
from fromnoise.provenance.stamp import LEAST
from fromnoise.training.memory import let_idle_threads_sleep


def studio(
    host: Annotated[str, typer.Option(help="Address to listen at; others than this machine's need --token.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(help="Port to listen at; 0 takes a free one.")] = 8000,
    model: Annotated[str | None, typer.Option(help="A model: folder, file, name, or owner/name on the hub.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="FROMNOISE_TOKEN", help="What page and API ask for; at least 12 characters.")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page.")] = False,
    gallery: Annotated[Path | None, typer.Option(help="Folder for the pictures. Default: this user's data.")] = None,
    lora: Annotated[list[str] | None, typer.Option(help="A LoRA file, or file:weight; may be repeated.")] = None,
    answer_to: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Another name that the API takes for the model, as gpt-image-1; repeatable."),
    ] = None,
    run: Annotated[Path | None, typer.Option(help="A training's folder to watch, also one that is to begin.")] = None,
    watermark: Marking = False,
    sign: Signing = False,
    identity: Signer = None,
    beside: Annotated[bool, typer.Option("--beside", hidden=True)] = False,
    precision: Annotated[str, typer.Option(help="bf16 or fp32; auto takes bf16 where the CPU has it.")] = "auto",
) -> None:
    """Open a page where anyone makes pictures and watches them appear; the same server is an image API.

    fromnoise studio --model runs/mine/model
    fromnoise studio --run runs/mine
    """
    if beside:  # a training, which keeps the cores busy from now on
        let_idle_threads_sleep()
    with without_collecting():
        from fromnoise.cli.opened import Opening, load
        from fromnoise.ground.errors import UserError
        from fromnoise.studio.desk.models import Models
        from fromnoise.studio.server import serve
        from fromnoise.studio.settings import Limits, Settings
        from fromnoise.system.text_to_image import TextToImage

    if gallery is not None and (not str(gallery).strip(" .") or gallery == Path(gallery.anchor)):
        raise UserError("--gallery needs the name of a folder of its own")
    if run is not None:
        run = watchable(run)
    kept = Path(os.path.realpath((gallery or default_gallery()).expanduser()))  # also of a loop of links
    limits = Limits(least=LEAST) if watermark else Limits()
    settings = Settings(
        kept, host, port, token, limits, tuple(answer_to or ()), run, stamp_of(watermark, sign, identity)
    )
    if beside and hasattr(os, "nice"):
        os.nice(10)  # the training goes first
    opening = Opening(model, tuple(lora or ()), precision)
    name, loaded = load(opening)
    fast = Opening(model, tuple(lora or ()), precision, fast=True)
    models = Models(
        name,
        loaded,
        (lambda: load(fast)[1]) if loaded.few_steps is not None else None,
        lambda: TextToImage.load(model),
        opening,
    )
    serve(settings, models, not no_browser, sys.stdin if beside else None)


def watchable(run: Path) -> Path:
    """The folder of a training, or one in which a training may begin, as an absolute path.

    Raises:
        UserError: it holds something else, or the packages for training are missing.
    """
    from fromnoise.training.continuing import stored_run
    from fromnoise.training.health.process import Process

    Process.here()
    stored_run(run)
    return Path(os.path.realpath(run.expanduser()))


def default_gallery() -> Path:
    """Where pictures are kept when nobody says."""
    import platformdirs

    return Path(platformdirs.user_data_dir("fromnoise", appauthor=False)) / "gallery"
