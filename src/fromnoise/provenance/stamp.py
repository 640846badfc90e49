"""What is put on every picture that is written: a mark in its pixels, a signature on its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fromnoise.ground.errors import UserError

if TYPE_CHECKING:
    from fromnoise.provenance.credentials import Seal
    from fromnoise.provenance.marks import Made


LEAST = 64  # pixels a side, to hold a watermark


@dataclass(frozen=True)
class Stamp:
    """What is put on every picture.

    Attributes:
        watermark: hide :mod:`fromnoise.provenance.watermark` in its pixels.
        seal: signs its file, last.
    """

    watermark: bool = False
    seal: Seal | None = None

    @property
    def signer(self) -> str:
        """Who signs; "" where nobody does."""
        return "" if self.seal is None else self.seal.identity.name

    def check(self, size: tuple[int, int]) -> None:
        """Refuse pictures of a (width, height) that cannot hold what is to be put on them.

        Raises:
            UserError: a side is too short for the watermark.
        """
        if self.watermark and min(size) < LEAST:
            raise UserError(
                f"a watermark needs a picture of at least {LEAST} pixels, not {size[0]}x{size[1]}; "
                "draw it larger with --size, or leave out --watermark"
            )

    def sealed(self, data: bytes, kind: str, made: Made) -> bytes:
        """A picture's file, signed where somebody signs; ``kind`` as :meth:`Seal.sealed` takes it."""
        return data if self.seal is None else self.seal.sealed(data, kind, made)


PLAIN = Stamp()
