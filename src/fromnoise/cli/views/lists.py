"""Lists of numbers in one option, as "1,4,12" or "1 4 12"."""

from __future__ import annotations

import math

from fromnoise.ground.errors import UserError


def numbers(text: str, option: str) -> list[float]:
    """Numbers with commas or spaces between them.

    >>> numbers("1, 2.5,12", "scales")
    [1.0, 2.5, 12.0]

    Raises:
        UserError: something in it is no finite number.
    """
    found = []
    for part in text.replace(",", " ").split():
        try:
            value = float(part)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise UserError(f"--{option} takes numbers with commas between them, such as 1,4,12; not '{part}'")
        found.append(value)
    return found


def whole_numbers(text: str, option: str) -> list[int]:
    """The same for whole numbers.

    Raises:
        UserError: something in it is none.
    """
    found = numbers(text, option)
    wrong = next((value for value in found if value != int(value)), None)
    if wrong is not None:
        raise UserError(f"--{option} takes whole numbers with commas between them, not {wrong:g}")
    return [int(value) for value in found]
