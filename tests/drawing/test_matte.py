"""Things without their white background: on white they are what was drawn, on other grounds no white is left."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw
from torch import Tensor

from fromnoise.drawing.matte import OPAQUE, alpha_of, cut_out, is_cut_out, reached, told_of, unmixed
from fromnoise.drawing.picture_file import from_image, to_image
from fromnoise.drawing.size import Size
from fromnoise.ground.pictures import on_white

RED = (200, 30, 40)


def disc(side: int = 32, fill: tuple[int, int, int] = RED, outline: tuple[int, int, int] | None = None) -> Image.Image:
    """A disc with soft edges on white."""
    large = Image.new("RGB", (side * 8, side * 8), "white")
    ImageDraw.Draw(large).ellipse((32, 32, side * 8 - 33, side * 8 - 33), fill, outline, 12)
    return large.resize((side, side), Image.Resampling.BOX)


def cut(picture: Image.Image) -> Image.Image:
    return to_image(cut_out(from_image(picture)[None])[0])


def composed(picture: Image.Image, ground: tuple[int, int, int]) -> np.ndarray:
    """An RGBA picture over a colour, rounded: Porter and Duff's *over*."""
    rgba = np.asarray(picture).astype(np.int64)
    alpha = rgba[..., 3:]
    return (2 * (rgba[..., :3] * alpha + np.array(ground) * (255 - alpha)) + 255) // 510


@given(st.integers(0, 2**32 - 1))
def test_on_white_every_alpha_gives_back_exactly_what_was_drawn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rgb = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    rgba = unmixed(rgb, rng.integers(0, 256, (8, 8)).astype(np.uint8))
    assert (composed(Image.fromarray(rgba), (255, 255, 255)) == rgb).all()


def test_on_another_colour_the_soft_edge_is_mixed_with_that_and_no_white_is_left() -> None:
    found = composed(cut(disc()), (0, 0, 255))
    share = (255 - np.asarray(disc())[..., 1].astype(float)) / (255 - RED[1])  # green tells how much of a pixel is disc
    wanted = share[..., None] * np.array(RED) + (1 - share[..., None]) * np.array((0, 0, 255))
    assert np.mean((share > 0.02) & (share < 0.98)) > 0.05, "the edge is soft"
    assert np.abs(found - wanted).max() <= 2


def test_the_corner_is_clear_and_the_middle_opaque() -> None:
    picture = cut(disc())
    assert picture.getpixel((0, 0)) == (255, 255, 255, 0)
    assert picture.getpixel((16, 16)) == (*RED, 255)


def test_white_inside_a_closed_outline_stays() -> None:
    picture = cut(disc(fill=(255, 255, 255), outline=(90, 90, 90)))
    assert picture.getpixel((16, 16)) == (255, 255, 255, 255)
    assert picture.getpixel((0, 0))[3] == 0


def test_noise_in_the_white_goes_and_specks_go_with_it() -> None:
    rng = np.random.default_rng(3)
    rgb = np.asarray(disc()).astype(int)
    white = (rgb == 255).all(-1)
    rgb[white] -= rng.integers(0, 4, (int(white.sum()), 3))
    rgb[2, 2:4] = 225  # a faint speck, away from the disc
    alpha = alpha_of(rgb.astype(np.uint8))
    assert (alpha[white] == 0).all()
    assert alpha[16, 16] == 255


def test_a_small_dark_part_beside_the_thing_is_no_speck() -> None:
    picture = disc()
    picture.putpixel((2, 2), (20, 20, 20))
    assert alpha_of(np.asarray(picture))[2, 2] == 255


def test_a_thing_that_reaches_the_border_is_cut_out_all_the_same() -> None:
    picture = Image.new("RGB", (32, 32), "white")
    ImageDraw.Draw(picture).rectangle((0, 12, 31, 31), RED)
    alpha = alpha_of(np.asarray(picture))
    assert (alpha[:12] == 0).all()
    assert (alpha[12:] == 255).all()


def test_a_pale_band_at_the_border_is_not_taken_for_the_white() -> None:
    picture = Image.new("RGB", (32, 32), "white")
    ImageDraw.Draw(picture).rectangle((0, 8, 31, 23), (238, 238, 238))
    ImageDraw.Draw(picture).rectangle((0, 16, 31, 23), RED)
    assert (alpha_of(np.asarray(picture))[10:22, 4:28] == 255).all()


