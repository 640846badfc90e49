"""How models are best drawn with, and what our own folders say beyond the diffusers layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fromnoise.ground.config import Config
from fromnoise.ground.cores import native_bf16
from fromnoise.ground.errors import UserError
from fromnoise.weights.files import read_json, write_json

PRECISIONS = ("auto", "bf16", "fp32")
FACTS = "fromnoise.json"
FORMAT = 1  # of fromnoise.json
COPIES = "copies.safetensors"  # what a model was trained on, to look for copies; carried along, read by evaluation


@dataclass(frozen=True)
class Defaults(Config):
    """How a model is best drawn with; a request may say otherwise.

    Attributes:
        steps: moves of the sampler.
        guidance: scale of classifier-free guidance; 1 = off.
        interval: (lowest, highest) t at which guidance acts.
        rescale: 0..1, how far the contrast that guidance adds is taken back.
        sampler: name of the sampler.
        spacing: how the steps are spread over t: "trailing" or "log_snr".
    """

    steps: int = 20
    guidance: float = 3.0
    interval: tuple[int, int] = (60, 850)
    rescale: float = 0.5
    sampler: str = "dpm++"
    spacing: str = "log_snr"


def elsewhere(sampler: str, spacing: str) -> Defaults:
    """What models from elsewhere are usually drawn with; beyond the sampler they do not say."""
    steps, guidance = (4, 1.0) if sampler == "lcm" else (20, 7.5)
    return Defaults(steps, guidance, interval=(0, 1000), rescale=0.0, sampler=sampler, spacing=spacing)


def drawing_format(precision: str) -> torch.dtype:
    """The number format that "auto", "bf16" or "fp32" means on this CPU.

    Raises:
        UserError: an unknown precision.
    """
    if precision not in PRECISIONS:
        raise UserError(f"--precision must be one of {', '.join(PRECISIONS)}, not '{precision}'")
    return torch.bfloat16 if precision == "bf16" or (precision == "auto" and native_bf16()) else torch.float32


def in_hardware(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether a device multiplies numbers of a format in hardware. CPUs are not asked for float16, which few have."""
    if device.type != "cpu":
        return True
    return native_bf16() if dtype == torch.bfloat16 else dtype != torch.float16


def slow_format(precision: str, device: torch.device) -> str:
    """A sentence where drawing in "bf16" or "fp32" is slow on a device, else ""."""
    if in_hardware(torch.bfloat16 if precision == "bf16" else torch.float32, device):
        return ""
    return "drawing in bf16, which this CPU computes in software, many times slower than fp32"


def read_facts(folder: Path) -> tuple[tuple[str, ...], Defaults, dict[str, Any], bytes | None]:
    """Return (styles, defaults, card, what knows the training pictures); a model from elsewhere has none of them."""
    file = folder / FACTS
    if not file.exists():
        return (), Defaults(), {}, None
    facts = read_json(file)
    if facts.get("format") != FORMAT:
        raise UserError(f"{file} has format {facts.get('format')!r}; this version reads {FORMAT}: update fromnoise")
    try:
        copies = (folder / COPIES).read_bytes() if (folder / COPIES).is_file() else None
        return tuple(facts["styles"]), Defaults.from_dict(facts["defaults"]), dict(facts["card"]), copies
    except (KeyError, TypeError, AttributeError, UserError) as error:
        raise UserError(f"{file} is damaged: {error}") from None


def write_facts(
    folder: Path, styles: Sequence[str], defaults: Defaults, card: dict[str, Any], copies: bytes | None = None
) -> None:
    """Write what :func:`read_facts` reads."""
    if copies is not None:
        (folder / COPIES).write_bytes(copies)
    facts = {"styles": list(styles), "defaults": defaults.to_dict(), "card": card}
    write_json(folder / FACTS, {"format": FORMAT, **facts})
