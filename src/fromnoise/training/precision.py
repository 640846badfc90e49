"""The number format of a training: decided once by what the machine can do, and kept by the run.

bf16 is twice as fast as fp32 on a CPU that multiplies it in hardware and several times *slower* on one that does not.
That is asked of the CPU and not of a stopwatch: another program beside the first seconds must not decide in which
numbers a run computes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from fromnoise.ground.cores import native_bf16
from fromnoise.ground.errors import UserError

FORMATS = {"bf16": torch.bfloat16, "fp32": torch.float32}
STORED = {"bfloat16": "bf16", "float32": "fp32"}  # as ``run.json`` calls them
SETTINGS = ("auto", *FORMATS)


@dataclass(frozen=True)
class Choice:
    """The number format and memory layout to train with, and why."""

    name: str
    reason: str
    channels_last: bool = True

    @property
    def dtype(self) -> torch.dtype:
        """The format of the network's weights and of what it computes."""
        return FORMATS[self.name]

    def to_facts(self) -> dict[str, Any]:
        """What a run stores of it."""
        return {
            "dtype": str(self.dtype).removeprefix("torch."), "channels_last": self.channels_last, "why": self.reason
        }  # fmt: skip


def check(setting: str) -> None:
    """Raise ``UserError`` unless ``setting`` is one that :func:`choose` knows."""
    if setting not in SETTINGS:
        raise UserError(f"precision must be auto, bf16 or fp32, not '{setting}'")


def choose(device: torch.device, setting: str = "auto") -> Choice:
    """Pick the training format for a device.

    Args:
        device: where the run trains.
        setting: "auto" takes bf16 where the hardware multiplies it; "bf16" and "fp32" are taken as given.

    Raises:
        UserError: an unknown setting.
    """
    check(setting)
    if setting != "auto":
        return Choice(setting, "set by the recipe")
    where = "CPU" if device.type == "cpu" else "GPU"
    if fast(device):
        return Choice("bf16", f"this {where} multiplies bf16 in hardware")
    return Choice("fp32", f"this {where} does not multiply bf16 in hardware")


def as_begun(facts: dict[str, Any]) -> Choice:
    """The format that a run began with, from what it stored, whatever this machine would choose.

    Raises:
        KeyError: the run has stored no format that this version knows.
    """
    return Choice(STORED[facts["dtype"]], "as this run began", bool(facts["channels_last"]))


def fast(device: torch.device) -> bool:
    """Whether a device multiplies bf16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and native_bf16()


def warning(choice: Choice, device: torch.device) -> str:
    """One line for a run whose format is slow here, else ""."""
    if choice.name != "bf16" or fast(device):
        return ""
    return (
        "bf16 is computed in software on this machine, several times slower than fp32. A run keeps its format; "
        "a new --out with --set precision=fp32 would be faster"
    )
