"""Pictures that clients send: checked by size and header before they are unpacked, and kept as plain PNG files."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from fromnoise.drawing.start import Start, free_at, reaches, start_from
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import THRESHOLD, PictureError, TooLargeError, on_white, open_picture, opened_file
from fromnoise.studio.desk.keeping import keep_file
from fromnoise.studio.desk.problem import Problem, problem_of

FORMATS = ("PNG", "JPEG", "WEBP", "GIF")  # Pillow reads many more, and each is a decoder that can be attacked
STRAY = 0.005  # share of a mask that a slip of the brush may be
KEPT_SECONDS = 30 * 24 * 3600.0
CALLED = {"upload": "this picture", "start": "the picture to start from", "mask": "the mask"}  # by field
LONGEST = 2048  # pixels of a side that is kept; what is drawn is smaller


def opened(data: bytes, most_pixels: int, param: str = "image") -> Image.Image:
    """A picture from a file's bytes, upright, RGB, or RGBA where any of it lets the ground through.

    Raises:
        Problem: not a picture of a known kind, damaged, or too large.
    """
    try:
        return open_picture(data, most_pixels, FORMATS)
    except TooLargeError as error:
        raise Problem(413, f"{param}: {error}", param) from None
    except PictureError as error:
        said = f"{param} cannot be read as a picture: {error}; send PNG, JPEG, WebP or GIF"
        raise Problem(400, said, param, "invalid_image") from error


def mask_from(picture: Image.Image) -> Image.Image:
    """What may change, white on black, L: where the mask is transparent; of a mask without transparency, where it is
    white. A drawing in black and white stays one with a stray hole or two."""
    white = picture.convert("L").point(_white)
    if _holes(picture) > (STRAY if _is_black_and_white(picture) and white.getbbox() else 0):
        return picture.getchannel("A").point(_clear)
    return white


def own_mask(picture: Image.Image, size: tuple[int, int], factor: int) -> Image.Image | None:
    """The mask that a picture's own transparency draws; None where it has no holes to fill.

    What is thinned but not gone (alpha of 200 all over, soft edges), and holes smaller than a latent (strays, rounded
    corners) ask for nothing to be filled.

    Args:
        picture: RGB or RGBA.
        size: (width, height) that is drawn.
        factor: pixels of a latent's side.
    """
    if not _holes(picture):
        return None
    mask = picture.getchannel("A").point(_clear)
    free = free_at(mask, size)
    return mask if reaches(free, factor) and int(free.sum()) >= factor**2 else None


def _clear(alpha: int) -> int:
    return 255 if alpha < THRESHOLD else 0


def _white(grey: int) -> int:
    return 255 if grey >= THRESHOLD else 0


def _holes(picture: Image.Image) -> float:
    """Share of the pixels that let more of the ground through than of themselves."""
    alpha = picture.getchannel("A").histogram() if picture.mode == "RGBA" else [0]
    return sum(alpha[:THRESHOLD]) / (picture.width * picture.height)


def _is_black_and_white(picture: Image.Image) -> bool:
    grey = picture.convert("L").histogram()
    return sum(grey[16:240]) < STRAY * picture.width * picture.height


class Uploads:
    """Pictures to start from, by ids that name their content.

    Args:
        folder: where they are kept.
        most_pixels: of one.
    """

    def __init__(self, folder: Path, most_pixels: int) -> None:
        self.folder, self.most_pixels = folder, most_pixels
        # Asked for by every picture of a job, when it is checked, drawn and kept; ids name content, so it stays true.
        self.start = functools.lru_cache(maxsize=16)(self._start)

    def add(self, data: bytes, kind: str = "image") -> tuple[str, tuple[int, int]]:
        """Keep a picture, or a mask; its id and (width, height).

        Raises:
            Problem: see :func:`opened`; about the field "file", which both come in. Or the disk is full.
        """
        picture = opened(data, self.most_pixels, "file")
        return self.keep(mask_from(picture) if kind == "mask" else on_white(picture))

    def keep(self, picture: Image.Image) -> tuple[str, tuple[int, int]]:
        """Keep a picture that was checked."""
        picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        picture.save(buffer, "PNG", compress_level=1)
        name = hashlib.sha256(buffer.getvalue()).hexdigest()[:32]
        keep_file(self.folder / f"{name}.png", buffer.getvalue())
        return name, picture.size

    def file(self, name: str, param: str = "upload") -> Path:
        """The file of an id, which came in the field ``param``.

        Raises:
            Problem: no such upload.
        """
        if len(name) != 32 or not set(name) <= set("0123456789abcdef"):
            raise Problem(400, "an upload's id is 32 hex digits", param)
        file = self.folder / f"{name}.png"
        if not file.is_file():
            raise Problem(410, f"{CALLED[param]} is not on the server any more; send it again", param)
        return file

    def open(self, name: str, param: str = "upload") -> Image.Image:
        """An upload's picture.

        Raises:
            Problem: no such upload.
        """
        with opened_file(self.file(name, param), ("PNG",)) as picture:
            picture.load()
            return picture

    def _start(self, image: str, mask: str | None, size: tuple[int, int]) -> Start:
        """A start of (width, height).

        Raises:
            Problem: no such upload, or the mask has another shape than the picture.
        """
        free = None if mask is None else self.open(mask, "mask").convert("L")
        return begun(self.open(image, "start").convert("RGB"), free, size)

    def purge(self, still_needed: Callable[[str], bool], now: float) -> None:
        """Remove what is old at a time, in seconds since 1970, and not needed by a job that may still be drawn."""
        for file in self.folder.glob("*.png"):
            with contextlib.suppress(OSError):
                if now - file.stat().st_mtime > KEPT_SECONDS and not still_needed(file.stem):
                    file.unlink()


def begun(picture: Image.Image, mask: Image.Image | None, size: tuple[int, int]) -> Start:
    """A start of (width, height) from a picture and a mask that is white where the picture may change.

    Raises:
        Problem: they have different shapes, or the mask lets nothing change.
    """
    try:
        return start_from(picture, size, mask)
    except UserError as error:
        raise problem_of(error, param="mask") from None


def check_reach(start: Start, factor: int) -> None:
    """Refuse a mask that no latent would feel, where a latent's side is ``factor`` pixels.

    Raises:
        Problem: it lets too little change.
    """
    try:
        start.check(factor)
    except UserError as error:
        raise problem_of(error, param="mask") from None
