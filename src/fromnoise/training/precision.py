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
SET = "set by the recipe"
MUON = "muon_products"  # in ``run.json``


@dataclass(frozen=True)
class Choice:
    """The number formats and memory layout to train with, and why.

    Attributes:
        name: of the network's format, "bf16" or "fp32".
        reason: why that one.
        channels_last: layout of pictures and kernels.
        products: the format of Muon's products, "bf16" or "fp32"; those follow the machine where the network's format
            is set by the recipe.
    """

    name: str
    reason: str
    channels_last: bool = True
    products: str = "fp32"

    @property
    def dtype(self) -> torch.dtype:
        """The format of the network's weights and of what it computes."""
        return FORMATS[self.name]

    @property
    def of_muon(self) -> torch.dtype:
        """The format of Muon's products."""
        return FORMATS[self.products]

    def to_facts(self) -> dict[str, Any]:
        """What a run stores of it."""
        dtype, of_muon = (str(each).removeprefix("torch.") for each in (self.dtype, self.of_muon))
        return {"dtype": dtype, "channels_last": self.channels_last, "why": self.reason, MUON: of_muon}


def check(setting: str) -> None:
    """Raise ``UserError`` unless ``setting`` is one that :func:`choose` knows."""
    if setting == "fp16":
        raise UserError(
            "precision=fp16 is not trained in, since its range needs a scaled loss: take auto, which is bf16 where the "
            "machine multiplies it, else fp32"
        )
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
    best = _fastest(device)
    if setting != "auto":
        return Choice(setting, SET, products=best)
    where, does = "CPU" if device.type == "cpu" else "GPU", "multiplies" if best == "bf16" else "does not multiply"
    return Choice(best, f"this {where} {does} bf16 in hardware", products=best)


def as_begun(facts: dict[str, Any], device: torch.device) -> Choice:
    """The formats that a run began with, from what it stored, whatever this machine would choose.

    Earlier versions stored nothing of Muon's products, which followed the machine. Where that also chose the network's
    format, it is known by that; else the run is taken to be where it was.

    Args:
        facts: what the run stored.
        device: where it goes on.

    Raises:
        KeyError: the run has stored no format that this version knows.
    """
    name = STORED[facts["dtype"]]
    then = _fastest(device) if facts.get("why") == SET else name
    products = STORED[facts[MUON]] if MUON in facts else then
    return Choice(name, "as this run began", bool(facts["channels_last"]), products)


def fast(device: torch.device) -> bool:
    """Whether a device multiplies bf16 in hardware."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and native_bf16()


def _fastest(device: torch.device) -> str:
    return "bf16" if fast(device) else "fp32"


def warning(choice: Choice, device: torch.device, muon: bool = True) -> str:
    """One line for a run whose format is slow here, else "".

    Args:
        choice: how the run computes.
        device: where it trains.
        muon: whether any of its weights are Muon's.
    """
    if fast(device):
        return ""
    slow = "computed in software on this machine, several times slower than fp32. A run keeps its format; a new --out"
    if choice.name == "bf16":
        return f"bf16 is {slow} with --set precision=fp32 would be faster"
    if choice.products == "bf16" and muon:
        return f"Muon's products are bf16, as this run began, {slow} would be faster"
    return ""
