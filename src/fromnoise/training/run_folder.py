"""A run's folder: who may write to it, and whether it is what it should be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from fromnoise.ground.errors import UserError, missing_packages
from fromnoise.ground.whole import write_atomically
from fromnoise.training.recipe import Recipe


def check_earlier(out: Path, tasks: tuple[str, ...], begun: bool = False) -> None:
    """Refuse to train the U-Net, or to distil it, where what that needs is neither there nor asked for.

    A run that has ``begun`` with a model has its CLIP and VAE.
    """
    if "distill" in tasks and "diffusion" not in tasks and not (out / "model" / "model_index.json").exists():
        raise UserError(f"{out} has no trained model yet; run without --tasks, or with --tasks diffusion first")
    for name in ("clip", "vae") if "diffusion" in tasks and not begun else ():
        if name not in tasks and not list((out / name).glob("step-*")):
            raise UserError(f"{out} has no trained {name} yet; run without --tasks, or with --tasks {name} first")


def check_same(before: Recipe, now: Recipe, out: Path) -> None:
    """A run may go on with more pictures or other intervals, never with another network or other data."""
    for name, a, b in (
        ("seed", before.seed, now.seed),
        ("start_from", before.start_from, now.start_from),
        ("data", before.data, now.data),
        ("clip", replace(before.clip, loop=now.clip.loop), now.clip),
        ("vae.model", before.vae.model, now.vae.model),
        ("diffusion.model", before.diffusion.model, now.diffusion.model),
    ):
        if a != b:
            raise UserError(f"{out} was started with another '{name}'; give the same settings or a new --out")


def locked(out: Path) -> FileLock:
    """Keep a second training out of the folder for as long as this process lives."""
    lock = FileLock(out / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(f"another training is writing to {out}; stop it first, or use a new --out") from None
    return lock


def accelerator(out: Path) -> Any:
    """Device choice and TensorBoard curves, through Hugging Face accelerate."""
    try:
        from accelerate import Accelerator
    except ImportError as error:
        raise missing_packages("training needs more packages", "train") from error
    accelerator = Accelerator(log_with="tensorboard", project_dir=out / "curves")
    accelerator.init_trackers("fromnoise")
    return accelerator


def write(file: Path, text: str) -> None:
    """Write a line of text, whole or not at all."""
    write_atomically(file, text + "\n")
