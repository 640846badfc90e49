"""Films and contact sheets hold the right pictures in the right places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageSequence

from fromnoise.drawing.generate import Finished, generate
from fromnoise.drawing.picture_file import to_image
from fromnoise.drawing.plan import plan
from fromnoise.drawing.request import Request
from fromnoise.inspection.film import STRIP, Film, save_film
from fromnoise.inspection.sheet import contact_sheet
from fromnoise.system.text_to_image import TextToImage

REQUEST = Request(prompt="red apple", style="noto", seed=3, steps=5, count=2)


@pytest.fixture(scope="module")
def watched(tiny_model: TextToImage) -> tuple[Film, torch.Tensor]:
    """A film of two pictures, and the pictures."""
    film, pictures = Film(tiny_model), torch.empty(0)
    for event in generate(tiny_model, plan(tiny_model, REQUEST)):
        if isinstance(event, Finished):
            pictures = event.pictures
        else:
            film.add(event)
    return film, pictures


def test_a_film_begins_with_the_noise_and_ends_with_the_picture(
    tiny_model: TextToImage, watched: tuple[Film, torch.Tensor]
) -> None:
    film, pictures = watched
    for i in range(2):
        frames = film.frames(i)
        assert len(frames) == 1 + 5
        assert frames[-1].tobytes() == to_image(pictures[i]).tobytes()
        noise = torch.randn(tiny_model.latent_shape(), generator=torch.Generator().manual_seed(3 + i))
        assert frames[0].tobytes() == to_image(tiny_model.decode(noise[None])[0]).tobytes()
    assert [f.tobytes() for f in film.frames(0)] != [f.tobytes() for f in film.frames(1)]


def test_a_long_film_is_thinned_and_keeps_its_ends(watched: tuple[Film, torch.Tensor]) -> None:
    film, _ = watched
    whole, short = film.frames(0), film.frames(0, most=3)
    assert len(short) == 3
    assert [short[0].tobytes(), short[-1].tobytes()] == [whole[0].tobytes(), whole[-1].tobytes()]


def colours(count: int) -> list[Image.Image]:
    return [Image.new("RGB", (8, 8), (10 * i, 255 - 10 * i, 0)) for i in range(count)]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_moving_film_shows_every_frame_and_holds_the_last(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"film{suffix}"
    save_film(colours(6), file, seconds=3.0, zoom=2)
    with Image.open(file) as film:
        frames = [(f.convert("RGB").getpixel((8, 8)), f.info["duration"]) for f in ImageSequence.Iterator(film)]
        assert film.size == (16, 16)
        assert film.info["loop"] == 0
    assert [duration for _, duration in frames] == [500] * 5 + [2000]
    for i, (shown, _) in enumerate(frames):
        assert max(abs(a - b) for a, b in zip(shown, (10 * i, 255 - 10 * i, 0), strict=True)) < 12, i


def test_a_strip_shows_ten_frames_from_first_to_last(tmp_path: Path) -> None:
    file = tmp_path / "strip.png"
    save_film(colours(19), file)
    with Image.open(file) as strip:
        assert strip.size == (STRIP * 12 - 4, 8)
        shown = [strip.getpixel((i * 12 + 4, 4)) for i in range(STRIP)]
    assert shown == [(20 * i, 255 - 20 * i, 0) for i in range(STRIP)]


def test_a_contact_sheet_puts_pictures_row_by_row() -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255)]
    pictures = torch.tensor(colours, dtype=torch.uint8)[:, :, None, None].expand(6, 3, 16, 16)
    sheet = np.asarray(contact_sheet(pictures, ["a", "much longer name"], ["x", "y", "z"], zoom=2))
    corners = []
    for colour in colours:
        y, x = np.nonzero((sheet == colour).all(2))
        assert (len(x), np.ptp(x), np.ptp(y)) == (32 * 32, 31, 31)  # whole, and twice as large
        corners.append((x.min(), y.min()))
    columns, rows = zip(*corners, strict=True)
    assert columns[:3] == columns[3:] == tuple(sorted(set(columns)))
    assert rows[0] == rows[1] == rows[2] < rows[3] == rows[4] == rows[5]
