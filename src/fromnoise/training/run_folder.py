"""A run's folder: who may write to it, and whether it is what it should be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from PIL import Image
from rich.console import Console

from fromnoise.ground.errors import UserError, missing_packages
from fromnoise.ground.whole import sweep, write_atomically
from fromnoise.training import checkpoint
from fromnoise.training.continuing import RUN, check_new, nearest
from fromnoise.training.health.process import Process, note_process, process_of
from fromnoise.training.processes import here, launched
from fromnoise.training.run_data import seen_by

ANOTHER = "another training is writing to {}; stop it first, or use a new --out"


def check_earlier(out: Path, tasks: tuple[str, ...], begun: bool = False, recipe_tasks: tuple[str, ...] = ()) -> None:
    """Refuse to train the U-Net, or to distil it, where what that needs is neither there nor asked for.

    A run that has ``begun`` with a model has its CLIP and VAE; where the recipe's tasks have words first, those come
    before CLIP, too.
    """
    if "distill" in tasks and "diffusion" not in tasks and not (out / "model" / "model_index.json").exists():
        raise UserError(f"{out} has no trained model yet; run without --tasks, or with --tasks diffusion first")
    first = "text" in (*tasks, *(() if begun else recipe_tasks)) or any((out / "text").glob("step-*"))
    needed: tuple[str, ...] = ("text",) if first and {"clip", "diffusion"} & set(tasks) else ()
    if "diffusion" in tasks and not begun:
        needed = ("text" if first else "clip", "vae")
    for name in needed:
        if name not in tasks and not list((out / name).glob("step-*")):
            raise UserError(f"{out} has no trained {name} yet; run without --tasks, or with --tasks {name} first")


def check_out(out: Path) -> None:
    """Refuse a run's folder before anything is read or measured for it; nothing is written.

    Raises:
        UserError: no training can begin or go on there: something else is there, it may not be written, or another
            process trains in it.
    """
    if not (out / RUN).is_file():
        check_new(out)
    if not os.access(nearest(out), os.W_OK):
        raise UserError(f"cannot write to {out}; take an --out that you may write to")
    trains = process_of(out)
    if launched()[0] == 0 and trains is not None and trains.alive and trains != Process.here():
        raise UserError(ANOTHER.format(out))


def check_told(out: Path) -> None:
    """Refuse to distil a run's model that is not yet what its U-Net has learnt.

    Raises:
        UserError: it was ended between its last checkpoint and the model.
    """
    found, _ = checkpoint.newest(out / "diffusion")
    if found is not None and seen_by(out / "model") != found.facts["step"] * found.facts["batch"]:
        raise UserError(
            f"{out / 'model'} is not yet what the U-Net has learnt; run without --tasks, or with --tasks diffusion "
            "first"
        )


def locked(out: Path) -> FileLock:
    """Make the folder, keep a second training out of it for as long as this process lives, and note in it which one
    that is.

    Raises:
        UserError: another training is there, or it cannot be written; or this process, one of several, does not see
            what the first one wrote.
    """
    lock = FileLock(out / ".lock")
    if not here().main:  # the first one has it
        if not (out / RUN).is_file():
            raise UserError(f"{out} is another folder here than where the first process is: all need one shared folder")
        return lock
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(ANOTHER.format(out)) from None
    except OSError as error:
        raise UserError(
            f"cannot write to {out}: {error.strerror or error}; take an --out that you may write to, where there is "
            "room"
        ) from error
    sweep(out)
    note_process(out)
    return lock


def accelerator(out: Path) -> Any:
    """Device choice and, once :func:`curves` asks for them, TensorBoard's curves: Hugging Face accelerate.

    It would take whatever accelerates here, an M processor's GPU, too ("mps"). Nothing of this was ever trained on
    others than CUDA's, so those are left alone.

    Raises:
        UserError: the packages for training are missing.
    """
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise missing_packages("training needs more packages", "train") from error
    cpu = not torch.cuda.is_available()
    other = torch.accelerator.current_accelerator(check_available=True) if cpu else None
    if other is not None:
        said = f"training on the CPU: this machine's {other.type} is not used, since nothing was ever tried on it"
        Console(stderr=True).print(said, style="yellow", highlight=False, soft_wrap=True)
    # The run decides on number formats, and not a launcher.
    return Accelerator(mixed_precision="no", cpu=cpu, log_with="tensorboard", project_dir=out / "curves")


def curves(accelerator: Any) -> TensorBoard:
    """Curves in the run's folder; call once the folder is a run's.

    Raises:
        UserError: they cannot be written.
    """
    try:
        accelerator.init_trackers("fromnoise")
    except OSError as error:
        raise UserError(
            f"cannot write the run's curves: {error.strerror or error}; free some space and run again"
        ) from error
    return TensorBoard(accelerator)


class TensorBoard:
    """Curves and sheets over pictures seen, so that runs with other batch sizes lie over each other."""

    def __init__(self, accelerator: Any) -> None:
        self._accelerator = accelerator

    def figures(self, values: dict[str, float], pictures: int) -> None:
        """Add a point to each named curve."""
        self._accelerator.log(values, step=pictures)

    def sheet(self, name: str, picture: Image.Image, pictures: int) -> None:
        """Add a picture."""
        shown = np.asarray(picture.convert("RGB"))[None]  # [1,H,W,3]
        self._accelerator.get_tracker("tensorboard").log_images({name: shown}, step=pictures, dataformats="NHWC")


def write_run(out: Path, facts: dict[str, Any], changed: list[str]) -> None:
    """Write ``run.json``: what a run is. It is written when the run begins, and when a call changes a setting by
    request, which it keeps a list of. Of several processes, the first one writes.
    """
    if not here().main:
        return
    if changed:
        facts = {**facts, "changed": [*facts.get("changed", []), changed]}
    write_atomically(out / RUN, json.dumps(facts, indent=1) + "\n")


def as_known(now: dict[str, Any], before: dict[str, Any], stored: dict[str, Any]) -> dict[str, Any]:
    """A recipe as ``run.json`` is to have it: what it did not know, and this call leaves alone, stays unsaid.

    Said once, they would differ from what a newer version takes for new runs, and every later call would have to say
    them, too.

    Args:
        now, before: the whole recipe after and before this call.
        stored: the one in ``run.json``.
    """
    known = {}
    for name, value in now.items():
        if isinstance(value, dict):
            inner = stored.get(name)
            part = as_known(value, before.get(name) or {}, inner if isinstance(inner, dict) else {})
            if part or name in stored:
                known[name] = part
        elif name in stored or value != before.get(name):
            known[name] = value
    return known
