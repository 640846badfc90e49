"""How captioned pictures are read, and what size and shape they are brought to."""

from __future__ import annotations

import math
from dataclasses import dataclass

FITS = ("pad", "crop", "shapes")
LONGEST = 2.0  # times its other side, for the side of a shape


@dataclass(frozen=True)
class Reading:
    """How a place is read, where there is a choice.

    Attributes:
        said_styles: take the end of "a cat, linocut style" for the picture's style.
        fit: how a picture that is no square becomes one: "pad" fits it inside and fills the rest with white, so that
            nothing is lost; "crop" takes its middle, so that nothing is added. With "shapes" it is the middle, too,
            wherever a square is needed, and a U-Net learns it in the nearest of several shapes.
        tags: captions with commas ("cat, red hat, sitting") are keywords, where no others are said.
        aside: up to which place pictures are kept aside, see :func:`fromnoise.data.aside.kept_aside`; 0: none.
    """

    said_styles: bool = True
    fit: str = "pad"
    tags: bool = False
    aside: float = 0.0


AS_IT_LIES = Reading()


@dataclass(frozen=True)
class Canvas:
    """What pictures are brought to.

    Attributes:
        width, height: in pixels.
        pad: fit the picture inside and fill the rest with white; otherwise the largest part of its shape is taken from
            the middle.
    """

    width: int
    height: int
    pad: bool = True

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the pixels, (3, height, width)."""
        return 3, self.height, self.width

    @property
    def bytes(self) -> int:
        """Of one picture."""
        return 3 * self.height * self.width

    @property
    def name(self) -> str:
        """Tells it from others: "64" is the padded square."""
        size = f"{self.width}" if self.width == self.height else f"{self.width}x{self.height}"
        return size if self.pad else f"{size} cropped"


def square(pixels: int, fit: str = "pad") -> Canvas:
    """The square of so many pixels' side, as :class:`Reading` says."""
    return Canvas(pixels, pixels, fit == "pad")


def shapes(pixels: int, step: int) -> tuple[Canvas, ...]:
    """Shapes with about as many pixels as a square, the square first (aspect ratio bucketing, NovelAI 2022).

    >>> [canvas.name for canvas in shapes(64, 16)]
    ['64 cropped', '48x80 cropped', '80x48 cropped']

    Args:
        pixels: side of the square.
        step: all sides are multiples of it, as the networks need it.
    """
    found = {(pixels, pixels)}
    for width in range(step, math.ceil(LONGEST * pixels), step):
        height = step * round(pixels**2 / width / step)
        if height and max(width, height) <= LONGEST * min(width, height) and width * height <= 1.1 * pixels**2:
            found |= {(width, height), (height, width)}
    own = [size for size in found if size == (pixels, pixels) or 0.8 * pixels**2 <= size[0] * size[1]]
    return tuple(Canvas(*size, pad=False) for size in sorted(own, key=lambda size: (abs(size[0] - size[1]), size)))


def nearest(size: tuple[int, int], among: tuple[Canvas, ...]) -> Canvas:
    """The canvas whose shape a picture of (width, height) has most nearly."""
    shape = math.log(size[0] / size[1])
    return min(among, key=lambda canvas: abs(math.log(canvas.width / canvas.height) - shape))
