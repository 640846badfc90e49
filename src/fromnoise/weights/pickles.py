"""Old ``.ckpt`` files: pickles, opened only when asked for, and then as tensors alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from fromnoise.ground.errors import UserError

SUFFIXES = (".ckpt", ".pt", ".pth", ".bin")
SAFE_SINCE = (2, 6)  # before, weights_only could be made to run code (CVE-2025-32434)


@contextmanager
def as_safetensors(source: Path, allow_pickle: bool) -> Iterator[Path]:
    """Give the path of a model that is no pickle: ``source`` itself, or a temporary copy of its tensors.

    Args:
        source: any model; only files whose name ends like a pickle's are touched.
        allow_pickle: open them, with ``weights_only``, which knows tensors and plain containers and runs nothing.

    Raises:
        UserError: a pickle and no permission, a torch too old to be safe, or more in it than tensors.
    """
    if source.suffix.lower() not in SUFFIXES or not source.is_file():
        yield source
        return
    if not allow_pickle:
        raise UserError(f"{source} is a pickle, which can run code; --allow-pickle reads its tensors and runs nothing")
    state = _tensors(source)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / f"{source.stem}.safetensors"
        save_file({name: x.contiguous().clone() for name, x in state.items()}, copy)
        del state
        yield copy


def _tensors(file: Path) -> dict[str, Tensor]:
    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    if version < SAFE_SINCE:
        raise UserError(f"torch {torch.__version__} cannot read pickles safely; update it to 2.6 or newer")
    try:
        found: Any = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling damaged or hostile files raises whatever it likes
        reason = str(error).strip().split("\n")[0][:160] or type(error).__name__
        raise UserError(f"{file} holds more than tensors, or is damaged; it is not opened: {reason}") from None
    found = found.get("state_dict", found) if isinstance(found, dict) else {}
    state = {str(name): x for name, x in found.items() if isinstance(x, Tensor)}
    if not state:
        raise UserError(f"{file} holds no weights")
    return state
