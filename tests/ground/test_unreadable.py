"""Files that cannot be read, and messages that quote what stands in them."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from fromnoise.drawing.picture_file import origin_in
from fromnoise.ground.errors import UserError


def without_a_frame() -> bytes:
    """A moving PNG of three frames of which the last one's pixels have another name."""
    first, *rest = (Image.new("RGB", (4, 4), (20 * i, 0, 0)) for i in range(3))
    file = io.BytesIO()
    first.save(file, "PNG", save_all=True, append_images=rest)
    whole = file.getvalue()
    at = whole.rindex(b"fdAT")
    (length,) = struct.unpack(">I", whole[at - 4 : at])
    renamed = b"caBX" + whole[at + 4 : at + 4 + length]
    return whole[:at] + renamed + struct.pack(">I", zlib.crc32(renamed)) + whole[at + 8 + length :]


def test_a_moving_picture_that_lacks_a_frame_is_refused_in_a_line() -> None:
    with pytest.raises(UserError, match=r"^a\.png cannot be read as a picture: no more images in APNG file$"):
        origin_in(without_a_frame(), "a.png")


def test_of_a_huge_word_both_ends_are_quoted() -> None:
    message = f"precision must be auto, bf16 or fp32, not '{'x' * 5000}end'"
    assert str(UserError(message)) == f"precision must be auto, bf16 or fp32, not '{'x' * 79}…{'x' * 16}end'"
    path = "a/" * 400  # a path may be long
    assert str(UserError(path)) == path
