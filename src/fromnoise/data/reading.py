"""How captioned pictures are read."""

from __future__ import annotations

from dataclasses import dataclass

FITS = ("pad", "crop")


@dataclass(frozen=True)
class Reading:
    """How a place is read, where there is a choice.

    Attributes:
        said_styles: take the end of "a cat, linocut style" for the picture's style.
        fit: how a picture that is no square becomes one: "pad" fits it inside and fills the rest with white, so that
            nothing is lost; "crop" takes its middle, so that nothing is added.
    """

    said_styles: bool = True
    fit: str = "pad"


AS_IT_LIES = Reading()
