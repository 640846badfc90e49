"""Old ``.ckpt`` files: pickles, opened only when asked for, and then as tensors alone."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from fromnoise.ground.errors import UserError, one_line

SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")
GLOBAL = re.compile(r"GLOBAL (\S+) (?:was not an allowed global|whose module)")  # what torch says of what it refuses
REASON = re.compile(r"WeightsUnpickler error:\s*(.*)")
# What Lightning and others save beside the weights. None of their code is run: a class of ours stands in for theirs.
LIGHTNING = ("pytorch_lightning.", "lightning.", "lightning_fabric.", "lightning_utilities.", "torchmetrics.")
BOOKKEEPING = (*LIGHTNING, "omegaconf.", "numpy.", "argparse.Namespace", "pathlib.", "collections.", "typing.")
SAFE_SINCE = (2, 6)  # before, weights_only could be made to run code (CVE-2025-32434)


@contextmanager
def as_safetensors(source: Path, allow_pickle: bool) -> Iterator[Path]:
    """Give the path of a model that is no pickle: ``source`` itself, or a temporary copy of its tensors.

    Args:
        source: any model; only files whose name ends like a pickle's are touched.
        allow_pickle: open them, with ``weights_only``, which knows tensors and plain containers and runs nothing.

    Raises:
        UserError: a pickle and no permission, a torch too old to be safe, more in it than tensors, or no room for the
            copy.
    """
    if source.suffix.lower() not in SUFFIXES or not source.is_file():
        yield source
        return
    if not allow_pickle:
        raise UserError(f"{source} is a pickle, which can run code; --allow-pickle reads its tensors and runs nothing")
    state = _tensors(source)
    with _temporary_folder(source) as folder:
        copy = folder / f"{source.stem}.safetensors"
        try:
            save_file({name: x.contiguous().clone() for name, x in state.items()}, copy)
        except (OSError, SafetensorError) as error:
            raise _no_room(source, error) from None
        del state
        yield copy


@contextmanager
def _temporary_folder(source: Path) -> Iterator[Path]:
    try:
        folder = tempfile.TemporaryDirectory()
    except OSError as error:
        raise _no_room(source, error) from None
    with folder as name:
        yield Path(name)


def _no_room(source: Path, error: Exception) -> UserError:
    place, size = os.environ.get("TMPDIR") or "the temporary folder", source.stat().st_size / 2**30
    return UserError(
        f"cannot copy the tensors of {source} to {place}: {one_line(str(error))}; set TMPDIR to a folder with "
        f"{size:.1f} GiB of room"
    )


def _tensors(file: Path) -> dict[str, Tensor]:
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < SAFE_SINCE:
        raise UserError(f"torch {torch.__version__} cannot read pickles safely; update it to 2.6 or newer")
    found: Any = _read(file)
    found = found.get("state_dict", found) if isinstance(found, dict) else {}
    found = found if isinstance(found, dict) else {}
    state = {str(name): x for name, x in found.items() if isinstance(x, Tensor)}
    if not state:
        raise UserError(f"{file} holds no weights")
    return state


class Ignored:
    """Stands in for a trainer's own objects beside the weights: it takes anything, does nothing, and is dropped."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


class IgnoredDict:
    """The same for their dictionaries, which must be of a kind that torch fills."""

    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        """An empty one, whatever it is made of."""
        return OrderedDict()


def _read(file: Path) -> Any:
    """What a pickle holds, by weights_only, with bookkeeping of known trainers left out.

    Raises:
        UserError: anything else than tensors, plain containers and that; it is named.
    """
    ignored: list[Any] = []
    with contextlib.suppress(Exception):  # all at once where that can be told beforehand, so that it is read once
        listed = torch.serialization.get_unsafe_globals_in_checkpoint(file)
        ignored = [_stand_in(name) for name in listed if name.startswith(BOOKKEEPING)]
    while True:
        try:
            with torch.serialization.safe_globals(ignored):
                return torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # unpickling damaged or hostile files raises whatever it likes
            name = next(iter(GLOBAL.findall(str(error))), "")
            if not name.startswith(BOOKKEEPING) or any(name == known for _, known in ignored):
                raise UserError(_refusal(file, name, error)) from None
            ignored.append(_stand_in(name))


def _stand_in(name: str) -> tuple[type, str]:
    return (IgnoredDict if name.lower().endswith("dict") else Ignored), name


def _refusal(file: Path, name: str, error: Exception) -> str:
    """Why a pickle is not opened, without torch's advice to open it all the same."""
    if name:
        return f"{file} holds more than tensors, '{one_line(name)[:80]}', which could run code; it is not opened"
    found = REASON.search(str(error))
    text = "" if "weights_only" in str(error) else str(error)  # what is left of it is advice
    reason = (found[1] if found else text).strip().split("\n")[0]
    why = one_line(reason)[:160] or type(error).__name__
    return f"{file} holds more than tensors, or is damaged; it is not opened: {why}"
