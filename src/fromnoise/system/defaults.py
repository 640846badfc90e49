"""How models are best drawn with, and what our own folders say beyond the diffusers layout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from fromnoise.ground.config import Config
from fromnoise.ground.cores import native_bf16
from fromnoise.ground.errors import UserError
from fromnoise.ground.json_file import expect, shown
from fromnoise.ground.tensor_file import size_said
from fromnoise.weights.files import read_json, write_json

PRECISIONS = ("auto", "bf16", "fp32")
FACTS = "fromnoise.json"
FORMAT = 1  # of fromnoise.json
ANY_STYLE = "any"  # said in place of a style: none, also where the model has one of its own choice
COPIES = "copies.safetensors"  # what a model was trained on, to look for copies; carried along, read by evaluation
LORA = "lora.safetensors"  # in the folder of a LoRA's training
MAP = "map.safetensors"  # where its captions and pictures lie in CLIP space; carried along, read by inspection
LEARNING = "learning.safetensors"  # a small film of its training; carried along, read by inspection
MOST_LEARNING = 2**20  # bytes of that


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


@dataclass(frozen=True)
class Facts:
    """What our own folders say beyond the diffusers layout; a model from elsewhere has none of it.

    Attributes:
        styles: names of the styles it was trained on.
        defaults: how it is best drawn with.
        card: facts about the training, plain JSON.
        copies: what knows the training pictures.
        clip_map: where they and their captions lie in CLIP space.
        learning: a small film of the training; what is too large to be one is kept no further than it shows that.
        default_style: one of the styles, added to prompts that name none; "" adds nothing.
    """

    styles: tuple[str, ...] = ()
    defaults: Defaults = field(default_factory=Defaults)
    card: dict[str, Any] = field(default_factory=dict)
    copies: bytes | None = None
    clip_map: bytes | None = None
    learning: bytes | None = None
    default_style: str = ""


def check_default_style(style: str, styles: Sequence[str]) -> None:
    """Refuse a default style that no request could name, or that none could do without.

    Args:
        style: "" for none.
        styles: the model's.

    Raises:
        UserError: saying which styles there are.
    """
    if style and style not in styles:
        raise UserError(
            f"the default style '{style}' is none of the model's styles: {', '.join(styles) or 'it has none'}"
        )
    if style and ANY_STYLE in styles:
        raise UserError(f"a model with a style named '{ANY_STYLE}', which asks for none, cannot have a default style")


def read_facts(folder: Path) -> Facts:
    """What a folder says.

    Raises:
        UserError: it is damaged, or of another version.
    """
    file = folder / FACTS
    if not file.exists():
        return Facts()
    facts = read_json(file)
    if facts.get("format") != FORMAT:
        raise UserError(
            f"{file} has format {shown(facts.get('format'))}; this version reads {FORMAT}: update fromnoise"
        )
    copies, clip_map, learning = (_beside(folder / name) for name in (COPIES, MAP, LEARNING))
    styles, card = tuple(expect(facts, "styles", list[str], file)), expect(facts, "card", dict, file)
    style = "" if facts.get("default_style") is None else expect(facts, "default_style", str, file)
    try:
        check_default_style(style, styles)
        defaults = Defaults.from_dict(expect(facts, "defaults", dict, file))
    except UserError as error:
        raise UserError(f"{file} is damaged: {error}") from None
    return Facts(styles, defaults, card, copies, clip_map, learning, style)


def _beside(file: Path) -> bytes | None:
    """A file beside a model, as it is; None where there is none."""
    if not file.is_file():
        return None
    with file.open("rb") as opened:
        return opened.read(MOST_LEARNING + 1 if file.name == LEARNING else _size_of(file) + 1)


def _size_of(file: Path) -> int:
    """Bytes that a file has by its header; few of one that is none, which shows that as well as all of them would."""
    try:
        return size_said(file)
    except UserError:
        return 64


def write_facts(folder: Path, facts: Facts) -> None:
    """Write what :func:`read_facts` reads.

    Raises:
        UserError: a default style that is none.
    """
    check_default_style(facts.default_style, facts.styles)
    for name, beside in ((COPIES, facts.copies), (MAP, facts.clip_map), (LEARNING, facts.learning)):
        if beside is not None:
            (folder / name).write_bytes(beside)
    said = {"default_style": facts.default_style} if facts.default_style else {}
    known = {"styles": list(facts.styles), **said, "defaults": facts.defaults.to_dict(), "card": facts.card}
    write_json(folder / FACTS, {"format": FORMAT, **known})
