"""What is built once and kept must be the same whoever asks first."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def whatever_the_caller_set() -> Iterator[None]:
    """Build something that is kept for the whole process, untouched by how its first user happened to call.

    Tensors made inside ``inference_mode`` can never be trained with, so an evaluation that asks first would break the
    training that asks second; a default device or number format would last just as long. And random first weights,
    which are overwritten or forgotten, must not move the caller's random numbers on: the second call would not.
    """
    before = torch.get_default_dtype()
    with torch.inference_mode(False), torch.device("cpu"), torch.random.fork_rng(devices=[]):
        torch.set_default_dtype(torch.float32)
        torch.default_generator.manual_seed(0)
        try:
            yield
        finally:
            torch.set_default_dtype(before)
