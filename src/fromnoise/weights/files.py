"""Reading and writing the files of a model folder, so that whatever is wrong is said with the file's name."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.overrides import TorchFunctionMode

from fromnoise.errors import UserError

State = dict[str, Tensor]


def read_json(file: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises:
        UserError: the file is missing, unreadable, or not a JSON object.
    """
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{file} is missing; the folder is not a whole model") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{file} cannot be read as JSON: {error}") from None
    if not isinstance(values, dict):
        raise UserError(f"{file} should hold a JSON object")
    return values


def write_json(file: Path, values: Mapping[str, Any]) -> None:
    """Write an object as indented JSON, making the folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_weights(folder: Path, stem: str) -> tuple[Path, State]:
    """Return the safetensors file of a part of a model and its tensors, as float32.

    Args:
        folder: e.g. ``model/unet``.
        stem: e.g. "diffusion_pytorch_model"; a ".fp16" variant is taken where there is no other.

    Raises:
        UserError: no such file (a pickled one is named but never opened), or a damaged one.
    """
    found = [file for ending in ("", ".fp16") if (file := folder / f"{stem}{ending}.safetensors").is_file()]
    if not found:
        pickled = next(folder.glob("*.bin"), None)
        hint = f"; {pickled.name} is a pickle, which can run code: convert it to safetensors" if pickled else ""
        raise UserError(f"{folder / stem}.safetensors is missing{hint}")
    try:
        state = load_file(found[0])
    except (SafetensorError, OSError, ValueError) as error:
        if not os.access(found[0], os.R_OK):
            raise UserError(f"{found[0]} may not be read by this user") from None
        raise UserError(f"{found[0]} is damaged: {error}") from None
    # Copied even when it is float32 already: what is read lies wherever the file put it, and how a matrix product
    # rounds may depend on where in memory its inputs begin.
    return found[0], {k: x.to(torch.float32, copy=True) if x.is_floating_point() else x for k, x in state.items()}


def write_weights(file: Path, state: Mapping[str, Tensor], dtype: torch.dtype) -> None:
    """Write tensors as safetensors in ``dtype``, making the folder.

    Raises:
        UserError: a value that is not finite, or not in ``dtype``.
    """
    stored = {name: x.detach().to("cpu", dtype).contiguous() for name, x in state.items()}
    bad = [name for name, x in stored.items() if not bool(torch.isfinite(x).all())]
    if bad:
        raise UserError(f"cannot save {file.name}: '{bad[0]}' has values that {dtype} cannot hold")
    file.parent.mkdir(parents=True, exist_ok=True)
    # A tensor cut from another shares its memory, which the format refuses: each gets its own.
    file.touch()
    usual = file.stat().st_mode  # what the user's umask gives; safetensors makes files that only their owner can read
    save_file({name: x.clone() for name, x in stored.items()}, file, metadata={"format": "pt"})
    file.chmod(usual)


def check_state(file: Path, state: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    """Compare names and shapes.

    Raises:
        UserError: a tensor is missing, unknown or has another shape; the message names the file and the first one.
    """
    missing = [name for name in expected if name not in state]
    if missing:
        raise UserError(f"{file} does not fit its config.json: {len(missing)} tensors missing, first '{missing[0]}'")
    extra = sorted(name for name in state if name not in expected)
    if extra:
        raise UserError(f"{file} does not fit its config.json: {len(extra)} unknown tensors, first '{extra[0]}'")
    for name, shape in expected.items():
        if tuple(state[name].shape) != shape:
            got = tuple(state[name].shape)
            raise UserError(f"{file} does not fit its config.json: '{name}' is {got}, expected {shape}")


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
