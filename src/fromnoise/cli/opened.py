"""What commands open before they begin: models with their LoRAs, and pictures to start from."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from pathlib import Path

from fromnoise.drawing.generate import Request, complete
from fromnoise.drawing.start import Start, fitting_size, open_photo, start_from
from fromnoise.ground.cores import give_back_memory
from fromnoise.ground.errors import UserError, one_line
from fromnoise.system.few_steps import with_few_steps
from fromnoise.system.text_to_image import DEFAULT_MODEL, TextToImage, drawing_format


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


def load(wanted: Opening) -> tuple[str, TextToImage]:
    """The model, ready to draw, and its name: what its card says, since every run's folder is called "model"."""
    if wanted.prediction not in (None, "epsilon", "v"):
        raise UserError(f"--prediction is epsilon or v, not '{wanted.prediction}'")
    loras = [_lora(text) for text in wanted.loras]
    stored = wanted.precision == "as stored"
    model = TextToImage.load(wanted.place, None if stored else drawing_format(wanted.precision), wanted.prediction)
    if model.note:
        print(one_line(f"note: {model.note}"), file=sys.stderr)
    name = str(model.card.get("name") or Path(wanted.place or DEFAULT_MODEL).resolve().name)
    model = with_few_steps(model, loras) if wanted.fast else model.with_loras(loras)
    if wanted.backend != "torch":
        from fromnoise import backends

        model = backends.apply(model, wanted.backend, wanted.precision)
        give_back_memory()  # of what the engine holds in its own way
        return name, model
    return name, model if stored else model.for_drawing(wanted.precision, keep=False)


def _lora(text: str) -> tuple[Path, float]:
    """File and weight of "file" or "file:weight"."""
    file, colon, weight = text.rpartition(":")
    if not colon or Path(text).is_file():
        return Path(text), 1.0
    try:
        return Path(file), float(weight)
    except ValueError:
        if "/" in weight or "\\" in weight:  # C:\style.safetensors, which is not there
            return Path(text), 1.0
        raise UserError(f"--lora takes a file, or file:weight as style.safetensors:0.8, not '{text}'") from None


def opened_start(
    model: TextToImage, request: Request, image: Path | None, mask: Path | None
) -> tuple[Request, Start | None]:
    """The request with its size, and the picture to start from; without --size the picture's own shape is kept."""
    if image is None:
        return request, None
    photo = open_photo(image)
    if request.width is None:
        width, height = fitting_size(photo, model.pixels, model.vae.factor)
        request = replace(request, width=width, height=height)
    complete(model, request)
    size = (request.width or 0, request.height or 0)
    return request, start_from(photo, size, None if mask is None else open_photo(mask))
