"""Pictures that begin with a photo: each with its own noise, and changed only where the mask allows it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from PIL import Image

from fromnoise.drawing.generate import Request, draw
from fromnoise.drawing.start import fitting_size, start_from
from fromnoise.ground.errors import UserError
from fromnoise.system.text_to_image import TextToImage

ASKED = Request(prompt="red apple", seed=3, steps=4, strength=0.7, count=3)


def photo(width: int = 32, height: int = 32) -> Image.Image:
    """Red grows to the right, green downwards."""
    picture = Image.new("RGB", (width, height))
    picture.putdata([(255 * x // width, 255 * y // height, 90) for y in range(height) for x in range(width)])
    return picture


def mask(*box: int) -> Image.Image:
    picture = Image.new("L", (32, 32), 0)
    picture.paste(255, box or None)
    return picture


@pytest.mark.formats
@pytest.mark.parametrize("masked", [False, True])
def test_a_picture_that_begins_with_a_photo_is_the_same_bits_alone(tiny_model: TextToImage, masked: bool) -> None:
    start = start_from(photo(), (32, 32), mask(0, 0, 32, 16) if masked else None)
    together = draw(tiny_model, ASKED, start)
    assert len(together.unique(dim=0)) == 3
    for i, picture in enumerate(together):
        alone = draw(tiny_model, replace(ASKED, count=1, seed=3 + i), start)
        assert torch.equal(alone[0], picture)


def test_the_picture_is_the_photo_where_the_mask_is_black_and_another_where_it_is_white(
    tiny_model: TextToImage,
) -> None:
    start = start_from(photo(), (32, 32), mask(0, 0, 32, 16))
    given = start.picture
    for picture in draw(tiny_model, ASKED, start):
        assert torch.equal(picture[:, 16:], given[:, 16:])
        assert not torch.equal(picture[:, :16], given[:, :16])
    everywhere = start_from(photo(), (32, 32), Image.new("L", (32, 32), 255))
    assert not torch.equal(draw(tiny_model, ASKED, everywhere)[0][:, 16:], given[:, 16:])


@pytest.mark.parametrize(("grey", "may_change"), [(0, False), (127, False), (128, True), (255, True)])
def test_half_grey_is_where_a_mask_begins_to_allow_changes(grey: int, may_change: bool) -> None:
    half = mask(0, 0, 32, 16)
    half.paste(grey, (0, 16, 32, 32))
    start = start_from(photo(), (32, 32), half)
    assert start.mask is not None
    assert start.mask[:16].unique().tolist() == [True]
    assert start.mask[16:].unique().tolist() == [may_change]


@pytest.mark.parametrize(("grey", "said"), [(0, "black all over"), (127, "brightest grey is 127")])
def test_a_mask_that_lets_nothing_change_is_refused(grey: int, said: str) -> None:
    with pytest.raises(UserError, match=said):
        start_from(photo(), (32, 32), Image.new("L", (32, 32), grey))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((32, 32), (64, 64)),
        ((1000, 1000), (64, 64)),
        ((400, 100), (128, 32)),
        ((100, 400), (32, 128)),
        ((200, 100), (88, 48)),  # 90.5 and 45.3, in eights
        ((10_000, 10), (1024, 16)),  # two eights at least, and four times the area at most
    ],
)
def test_a_size_has_the_photos_shape_and_the_models_area(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitting_size(Image.new("L", shape), 64, 8) == expected