@pytest.mark.parametrize("picture", [Image.new("RGB", (24, 24), (90, 140, 200)), Image.new("RGB", (24, 24), "white")])
def test_what_has_no_white_background_or_is_nothing_but_white_stays_opaque_and_says_so(picture: Image.Image) -> None:
    found = cut_out(from_image(picture)[None])[0]
    assert (found[3] == 255).all()
    assert torch.equal(found[:3], from_image(picture))
    assert not is_cut_out(found)
    assert told_of(found) == (OPAQUE,)
    assert told_of(found[:3]) == ()  # nobody asked for it


def test_in_company_every_picture_is_the_same_bits_as_alone() -> None:
    pictures = [disc(), disc(fill=(20, 90, 30)), Image.new("RGB", (32, 32), (1, 2, 3))]
    together = cut_out(torch.stack(list(map(from_image, pictures))))
    assert all(torch.equal(x, from_image(cut(y))) for x, y in zip(together, pictures, strict=True))


@pytest.mark.parametrize("given", [(70, 70), (100, 48)])
def test_enlarged_it_is_on_white_what_the_opaque_picture_is_enlarged(given: tuple[int, int]) -> None:
    size, drawn = Size((32, 32), given), disc()
    larger = size.fit(cut(drawn))
    assert larger.mode == "RGBA"
    assert (composed(larger, (255, 255, 255)) == np.asarray(size.fit(drawn))).all()
    assert larger.getpixel((0, 0))[3] == 0
    assert Tensor.equal(size.fit_all(from_image(cut(drawn))[None])[0], from_image(larger))


def test_opened_again_as_a_photo_it_is_what_was_drawn() -> None:
    apart = np.asarray(on_white(cut(disc()))).astype(int) - np.asarray(disc())
    assert np.abs(apart).max() <= 1  # Pillow's own rounding


def test_a_maze_is_followed_to_its_end_and_not_through_its_walls() -> None:
    rows = ["#########", ".....#..#", "####.##.#", "#....#..#", "#.####.##", "#......##", "#########"]
    way = np.array([[sign == "." for sign in row] for row in rows])
    begin = np.zeros_like(way)
    begin[:, 0] = True
    found = reached(way, begin)
    assert found[5, 6]
    assert found[4, 6]
    assert found[1, 7]
    way[5, 5] = False
    assert reached(way, begin).sum() == way[:, :5].sum()


def test_a_faint_haze_around_the_thing_is_hardly_there_on_any_ground() -> None:
    large = Image.new("RGB", (32, 32), "white")
    ImageDraw.Draw(large).rectangle((6, 6, 25, 25), (247, 247, 245))
    ImageDraw.Draw(large).rectangle((9, 9, 22, 22), RED)
    alpha = alpha_of(np.asarray(large))
    assert (alpha[9:23, 9:23] == 255).all()
    assert alpha[6:26, 6:26].sum() == 255 * 14 * 14 + 10 * (20 * 20 - 14 * 14)  # as little as gives it back on white


def test_a_haze_squeezed_between_the_thing_and_the_border_is_hardly_there_either() -> None:
    picture = Image.new("RGB", (32, 32), "white")
    ImageDraw.Draw(picture).rectangle((4, 4, 27, 28), RED)
    ImageDraw.Draw(picture).rectangle((10, 29, 21, 31), (247, 247, 245))
    assert (alpha_of(np.asarray(picture))[29:, 10:22] <= 10).all()


def test_an_edge_that_ends_just_at_the_border_is_soft_and_what_is_cut_off_there_is_not() -> None:
    picture = Image.new("RGB", (32, 32), "white")
    ImageDraw.Draw(picture).rectangle((4, 0, 27, 30), RED)
    ImageDraw.Draw(picture).line((4, 31, 27, 31), (244, 210, 212))  # a fifth of RED
    alpha = alpha_of(np.asarray(picture))
    assert (alpha[0, 4:28] == 255).all()
    assert np.abs(alpha[31, 5:27].astype(int) - 51).max() <= 1
