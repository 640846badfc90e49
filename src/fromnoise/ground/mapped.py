"""Arrays in files that are used in place: of one that is larger than memory, only what is asked for is there.

A mapped array is a tensor like any other. What was read of it stays in the process until the system needs the room;
here it is let go at once, so that a process's size tells what it needs.
"""

from __future__ import annotations

import mmap
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

RESIDENT = 2 * 2**30  # bytes of an array that is copied to an accelerator as a whole
_DTYPES = {torch.uint8: np.uint8, torch.float32: np.float32}
_MAPS: weakref.WeakValueDictionary[int, mmap.mmap] = weakref.WeakValueDictionary()


def mapped(file: Path, shape: tuple[int, ...], dtype: torch.dtype, offset: int = 0) -> Tensor:
    """A tensor of a file's bytes, from an offset on. What is written into it is not written into the file.

    Args:
        file: holds the numbers one after the other, as this machine has them in memory.
        shape: of the tensor.
        dtype: torch.uint8 or torch.float32.
        offset: where it begins, in bytes.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is too short.
    """
    count = int(np.prod(shape))
    if not count:
        return torch.empty(shape, dtype=dtype)
    with file.open("rb") as opened:
        memory = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    found = torch.from_numpy(np.frombuffer(memory, _DTYPES[dtype], count, offset).reshape(shape))
    _MAPS[found.untyped_storage().data_ptr()] = memory
    return found


def rows(array: Tensor, indices: Tensor, device: torch.device | str = "cpu") -> Tensor:
    """Some rows of an array, mapped or not, on a device."""
    found = array[indices.to(array.device)]
    release(array)
    return found.to(device)


def parts(array: Tensor, size: int) -> Iterator[Tensor]:
    """An array in pieces of so many rows, one after the other; of a mapped one, no more than that is there."""
    for part in array.split(size):
        yield part
        release(array)


def placed(array: Tensor, device: torch.device | str) -> Tensor:
    """An array on a device; where it is too large for that, as it is."""
    return array if array.numel() * array.element_size() > RESIDENT else array.to(device)


def release(array: Tensor) -> None:
    """Let go what was read of a mapped array, or of the array that this one is a part of."""
    memory = _MAPS.get(array.untyped_storage().data_ptr())
    if memory is not None and hasattr(mmap, "MADV_DONTNEED"):
        memory.madvise(mmap.MADV_DONTNEED)
