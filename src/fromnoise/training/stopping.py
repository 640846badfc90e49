"""Ctrl-C and SIGTERM as requests, which a training honours between two steps."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def stop_requests(patience: float) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C or SIGTERM into a request that is honoured between two steps.

    A second one ends the training at once, unless it comes within ``patience`` seconds.
    """
    asked, hurry = False, 0.0

    def ask(number: int, frame: Any) -> None:
        nonlocal asked, hurry
        if asked and time.monotonic() >= hurry:
            raise KeyboardInterrupt
        asked, hurry = True, hurry or time.monotonic() + patience

    signals = (signal.SIGINT, signal.SIGTERM)
    try:
        before = [signal.signal(s, ask) for s in signals]
    except ValueError:  # not the main thread: nothing to catch
        yield lambda: False
        return
    try:
        yield lambda: asked
    finally:
        for number, handler in zip(signals, before, strict=True):
            signal.signal(number, handler)
