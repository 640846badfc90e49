"""Reading and writing the files of a model folder, so that whatever is wrong is said with the file's name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from fromnoise.ground.errors import UserError
from fromnoise.ground.json_file import read_object
from fromnoise.ground.whole import allow, whole_folder


def read_json(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        UserError: the file is missing, unreadable, or not a JSON object.
    """
    return read_object(file, "the folder is not a whole model")


def write_json(file: Path, values: Mapping[str, Any]) -> None:
    """Write an object as indented JSON, making the folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def write_weights(
    file: Path, state: Mapping[str, Tensor], dtype: torch.dtype | None, about: Mapping[str, str] | None = None
) -> None:
    """Write tensors as safetensors in ``dtype``, or as they are, making the folder; ``about`` goes into its head.

    Raises:
        UserError: a value that is not finite, or not in ``dtype``.
    """
    stored = {name: x.detach().to("cpu", dtype or x.dtype).contiguous() for name, x in state.items()}
    check_finite(file, stored)
    file.parent.mkdir(parents=True, exist_ok=True)
    # A tensor cut from another shares its memory, which the format refuses: each gets its own.
    file.touch()
    usual = file.stat().st_mode  # what the user's umask gives; safetensors makes files that only their owner can read
    save_file({name: x.clone() for name, x in stored.items()}, file, metadata={"format": "pt", **(about or {})})
    allow(file, usual)


def check_finite(file: Path, state: Mapping[str, Tensor]) -> None:
    """Raise ``UserError`` for a value that is not finite, or was not in the format of the file."""
    for name, x in state.items():
        wide = x.float() if x.dtype.itemsize == 1 else x  # of eight bits torch knows only how to widen them
        if not bool(torch.isfinite(wide).all()):
            raise UserError(f"cannot save {file.name}: '{name}' has values that {x.dtype} cannot hold")


@contextmanager
def replaced_folder(target: Path, mark: str) -> Iterator[Path]:
    """A model's folder, written whole or not at all (:func:`fromnoise.ground.whole.whole_folder`).

    Raises:
        UserError: the target holds something else, or cannot be written.
    """
    try:
        with whole_folder(target, mark) as draft:
            yield draft
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot write the model to {target}: {error}") from error


class _NoInitialisation(TorchFunctionMode):
    """Skips everything that fills a tensor in place: the stored weights will replace it."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        name = getattr(func, "__name__", "")
        if name.endswith("_") and not name.startswith("_") and name != "requires_grad_":
            return args[0] if args else next(iter((kwargs or {}).values()))
        return func(*args, **(kwargs or {}))


def empty(config: Any) -> Any:
    """Build a network whose tensors take no memory and no time, to be given the stored ones.

    Initialising tensors without memory would make torch import a second of Python decompositions.
    """
    with torch.device("meta"), _NoInitialisation():
        return config.build()
