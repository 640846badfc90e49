"""When Python looks for rings of objects that nobody holds: not while a process starts, and not while it ends.

Importing torch makes 300,000 objects that stay for as long as the process lives. Looking through them again and again
on the way, and once more at the end, takes half a second in which nothing is found.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collecting() -> Iterator[None]:
    """Do what makes many objects that stay, such as imports, without looking for rings among them."""
    before = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if before:
            gc.enable()


def end_without_collecting() -> None:
    """Let the process end without a last look at all its objects; the system takes its memory back as it is.

    Nothing else is left out: threads are waited for, files are closed, whoever asked to be called is called.
    """
    gc.freeze()
