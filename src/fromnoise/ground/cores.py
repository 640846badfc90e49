"""Work spread over the CPU's cores, one thread for each piece, or all cores for one piece."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")
_LOCK = threading.Lock()
_MOST = sys.maxsize  # cores that this process takes, whatever it may use


def each_alone(function: Callable[..., T], calls: Sequence[tuple[Any, ...]]) -> list[T]:
    """Run ``function(*call)`` for every call, each on one thread, side by side; return the answers in order.

    Tensors among the arguments are copied first: what a matrix product rounds may depend on where in memory its
    input begins, and a fresh tensor always begins at a 64-byte boundary.

    Args:
        function: called without gradients.
        calls: positional arguments of each call.
    """
    with _LOCK:
        pool = _pool(os.getpid())
    futures = [pool.submit(_alone, function, call) for call in calls]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:  # after an error or Ctrl-C nobody waits for the rest
            future.cancel()


def _alone(function: Callable[..., T], call: tuple[Any, ...]) -> T:
    with torch.inference_mode():
        return function(*(x.clone() if isinstance(x, Tensor) else x for x in call))


@functools.lru_cache(maxsize=1)
def _pool(process: int) -> ThreadPoolExecutor:
    """Return this process's workers, one per core we may use, each with one thread for its own matrix products.

    ``process`` is only there because a fork copies the pool's bookkeeping but not its threads.
    """
    workers = available_cores()
    before = torch.get_num_threads()
    ready = threading.Barrier(workers + 1)

    def start() -> None:
        torch.get_num_threads()  # takes the process's default, which would otherwise happen after the next line
        torch.set_num_threads(1)
        ready.wait()

    pool = ThreadPoolExecutor(workers, thread_name_prefix="fromnoise-picture")
    for _ in range(workers):
        pool.submit(start)
    ready.wait()
    # The setting is per thread, but new threads begin with the one that was set last: give them theirs back.
    torch.set_num_threads(before)
    return pool


def available_cores() -> int:
    """Return how many cores this process may use, which in a container is fewer than the machine has.

    Processes that a launcher such as ``torchrun`` has started beside each other share them.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    beside = os.environ.get("LOCAL_WORLD_SIZE", "")
    return max(1, min(_MOST, cores // max(1, int(beside) if beside.isdigit() else 1)))


def use_at_most(cores: int) -> None:
    """Leave the other cores to others from now on: one of several workers on a machine. Call before anything is drawn,
    since the threads that pictures are spread over are started once.
    """
    global _MOST
    _MOST = cores
    torch.set_num_threads(available_cores())


# What environment variables can limit the CPU's instructions to, so that it multiplies no bf16 any more.
AVX = ("sse41", "avx", "avx2", "avx2_vnni", "avx2_vnni_2")
BELOW_BF16 = (*AVX, "avx512_mic", "avx512_mic_4ops", "avx512_core", "avx512_core_vnni")


def native_bf16() -> bool:
    """Whether this CPU multiplies bf16 numbers in hardware (AVX512-BF16 or AMX), and is allowed to.

    ``ATEN_CPU_CAPABILITY`` limits torch's own kernels, ``ONEDNN_MAX_CPU_ISA`` (of old, ``DNNL_MAX_CPU_ISA``) those that
    multiply matrices. Without the instructions bf16 is emulated, which is slower than fp32.
    """
    aten = os.environ.get("ATEN_CPU_CAPABILITY", "").lower()
    if aten and not aten.startswith(("avx512", "amx")):
        return False
    onednn = os.environ.get("ONEDNN_MAX_CPU_ISA") or os.environ.get("DNNL_MAX_CPU_ISA") or ""
    return onednn.lower() not in BELOW_BF16 and _cpu_has_bf16()


def cpu_class() -> str:
    """What figures of speed are named by: "AMX", "AVX512-BF16", "AVX512", "AVX2", or "other" (ARM, very old CPUs).

    As far as this process may use it: see :func:`native_bf16`.
    """
    vectors = torch.backends.cpu.get_cpu_capability()  # of torch's kernels, which ATEN_CPU_CAPABILITY limits
    if native_bf16():
        amx = hasattr(torch.cpu, "_is_amx_tile_supported") and torch.cpu._is_amx_tile_supported()
        return "AMX" if amx else "AVX512-BF16"
    return vectors if vectors in ("AVX512", "AVX2") else "other"


def _cpu_has_bf16() -> bool:
    cpu = torch.cpu  # whose private names come and go
    avx512 = hasattr(cpu, "_is_avx512_bf16_supported") and cpu._is_avx512_bf16_supported()
    return bool(avx512 or (hasattr(cpu, "_is_amx_tile_supported") and cpu._is_amx_tile_supported()))


def together(function: Callable[..., T], call: tuple[Any, ...]) -> T:
    """Run ``function(*call)`` once, with all cores for its matrix products, whatever torch is set to.

    On the calling thread: with a second team of OpenMP threads in the process, GNU OpenMP lets both fall asleep
    between products, and a step of drawing takes twice as long (17.5 instead of 8.7 ms).
    """
    before = torch.get_num_threads()
    torch.set_num_threads(available_cores())
    try:
        return _alone(function, call)
    finally:
        torch.set_num_threads(before)


def give_back_memory() -> None:
    """Return freed memory to the system, where the C library (glibc) would keep it scattered between what is in use."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError, AttributeError):  # musl has no malloc_trim
            ctypes.CDLL(None).malloc_trim(0)
