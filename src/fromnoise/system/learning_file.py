"""``learning.safetensors`` beside a model: a small film of its training, the same prompts and seeds at some moments.

Each picture is a lossless WebP, cut out of a sample sheet of the run; the whole file is at most 1 MiB. Nothing in it is
code, and every value is checked before it is used: also how large a picture says it is, before it is unpacked.
"""

from __future__ import annotations

import io
import itertools
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save
from torch import Tensor

from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import opened_file
from fromnoise.system.copies_file import LEARNING as KIND
from fromnoise.system.copies_file import check_whose, parts_of, reading, require
from fromnoise.system.defaults import LEARNING, MOST_LEARNING

MOST_MOMENTS, MOST_PROMPTS = 12, 8
SIDE = 128  # pixels of the longer side of a picture, at most
LONGEST = 4000  # characters of a prompt
MOST_NUMBER = 1e15  # of hours, losses and pictures seen
HEAD = 25  # bytes of a lossless WebP that say its size


@dataclass(frozen=True)
class Moment:
    """One moment of a training.

    Attributes:
        pictures: that it had learnt from.
        hours: that its steps had taken; None where the log does not say.
        held_out: the loss on pictures that are never learnt from; None where there are none.
        loss: of the lessons just before; None where the log does not say.
        levels: the same by noise level: bins of the log of signal to noise, as "-2..0"; low is noisy.
    """

    pictures: int
    hours: float | None = None
    held_out: float | None = None
    loss: float | None = None
    levels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Learning:
    """A film of a training.

    Attributes:
        prompts: what was asked for, the same at every moment.
        moments: rising.
        files: a lossless WebP for each moment and prompt, moment by moment.
        size: (height, width) of the pictures.
        drawn_at: side of the pictures as they were drawn; more than ``size`` where they are kept smaller.
        trained_on: what :func:`fromnoise.system.copies_file.pictures_of` says of the model.
    """

    prompts: tuple[str, ...]
    moments: tuple[Moment, ...]
    files: tuple[bytes, ...]
    size: tuple[int, int]
    drawn_at: int
    trained_on: str

    def file(self, moment: int, prompt: int) -> bytes:
        """The file of one picture."""
        return self.files[moment * len(self.prompts) + prompt]

    def pictures(self) -> Tensor:
        """All pictures, uint8 [moments,prompts,3,H,W].

        Raises:
            UserError: one of them cannot be unpacked.
        """
        with reading(LEARNING, KIND):
            every = torch.stack([_opened(data, self.size) for data in self.files])
        return every.unflatten(0, (len(self.moments), len(self.prompts)))


