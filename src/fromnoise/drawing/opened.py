"""Opening a model to draw with: its LoRAs, its number format, its few steps, its engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fromnoise import __version__, backends
from fromnoise.drawing.choice import Choice, kept_plan
from fromnoise.drawing.picture_file import Origin
from fromnoise.drawing.plan import Plan
from fromnoise.drawing.start import Start
from fromnoise.ground.collecting import without_collecting
from fromnoise.ground.cores import give_back_memory
from fromnoise.ground.errors import UserError
from fromnoise.system.defaults import LORA, drawing_format
from fromnoise.system.few_steps import with_few_steps
from fromnoise.system.opening import DEFAULT_MODEL
from fromnoise.system.text_to_image import TextToImage

# In a folder: of a training of ours, of diffusers, of peft.
LORA_FILES = (LORA, "pytorch_lora_weights.safetensors", "adapter_model.safetensors")


@dataclass(frozen=True)
class Opening:
    """Which model to open, and how.

    Attributes:
        place: a folder, a file, a name; None for the default model.
        loras: files, or file:weight.
        precision: "auto", "bf16", "fp32" to draw with, or "as stored", to be written again.
        prediction: "epsilon" or "v" for files that do not tell.
        backend: "torch", "openvino" or "openvino-int8": what computes.
        fast: draw in a few steps, with what lies in the model's ``few_steps/``.
    """

    place: Path | str | None = None
    loras: tuple[str, ...] = ()
    precision: str = "auto"
    prediction: str | None = None
    backend: str = "torch"
    fast: bool = False


def open_model(wanted: Opening) -> tuple[str, TextToImage]:
    """The model, ready to draw, and its name: what its card says, since every run's folder is called "model".

    Raises:
        UserError: there is no such model, it is damaged, or an option is none.
    """
    if wanted.prediction not in (None, "epsilon", "v"):
        raise UserError(f"--prediction is epsilon or v, not '{wanted.prediction}'")
    loras = [_lora(text) for text in wanted.loras]
    stored = wanted.precision == "as stored"
    with without_collecting():
        model = TextToImage.load(wanted.place, None if stored else drawing_format(wanted.precision), wanted.prediction)
    name = str(model.card.get("name") or Path(wanted.place or DEFAULT_MODEL).resolve().name)
    model = with_few_steps(model, loras) if wanted.fast else model.with_loras(loras)
    if wanted.backend != "torch":
        model = backends.apply(model, wanted.backend, wanted.precision)
        give_back_memory()  # of what the engine holds in its own way
        return name, model
    return name, model if stored else model.for_drawing(wanted.precision, keep=False)


def origin_of(
    made: Plan,
    name: str,
    model: TextToImage,
    opening: Opening,
    start: Start | None = None,
    index: int = 0,
    choice: Choice | None = None,
) -> Origin:
    """How one picture comes to be, as its file says it.

    Args:
        made: the plan of this one picture.
        name: of the model.
        model: what draws.
        opening: how it was opened.
        start: what the picture begins with.
        index: which picture of the batch, or which line of the prompts, it is.
        choice: how it was chosen among candidates.
    """
    return Origin(
        kept_plan(made, choice).request,
        name,
        model.hash,
        __version__,
        index,
        precision=model.precision,
        loras=names_of(opening.loras),
        start=start.digest if start else None,
        backend=opening.backend,
        fast=opening.fast,
        choice=choice,
    )


def names_of(loras: Iterable[str]) -> tuple[str, ...]:
    """What a picture's file says of LoRAs, each "file" or "file:weight": the same without folders."""
    return tuple(text.rpartition("/")[2] for text in loras)


def _lora(text: str) -> tuple[Path, float]:
    """File and weight of "file" or "file:weight"; a folder stands for the LoRA in it, as a training leaves it."""
    file, colon, weight = text.rpartition(":")
    if not colon or Path(text).exists():
        return _file_of(Path(text)), 1.0
    try:
        return _file_of(Path(file)), float(weight)
    except ValueError:
        if "/" in weight or "\\" in weight:  # C:\style.safetensors, which is not there
            return Path(text), 1.0
        raise UserError(f"--lora takes a file, or file:weight as style.safetensors:0.8, not '{text}'") from None


def _file_of(place: Path) -> Path:
    """A LoRA's file: the place itself, or what a training of ours, diffusers or peft has put there."""
    return next((place / name for name in LORA_FILES if (place / name).is_file()), place)
