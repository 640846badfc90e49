"""Which number format trains fastest here? Measured, never guessed from CPU flags.

bf16 is twice as fast as fp32 on a CPU with AVX512-BF16 and several times *slower* on one without it, and which
memory layout wins differs between oneDNN builds. Two seconds of measuring at start-up settle it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

from fromnoise.ground.errors import UserError


@dataclass(frozen=True)
class Choice:
    """The number format and memory layout to train with, and why."""

    dtype: torch.dtype
    channels_last: bool
    reason: str

    @property
    def name(self) -> str:
        """Short name of the format, as accepted by the ``precision`` setting."""
        return "bf16" if self.dtype == torch.bfloat16 else "fp32"


SETTINGS = ("auto", "bf16", "fp32")


def check(setting: str) -> None:
    """Raise ``UserError`` unless ``setting`` is one that :func:`choose` knows."""
    if setting not in SETTINGS:
        raise UserError(f"precision must be auto, bf16 or fp32, not '{setting}'")


def choose(device: torch.device, setting: str = "auto") -> Choice:
    """Pick the training format for a device.

    Args:
        device: where the run trains.
        setting: "auto" measures; "bf16" and "fp32" are taken as given.

    Raises:
        UserError: an unknown setting.
    """
    check(setting)
    if setting != "auto":
        return Choice(torch.bfloat16 if setting == "bf16" else torch.float32, True, "set by the recipe")
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported()
        return Choice(torch.bfloat16 if fast else torch.float32, True, "the GPU supports bf16" if fast else "no bf16")
    return _measured(device)


def _measured(device: torch.device) -> Choice:
    formats = [(dtype, last) for dtype in (torch.float32, torch.bfloat16) for last in (False, True)]
    seconds = {f: _seconds(lambda f=f: _step(device, *f)) for f in formats}  # type: ignore[misc]
    (dtype, last), best = min(seconds.items(), key=lambda item: item[1])
    table = ", ".join(f"{_label(*f)} {s * 1e3:.1f} ms" for f, s in seconds.items())
    return Choice(dtype, last, f"{_label(dtype, last)} was fastest ({table})" if best else table)


def _label(dtype: torch.dtype, channels_last: bool) -> str:
    return ("bf16" if dtype == torch.bfloat16 else "fp32") + (" channels-last" if channels_last else "")


def _step(device: torch.device, dtype: torch.dtype, channels_last: bool) -> Callable[[], None]:
    """One forward and backward of a convolution and a matrix product, at the size of a small U-Net's blocks."""
    layout = torch.channels_last if channels_last else torch.contiguous_format
    conv = nn.Conv2d(192, 192, 3, padding=1).to(device, dtype).to(memory_format=layout)  # type: ignore[call-overload]
    linear = nn.Linear(192, 768).to(device, dtype)
    x = torch.randn(32, 192, 8, 8, device=device).to(dtype).to(memory_format=layout).requires_grad_()

    def run() -> None:
        hidden = conv(x).permute(0, 2, 3, 1).reshape(-1, 192)
        linear(hidden).sum().backward()

    return run


def _seconds(make: Callable[[], Callable[[], None]], budget: float = 0.4) -> float:
    """Median seconds of a call, after a warm-up in which kernels are built."""
    run = make()
    for _ in range(3):
        run()
    times: list[float] = []
    end = time.perf_counter() + budget
    while time.perf_counter() < end or len(times) < 3:
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]