def webp(picture: Image.Image) -> bytes:
    """A picture as a lossless WebP."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "WEBP", lossless=True, quality=75, method=2)
    return buffer.getvalue()


def learning_bytes(film: Learning) -> bytes:
    """A film as the bytes of its file."""
    about = {
        "prompts": list(film.prompts),
        "moments": [asdict(moment) for moment in film.moments],
        "size": list(film.size),
        "drawn_at": film.drawn_at,
        "trained_on": film.trained_on,
    }
    packed = zlib.compress(json.dumps(about, ensure_ascii=False).encode(), 9)
    tensors = {
        "pictures": torch.frombuffer(bytearray(b"".join(film.files)), dtype=torch.uint8),
        "ends": torch.tensor(list(itertools.accumulate(map(len, film.files))), dtype=torch.int32),
        "about": torch.frombuffer(bytearray(packed), dtype=torch.uint8),
    }
    return save(tensors, {KIND.key: KIND.formats[0]})


def read_learning(data: bytes, trained_on: str, file: str = LEARNING) -> Learning:
    """Read a film from the bytes of its file.

    Args:
        data: the whole file.
        trained_on: what :func:`fromnoise.system.copies_file.pictures_of` says of the model.
        file: its name, for messages.

    Raises:
        UserError: it is damaged, too large, of another version, or of another model's pictures.
    """
    if len(data) > MOST_LEARNING:
        raise UserError(f"{file} is larger than the {MOST_LEARNING:,} bytes that such a film may have; {KIND.again}")
    with reading(file, KIND):
        film = _checked(*parts_of(data, file, KIND))
    check_whose(film.trained_on, trained_on, file, KIND)
    film.pictures()  # every one can be shown
    return film


def _checked(tensors: Mapping[str, Tensor], about: Mapping[str, Any]) -> Learning:
    """The film, once every size and number in it makes sense.

    Raises:
        ValueError, KeyError, TypeError: what does not.
    """
    moments = tuple(_moment(each) for each in _listed(about["moments"], "moments", MOST_MOMENTS))
    prompts = tuple(_listed(about["prompts"], "prompts", MOST_PROMPTS))
    good = all(isinstance(text, str) and len(text) <= LONGEST for text in prompts)
    require(good, "its prompts are no texts, or too long")
    rising = all(a.pictures < b.pictures for a, b in itertools.pairwise(moments))
    require(rising, "its moments are not in order")
    height, width = (_whole(side, "size", SIDE) for side in _listed(about["size"], "size", 2))
    for name, dtype in (("pictures", torch.uint8), ("ends", torch.int32)):
        require(tensors[name].dtype == dtype and tensors[name].ndim == 1, f"{name} is stored as {tensors[name].dtype}")
    ends, data = [0, *tensors["ends"].tolist()], tensors["pictures"].numpy().tobytes()
    require(len(ends) == 1 + len(moments) * len(prompts), "it has another number of pictures")
    require(all(a < b for a, b in itertools.pairwise(ends)) and ends[-1] == len(data), "its pictures are cut off")
    files = tuple(data[a:b] for a, b in itertools.pairwise(ends))
    drawn_at, whose = _whole(about["drawn_at"], "drawn_at", 1 << 16), about["trained_on"]
    require(isinstance(whose, str), "trained_on is no text")
    return Learning(prompts, moments, files, (height, width), drawn_at, whose)


def _moment(said: Mapping[str, Any]) -> Moment:
    levels = said["levels"]
    good = isinstance(levels, dict) and len(levels) <= 16 and all(len(name) <= 32 for name in levels)
    require(good, "its levels make no sense")
    hours, held_out, loss = (_number(said[name], name) for name in ("hours", "held_out", "loss"))
    known = {name: _number(value, "levels") for name, value in levels.items()}
    require(None not in known.values(), "a level without a number")
    pictures = _whole(said["pictures"], "pictures", int(MOST_NUMBER), least=0)
    return Moment(pictures, hours, held_out, loss, {name: value for name, value in known.items() if value is not None})


def _listed(values: Any, name: str, most: int) -> Sequence[Any]:
    require(isinstance(values, list) and 1 <= len(values) <= most, f"{name} are no list of 1 to {most}")
    found: list[Any] = values
    return found


def _whole(value: Any, name: str, most: int, least: int = 1) -> int:
    good = isinstance(value, int) and not isinstance(value, bool) and least <= value <= most
    require(good, f"{name} is {str(value)[:40]!r}")
    return int(value)


def _number(value: Any, name: str) -> float | None:
    if value is None:
        return None
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= MOST_NUMBER
    require(good, f"{name} is {str(value)[:40]!r}")
    return float(value)


def _opened(data: bytes, size: tuple[int, int]) -> Tensor:
    """A picture, uint8 [3,H,W], if its head says that it is as large as it should be.

    Raises:
        ValueError: it is not, or it cannot be unpacked.
    """
    require(_size(data) == size, "a picture has another size, or is no lossless WebP")
    try:
        with opened_file(data, ("WEBP",)) as opened:
            require((opened.height, opened.width) == size, "a picture has another size")
            return torch.from_numpy(np.array(opened.convert("RGB"))).permute(2, 0, 1).contiguous()
    except (OSError, SyntaxError, EOFError, Image.DecompressionBombError) as error:
        raise ValueError(f"a picture cannot be unpacked: {error}") from None


def _size(data: bytes) -> tuple[int, int] | None:
    """(height, width) as the head of a plain lossless WebP says; None for anything else."""
    if len(data) < HEAD or data[:4] != b"RIFF" or data[8:16] != b"WEBPVP8L" or data[20] != 0x2F:
        return None
    bits = int.from_bytes(data[21:25], "little")  # 14 bits of the width less 1, then 14 of the height
    return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
