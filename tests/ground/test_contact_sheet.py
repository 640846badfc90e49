"""Labels stand beside the pictures they name, and a long prompt can be read to its end."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from fromnoise.ground.contact_sheet import LABEL, LINE, MARGIN, contact_sheet

RED = Image.new("RGB", (64, 64), "red")
PROMPT = "a red apple on a green table beside a tall blue vase with yellow tulips and"


def ink(sheet: Image.Image) -> np.ndarray:
    """Where something is written: dark pixels."""
    return np.asarray(sheet.convert("L")) < 60


def test_labels_stand_beside_their_row_and_above_their_column() -> None:
    sheet = contact_sheet([[RED, RED], [RED, RED]], ["", "second"], ["", "right"])
    y, x = np.nonzero(ink(sheet))
    beside, above = y >= LABEL, y < LABEL
    left = np.nonzero((np.asarray(sheet) == (255, 0, 0)).all(2))[1].min()
    second = LABEL + 64 + MARGIN  # where the second row begins
    assert beside.any()
    assert y[beside].min() > second
    assert y[beside].max() < second + 64
    assert x[beside].max() < left
    assert above.any()
    assert x[above].min() >= left + 64


def test_a_long_prompt_is_written_to_its_end_in_lines() -> None:
    one, other = (contact_sheet([[RED]], [f"{PROMPT} {last}"], ["noto"]) for last in ("pears", "plums"))
    assert one.size == other.size
    assert (ink(one) != ink(other)).any()
    short = contact_sheet([[RED]], [PROMPT[:40]], ["noto"])
    assert one.width <= short.width + LINE
    rows = ink(one)[LABEL:, :].any(1).astype(int)
    assert (np.diff(rows) == 1).sum() >= 3  # lines of ink, one below the other
    assert not ink(one)[LABEL + 64 :].any()  # and none beside another row


def test_a_prompt_too_long_for_its_row_is_cut_and_a_short_row_stays_white() -> None:
    sheet = contact_sheet([[RED, RED], [RED]], ["word " * 200, ""], ["", ""])
    assert not ink(sheet)[LABEL + 64 + MARGIN :].any()
    last = np.asarray(sheet)[LABEL + 64 + MARGIN :, -64 - 2 * MARGIN :]
    assert (last == 255).all()


def test_labels_and_pictures_must_belong_together() -> None:
    for rows, names, columns in (([[RED]], [], [""]), ([[RED, RED]], [""], ["only one"])):
        with pytest.raises(ValueError, match="labels"):
            contact_sheet(rows, names, columns)
