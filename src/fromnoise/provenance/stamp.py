"""What is put on every picture that is written: a mark in its pixels, a signature on its file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fromnoise.ground.errors import UserError, quoted

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

    @property
    def words(self) -> str:
        """What it does, as "watermarked and signed"; "" where it does nothing."""
        done = ["watermarked"] if self.watermark else []
        return " and ".join([*done, "signed"] if self.seal is not None else done)

    @property
    def sentence(self) -> str:
        """What is put on every picture, for those who are to be told of it."""
        mark = "has an invisible watermark" if self.watermark else "has no watermark"
        by = f"is signed (C2PA) by {quoted(self.signer)}" if self.seal is not None else "is not signed"
        return f"Every picture says in its file that a model made it; it {mark} and {by}."

    def check(self, size: tuple[int, int]) -> None:
        """Refuse pictures of a (width, height) that cannot hold what is to be put on them.

        Raises:
            UserError: a side is too short for the watermark.
        """
        if self.watermark and min(size) < LEAST:
            raise UserError(
                f"a watermark needs at least {LEAST} pixels a side, not {size[0]}x{size[1]}; "
                "draw it larger with --size, or leave out --watermark"
            )

    def sealed(self, data: bytes, kind: str, made: Made) -> bytes:
        """A picture's file, signed where somebody signs; ``kind`` as :meth:`Seal.sealed` takes it."""
        return data if self.seal is None else self.seal.sealed(data, kind, made)


PLAIN = Stamp()
