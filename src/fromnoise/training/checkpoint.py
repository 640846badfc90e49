"""Checkpoints that survive ``kill -9``, also in the middle of being written.

A checkpoint is a folder ``step-00001200`` with safetensors files and ``state.json``. It is written under a
temporary name, flushed to the disk and renamed, so a folder with its final name is always whole; checksums in
``state.json`` catch a disk that lied. Nothing is pickled. The files hold a group of tensors each, or where weights are
sharded (:mod:`fromnoise.training.sharded`) a process's parts of all.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from fromnoise.ground.errors import UserError, one_line
from fromnoise.ground.json_file import expect, read_object
from fromnoise.ground.whole import whole_folder

Tensors = dict[str, Tensor]


@dataclass(frozen=True)
class Checkpoint:
    """What a run needs to go on: named groups of tensors (weights, ema, optimizer) and plain facts."""

    groups: dict[str, Tensors]
    facts: dict[str, Any]


def save(folder: Path, step: int, checkpoint: Checkpoint, keep: int = 2) -> Path:
    """Write ``folder/step-…`` atomically and drop all but the newest ``keep``.

    Raises:
        UserError: the disk is full or the folder cannot be written; older checkpoints stay.
    """
    with written(folder, step, keep) as draft:
        for name, tensors in checkpoint.groups.items():
            whole = {key: value.detach().cpu().contiguous() for key, value in tensors.items()}
            save_file(whole, draft / f"{name}.safetensors")
        seal(draft, checkpoint.facts)
    return folder / f"step-{step:08d}"


@contextmanager
def written(folder: Path, step: int, keep: int = 2) -> Iterator[Path]:
    """Give a draft to write to and to :func:`seal`, which becomes ``folder/step-…``; see :func:`save`."""
    target = folder / f"step-{step:08d}"
    for left in folder.glob(".step-*.tmp"):  # of a run that was killed while it saved; a run has one writer
        shutil.rmtree(left, ignore_errors=True)
    try:
        with whole_folder(target, what="the checkpoint") as draft:
            yield draft
        _sync(folder)
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write a checkpoint to {folder}: {error}; free some space and run again") from error
    for old in _steps(folder)[keep:]:
        if old != target:
            shutil.rmtree(old, ignore_errors=True)


def seal(draft: Path, facts: dict[str, Any], sharded: bool = False) -> None:
    """Add to a draft's safetensors files what they are and their checksums, and wait until all is on the disk."""
    sums = {}
    for file in sorted(draft.glob("*.safetensors")):
        sums[file.stem] = _checksum(file)
        _sync(file)
    state = draft / "state.json"
    state.write_text(json.dumps({"facts": facts, "sha256": sums, **({"sharded": True} if sharded else {})}, indent=1))
    _sync(state)
    _sync(draft)


def newest(
    folder: Path, set_aside: bool = False, read: Callable[[Path], dict[str, Tensors]] | None = None
) -> tuple[Checkpoint | None, list[str]]:
    """Load the newest whole checkpoint.

    Args:
        folder: of a task.
        set_aside: rename damaged ones that were passed over, so that none of them is taken for newer than what is
            written next; only for who has the run's folder to himself.
        read: takes what is wanted of a sharded checkpoint; None takes all of it.

    Returns:
        The checkpoint (None when there is none) and a line about each damaged one that was passed over.

    Raises:
        UserError: there are checkpoints, and none can be read. They are left as they are.
    """
    damaged: list[tuple[Path, str]] = []
    for path in _steps(folder):
        try:
            found = _load(path, read or read_shards)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError, UserError) as error:
            damaged.append((path, one_line(str(error))))
            continue
        lines = [f"{path} is damaged ({why}); going back to the one before" for path, why in damaged]
        if set_aside:
            lines = [_aside(path, line) for (path, _), line in zip(damaged, lines, strict=True)]
        return found, lines
    if damaged:
        raise UserError(
            f"no checkpoint in {folder} can be read ({damaged[0][0].name}: {damaged[0][1]}); bring them back from a "
            f"copy; to begin anew use a new --out, or move {folder} away"
        )
    return None, []


def _aside(path: Path, line: str) -> str:
    """Rename a damaged checkpoint to a name that is no checkpoint's, and say so."""
    names = (path.with_name(f"damaged-{path.name}{f'-{i}' if i else ''}") for i in itertools.count())
    target = next(name for name in names if not name.exists())
    try:
        path.rename(target)
    except OSError:
        return line
    return f"{line}, and it is now called {target.name}"


def _load(path: Path, read: Callable[[Path], dict[str, Tensors]]) -> Checkpoint:
    state = read_object(path / "state.json")
    groups = {}
    for name, expected in expect(state, "sha256", dict[str, str], "state.json").items():
        file = path / f"{name}.safetensors"
        if _checksum(file) != expected:
            raise ValueError(f"{file.name} does not match its checksum")
        if not state.get("sharded"):
            groups[name] = load_file(file)
    facts = expect(state, "facts", dict, "state.json")
    for name in ("step", "batch"):
        expect(facts, name, int, "state.json")
    expect(facts, "elapsed", float, "state.json", 0.0)
    return Checkpoint(read(path) if state.get("sharded") else groups, facts)


def _whole(name: str, size: torch.Size, dtype: torch.dtype) -> Tensor:
    return torch.empty(size, dtype=dtype)


def read_shards(path: Path, part: Callable[[str, torch.Size, torch.dtype], Tensor] = _whole) -> dict[str, Tensors]:
    """Groups of tensors of a sharded checkpoint.

    Args:
        path: of the checkpoint.
        part: gives for a tensor's name, shape and format what is to be filled: a whole tensor, or a sharded one.
    """
    import torch.distributed.checkpoint as dcp

    reader = dcp.HuggingFaceStorageReader(str(path))
    found: Tensors = {}
    about: Any
    for key, about in reader.read_metadata().state_dict_metadata.items():
        found[key] = part(key.partition("/")[2], about.size, about.properties.dtype)
    with warnings.catch_warnings():  # that there is one process alone, as is asked for
        warnings.simplefilter("ignore", UserWarning)
        dcp.load(found, storage_reader=reader, no_dist=True)
    groups: dict[str, Tensors] = {}
    for key, tensor in found.items():
        group, _, name = key.partition("/")
        groups.setdefault(group, {})[name] = tensor
    return groups


def _steps(folder: Path) -> list[Path]:
    return sorted(folder.glob("step-*"), reverse=True) if folder.is_dir() else []


def _checksum(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Wait until a file or a folder's list of names is on the disk. Not every file system does that for folders."""
    if path.is_dir():
        with contextlib.suppress(OSError):
            _sync_open(path, os.O_RDONLY)
        return
    _sync_open(path, os.O_RDWR)  # Windows syncs what may be written only


def _sync_open(path: Path, how: int) -> None:
    handle = os.open(path, how)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
