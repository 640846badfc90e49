"""Keep freed memory in the process, and idle threads asleep: two settings that make CPU training several times faster.

glibc hands each large tensor's memory back to the kernel as soon as it is freed and has to fault it in again,
zeroed, for the next one. In a training step that happens hundreds of times. ``mallopt`` turns it off.

GNU OpenMP's threads spin while they wait. Beside any other busy process on a small machine, that steals the
very cores that the others wait for. With a small ``GOMP_SPINCOUNT`` they soon sleep; it is read when the library
loads, so it has to be in the environment before ``import torch``. Training takes its small loss for it; drawing does
so only where others are busy already, since waking a thread for each of a step's 300 small products doubles its time on
a quiet machine (``benchmarks/waiting.py``).
"""

from __future__ import annotations

import ctypes
import os
import sys

# Parameters of mallopt(3) from glibc's malloc.h.
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4
_HUGE = 2**31 - 1


def keep_freed_memory() -> bool:
    """Tell glibc's allocator to reuse freed memory instead of returning it. Returns whether that was possible."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return False
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _HUGE), (_M_TOP_PAD, 64 << 20))
    return all(mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings)


SPINS = "1000"  # a few microseconds


def let_idle_threads_sleep() -> None:
    """Set OpenMP's waiting policy, unless the user has chosen one. Call before torch is imported.

    Where several processes train together, torch's warnings about lost connections are left out: they are told in one
    line of our own.
    """
    if os.environ.get("WORLD_SIZE", "1") != "1":
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
