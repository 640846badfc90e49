"""PNG files that say how they were drawn, and reading that back.

What is read from a file is data: it is size-limited, parsed as JSON, and every value is checked by the same config
as a request from the command line.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from fromnoise.drawing.choice import Choice, candidate_seed
from fromnoise.drawing.request import Request
from fromnoise.ground.config import Config
from fromnoise.ground.errors import UserError
from fromnoise.ground.json_file import parsed
from fromnoise.ground.pictures import MOST_PIXELS, UNREADABLE, open_picture, opened_file
from fromnoise.ground.whole import write_atomically
from fromnoise.provenance.marks import PNG_KEYWORD, Made, xmp_of
from fromnoise.provenance.stamp import PLAIN, Stamp

KEY = "fromnoise"
MOST_INDEX = 10**9  # a line of --prompts, at the very most
MOST_METADATA = 64 * 1024
MOST_NAME = 300  # characters: file systems hold 255 bytes


@dataclass(frozen=True)
class Origin(Config):
    """How a picture came to be.

    Attributes:
        request: the complete request of this one picture (count 1, its own seed).
        model: name of the model.
        model_hash: 12 hex digits over its weights and tokenizer.
        version: of fromnoise.
        index: which picture of the batch, or which line of the prompts, it was.
        precision: number format of the U-Net, "fp32" or "bf16".
        loras: name and weight of each LoRA, as it was asked for.
        start: 12 hex digits of the picture and mask it started from; None when it began as noise.
        backend: what computed it.
        fast: drawn in a few steps, with what lies in the model's ``few_steps/``.
        choice: how it was chosen among candidates; ``request`` draws it alone.
        shown_as: what the file holds of it: the "picture", or a "stereogram" that hides it.
        watermark: it has the invisible mark in its pixels.
        signer: who signed the file when it was written, "" where nobody did: a file that says so and has no signature
            has lost it.
    """

    request: Request
    model: str
    model_hash: str
    version: str
    index: int = 0
    precision: str = "fp32"
    loras: tuple[str, ...] = ()
    start: str | None = None
    backend: str = "torch"
    fast: bool = False
    choice: Choice | None = None
    shown_as: str = "picture"
    watermark: bool = False
    signer: str = ""

    @property
    def asked(self) -> Request:
        """The request that the picture was an answer to, with all candidates."""
        if self.choice is None:
            return self.request
        return replace(self.request, seed=self.choice.seed, best_of=len(self.choice.scores))


def made_of(origin: Origin) -> Made:
    """What any program should be able to read of a picture."""
    request = origin.request
    negative = f"not: {request.negative}" if request.negative else ""
    words = [request.prompt, f"{request.style} style" if request.style else "", negative]
    model = f"{origin.model} ({origin.model_hash})"
    return Made(", ".join(word for word in words if word), model, origin.version, origin.start is not None)


def to_image(picture: Tensor) -> Image.Image:
    """uint8 [3,H,W], or [4,H,W] with alpha, as a Pillow picture."""
    return Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())


def as_stamped(origin: Origin, stamp: Stamp) -> Origin:
    """What is said of a picture once it is stamped: whether its pixels are marked, and who signs. Said twice it stays.

    Where the origin says that it is marked, it is. A stereogram never is: its columns repeat one another, and a mark
    would be a fault in the depth.
    """
    mark = (stamp.watermark or origin.watermark) and origin.shown_as == "picture"
    return replace(origin, watermark=mark, signer=stamp.signer)


def stamped(picture: Tensor, origin: Origin, stamp: Stamp = PLAIN) -> tuple[Tensor, Origin]:
    """A picture as it is written, with the mark in its pixels, and an origin that says so and who signs.

    Args:
        picture: uint8 [3,H,W], or [4,H,W] with alpha.
        origin: how it was drawn; see :func:`as_stamped`.
        stamp: what is to be put on it.

    Raises:
        UserError: the picture is too small for the mark.
    """
    origin = as_stamped(origin, stamp)
    if origin.watermark:
        from fromnoise.provenance.watermark import marked

        picture = marked(picture)
    return picture, origin


def save_png(picture: Tensor, file: Path, origin: Origin, stamp: Stamp = PLAIN) -> None:
    """Write a picture with its origin, whole or not at all.

    Args:
        picture: uint8 [3,H,W], or [4,H,W] with alpha.
        file: ends in .png.
        origin: how it was drawn.
        stamp: what is put on it.
    """
    write_atomically(file, png_bytes(picture, origin, stamp))


def png_bytes(picture: Tensor, origin: Origin, stamp: Stamp = PLAIN) -> bytes:
    """A picture, uint8 [3,H,W] or [4,H,W], with its origin, as the bytes of a PNG file; marked, and signed last."""
    picture, origin = stamped(picture, origin, stamp)
    info = PngImagePlugin.PngInfo()
    info.add_itxt(KEY, json.dumps(origin.to_dict(), ensure_ascii=False))  # first: by it a damaged file is known as ours
    info.add_itxt("parameters", readable(origin))
    info.add_itxt(PNG_KEYWORD, xmp_of(made_of(origin)))
    buffer = io.BytesIO()
    to_image(picture).save(buffer, "PNG", pnginfo=info)
    return stamp.sealed(buffer.getvalue(), "PNG", made_of(origin))


def read_origin(file: Path) -> Origin:
    """Read how a picture was drawn.

    Raises:
        UserError: not a picture, not one of ours, or its metadata is damaged or too large.
    """
    try:
        return origin_in(file, str(file))
    except FileNotFoundError:
        raise UserError(f"there is no file {file}") from None


def origin_in(source: Path | bytes, name: str) -> Origin:
    """Read how a picture was drawn from a file, or from the bytes of one.

    Args:
        source: the file.
        name: what to call it in errors.

    Raises:
        UserError: as :func:`read_origin`.
        FileNotFoundError: no such file.
    """
    text = _stored_text(source, name)
    if not text:
        raise UserError(
            f"{name} does not say how it was drawn; PNG files that fromnoise saved do (from Python: model.save)"
        )
    return origin_said(text, name)


def origin_said(text: str, name: str) -> Origin:
    """What a picture's own text says of how it was drawn.

    Args:
        text: of the key "fromnoise".
        name: what to call the picture in errors.

    Raises:
        UserError: it is damaged, or too large.
    """
    if len(text) > MOST_METADATA:
        raise UserError(f"the metadata in {name} is larger than {MOST_METADATA} characters; it is not ours")
    try:
        return _checked(Origin.from_dict(_of_its_time(parsed(text, f"the metadata in {name}"))))
    except KeyError as error:
        raise UserError(f"the metadata in {name} is damaged: it lacks {error}") from None
    except UserError as error:
        said = f"the metadata in {name} is damaged"
        raise UserError(error.message if error.message.startswith(said) else f"{said}: {error}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"the metadata in {name} is damaged: {error}") from None


def _of_its_time(stored: dict[str, Any]) -> dict[str, Any]:
    return {**stored, "request": of_its_time(stored["request"])}


def of_its_time(request: Mapping[str, Any]) -> dict[str, Any]:
    """A stored request with what earlier versions left out: they knew no enlarging, and drew every size pixel by
    pixel."""
    return {"native": True, **request}


def _checked(origin: Origin) -> Origin:
    """Refuse what no picture of ours says.

    Raises:
        ValueError: an incomplete request, or one for several pictures, or numbers that JSON does not have.
    """
    r = origin.request
    json.dumps(origin.to_dict(), allow_nan=False)
    names = (origin.model, origin.model_hash, origin.version, origin.backend, origin.signer, *origin.loras)
    if any(len(name) > MOST_NAME for name in names):  # they are quoted in what a person reads
        raise ValueError(f"a name in it has more than {MOST_NAME} characters")
    if origin.precision not in ("fp32", "bf16"):
        raise ValueError(f"its precision is '{origin.precision}'")
    if origin.shown_as not in ("picture", "stereogram"):
        raise ValueError(f"it is shown as '{origin.shown_as}'")
    if r.best_of != 1 or (origin.choice and not _chose(origin.choice, r)):
        raise ValueError("what it says of candidates makes no sense")
    if r.count != 1 or not 0 <= origin.index < MOST_INDEX or None in (r.steps, r.guidance, r.sampler):
        raise ValueError("it is not the complete request of one picture")
    return origin


def _chose(choice: Choice, request: Request) -> bool:
    return choice.fits and candidate_seed(choice.seed, choice.kept) == request.seed


def _stored_text(source: Path | bytes, name: str) -> str | None:
    """The JSON chunk of a PNG, not yet trusted; None when there is none."""
    try:
        with opened_file(source) as picture:
            if picture.width * picture.height > MOST_PIXELS:  # for its text Pillow unpacks the whole picture
                raise UserError(f"{name} is larger than any picture drawn by fromnoise")
            text: Any = getattr(picture, "text", {}).get(KEY)
            return text
    except FileNotFoundError:
        raise
    except UnidentifiedImageError:  # which would quote Python's name of the bytes
        raise UserError(f"{name} cannot be read as a picture: it is damaged, or of no known kind") from None
    except UNREADABLE as error:
        raise UserError(f"{name} cannot be read as a picture: {getattr(error, 'strerror', None) or error}") from None


def as_tensor(file: Path, channels: int = 3) -> Tensor:
    """The pixels of a PNG, uint8 [3,H,W], or with 4 ``channels`` and alpha.

    Raises:
        FileNotFoundError: there is no such file.
        PictureError: it is damaged, or larger than any picture that is drawn.
    """
    picture = open_picture(file, formats=("PNG",)).convert("RGBA" if channels == 4 else "RGB")
    return from_image(picture)


def from_image(picture: Image.Image) -> Tensor:
    """An RGB or RGBA picture as uint8 [3,H,W] or [4,H,W]."""
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return pixels.view(picture.height, picture.width, -1).permute(2, 0, 1)


def readable(origin: Origin) -> str:
    """The line that other programs show, in the form people know from them."""
    r = origin.request
    facts = {
        "Steps": r.steps,
        "Sampler": r.sampler,
        "CFG scale": r.guidance,
        "CFG rescale": r.rescale,
        "CFG interval": r.interval and f"{r.interval[0]} to {r.interval[1]}",
        "Seed": r.seed,
        "Schedule type": r.sigmas or None,
        "Size": r.width and f"{r.width}x{r.height}",
        "Denoising strength": r.strength,
        "LoRA": ", ".join(origin.loras) or None,
        "Style": r.style,
        "Background": "transparent" if r.transparent else None,
        "Shown as": origin.shown_as if origin.shown_as != "picture" else None,
        "Best of": origin.choice and len(origin.choice.scores),
        "Model": origin.model,
        "Model hash": origin.model_hash,
        "Version": f"fromnoise {origin.version}",
    }
    lines = [r.prompt, f"Negative prompt: {r.negative}" if r.negative else ""]
    lines.append(", ".join(f"{name}: {value}" for name, value in facts.items() if value is not None))
    return "\n".join(line for line in lines if line)
