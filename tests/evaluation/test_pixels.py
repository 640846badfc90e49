"""What is measured from pixels, on pictures that are made up so that the answer is known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fromnoise.data.stickers.render import PALETTE
from fromnoise.evaluation.colours import NAMES, colour_shares, main_colour
from fromnoise.evaluation.fidelity import psnr, ssim
from fromnoise.evaluation.things import count_things, side_by_side


def white() -> Tensor:
    return torch.full((3, 64, 64), 255, dtype=torch.uint8)


def painted(*boxes: tuple[int, int, int, int, tuple[int, int, int]]) -> Tensor:
    """White with boxes (top, left, height, width, colour)."""
    picture = white()
    for top, left, height, width, colour in boxes:
        picture[:, top : top + height, left : left + width] = torch.tensor(colour, dtype=torch.uint8)[:, None, None]
    return picture


def test_psnr_of_a_known_error() -> None:
    a = torch.full((2, 3, 8, 8), 100, dtype=torch.uint8)
    b = a.clone()
    b[1] += 10
    assert psnr(a, b).tolist() == pytest.approx([99, 20 * np.log10(255 / 10)])


def test_ssim_is_that_of_windows_looked_at_one_by_one() -> None:
    rng = torch.Generator().manual_seed(0)
    a = torch.randint(0, 256, (1, 3, 16, 14), generator=rng, dtype=torch.uint8)
    b = ((a.float() + torch.randint(0, 256, a.shape, generator=rng)) / 2).to(torch.uint8)
    at = np.arange(11) - 5
    window = np.exp(-(at[:, None] ** 2 + at[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    found = []
    for x, y in zip(a[0].double().numpy(), b[0].double().numpy(), strict=True):
        for top in range(16 - 10):
            for left in range(14 - 10):
                p, q = x[top : top + 11, left : left + 11], y[top : top + 11, left : left + 11]
                mp, mq = (window * p).sum(), (window * q).sum()
                vp, vq = (window * (p - mp) ** 2).sum(), (window * (q - mq) ** 2).sum()
                both = (window * (p - mp) * (q - mq)).sum()
                c1, c2 = 2.55**2, 7.65**2
                found.append((2 * mp * mq + c1) * (2 * both + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2)))
    assert float(ssim(a, b)) == pytest.approx(np.mean(found), rel=1e-9)
    assert float(ssim(a, a)) == pytest.approx(1)


def test_every_word_of_the_palette_is_found_as_its_colour() -> None:
    for name, colour in PALETTE.items():
        if name == "white":
            continue  # not told from the background
        picture = painted((10, 10, 30, 30, colour))
        wanted = "green" if name == "teal" else name.split()[-1]
        assert main_colour(colour_shares(picture[None])) == [wanted]


def test_the_background_is_no_colour_and_the_larger_part_wins() -> None:
    picture = painted((0, 0, 20, 20, PALETTE["red"]), (30, 30, 10, 10, PALETTE["blue"]))
    shares = colour_shares(torch.stack([picture, white()]))
    assert shares[0, NAMES.index("red")] == pytest.approx(0.8)
    assert shares[0, NAMES.index("blue")] == pytest.approx(0.2)
    assert main_colour(shares) == ["red", ""]


def test_things_that_hang_together_are_one_and_specks_are_none() -> None:
    black = (0, 0, 0)
    assert count_things(white()) == 0
    assert count_things(painted((5, 5, 20, 20, black))) == 1
    assert count_things(painted((5, 5, 20, 20, black), (25, 25, 20, 20, black))) == 1  # they touch at a corner
    assert count_things(painted((5, 5, 20, 20, black), (27, 27, 20, 20, black))) == 2
    assert count_things(painted((5, 5, 20, 20, black), (40, 40, 5, 5, black))) == 1  # a sixteenth of the larger one
    assert count_things(painted((5, 5, 20, 20, (225, 225, 225)))) == 0  # a shadow


def test_composed_pictures_show_as_many_things_as_they_are_made_of() -> None:
    thing = painted((12, 4, 40, 56, PALETTE["red"]))
    other = painted((2, 20, 60, 20, PALETTE["blue"]))
    for number in (1, 2, 3):
        assert count_things(side_by_side([thing] * number)) == number
    both = side_by_side([thing, other])
    assert both.shape == thing.shape
    left, right = both[:, :, :32], both[:, :, 32:]
    assert main_colour(colour_shares(left[None])) == ["red"]
    assert main_colour(colour_shares(right[None])) == ["blue"]
