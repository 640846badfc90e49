"""The invisible mark: found after what pictures go through, not found where it is not, and hardly to be seen."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from fromnoise.drawing.picture_file import Origin, from_image, stamped, to_image
from fromnoise.drawing.request import Request
from fromnoise.ground.errors import UserError
from fromnoise.provenance import watermark
from fromnoise.provenance.stamp import Stamp
from fromnoise.provenance.watermark import find, marked


def drawing(seed: int, side: int) -> Tensor:
    """Coloured shapes on white, smooth at their edges, uint8 [3,side,side]."""
    rng = np.random.default_rng(seed)
    picture = Image.new("RGB", (4 * side, 4 * side), "white")
    pen = ImageDraw.Draw(picture)
    for _ in range(6):
        x, y, wide, high = rng.integers(0, 3 * side, 2).tolist() + rng.integers(side // 2, 2 * side, 2).tolist()
        shape = pen.ellipse if rng.random() < 0.5 else pen.rectangle
        shape(
            (x, y, x + wide, y + high), fill=tuple(rng.integers(0, 256, 3).tolist()), outline="black", width=side // 16
        )
    return from_image(picture.resize((side, side), Image.Resampling.LANCZOS))


def jpeg(picture: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    to_image(picture).save(file, "JPEG", quality=quality)
    return from_image(Image.open(file).convert("RGB"))


def resized(picture: Tensor, factor: float) -> Tensor:
    side = round(picture.shape[1] * factor)
    return from_image(to_image(picture).resize((side, side), Image.Resampling.BICUBIC))


def cropped(picture: Tensor, share: float) -> Tensor:
    side = picture.shape[1]
    left, top, kept = int((1 - share) * side * 0.3), int((1 - share) * side * 0.8), round(share * side)
    return picture[:, top : top + kept, left : left + kept]


ATTACKS = {
    "none": lambda p: p,
    "JPEG 75": lambda p: jpeg(p, 75),
    "half": lambda p: resized(p, 0.5),
    "three quarters": lambda p: resized(p, 0.75),
    "twice": lambda p: resized(p, 2),
    "a wide copy": lambda p: from_image(to_image(p).resize((300, 150))),
    "cut to 80 %": lambda p: cropped(p, 0.8),
    "cut to 90 %, three times as large": lambda p: resized(cropped(p, 0.9), 3),
    "brighter": lambda p: (p.float() * 0.8 + 30).byte(),
}


@pytest.mark.parametrize("side", [64, 128, 200])
def test_it_outlives_what_pictures_go_through(side: int) -> None:
    pictures = [marked(drawing(seed, side)) for seed in range(4)]
    for name, attack in ATTACKS.items():
        found = [find(attack(picture)) for picture in pictures]
        assert sum(mark.found for mark in found) >= 3, name
    assert all(find(picture).found for picture in pictures)
    part = find(cropped(pictures[0], 0.8))
    assert part.share == pytest.approx((0.8, 0.8), abs=0.03)


def test_a_picture_without_it_is_a_draw_from_the_normal_distribution() -> None:
    scores = torch.tensor([find(drawing(seed, 64), crops=False).score for seed in range(300)])
    larger = torch.distributions.Normal(0, 1).sample((100_000, 2)).amax(1)  # two grids are tried
    assert float(scores.mean()) == pytest.approx(float(larger.mean()), abs=0.2)
    assert float(scores.std()) == pytest.approx(float(larger.std()), abs=0.15)
    assert not any(find(drawing(seed, 64)).found for seed in range(300, 340))


def test_the_score_is_the_equation() -> None:
    """With NumPy's Fourier transform and its own luminance table, written from the module's docstring."""
    picture = marked(drawing(1, 64))
    red, green, blue = picture.numpy().astype(np.float64)
    cb = -0.168736 * red - 0.331264 * green + 0.5 * blue
    cycles = np.fft.fftfreq(64) * 64
    reach = np.hypot(cycles[:, None], cycles[None])
    band = (reach >= 3) & (reach <= 14)

    def p(x: np.ndarray) -> np.ndarray:
        return np.real(np.fft.ifft2(np.fft.fft2(x) * band))

    b = p(cb)
    held = p(b / np.sqrt(b**2 + 9))
    noise = torch.randint(2, (64, 64), generator=torch.Generator().manual_seed(20_261_130)).double().numpy() * 2 - 1
    z = float((held * noise).sum() / np.linalg.norm(held))
    found = find(picture)
    assert found.score == pytest.approx(z, abs=1e-3)
    assert found.chance == pytest.approx(2 * 0.5 * math.erfc(z / math.sqrt(2)), rel=0.02)


@pytest.mark.parametrize(("side", "least"), [(64, 38.0), (128, 45.0)])
def test_it_is_hardly_seen(side: int, least: float) -> None:
    """Brightness, which eyes see best, hardly changes (dB)."""
    for seed in range(4):
        clean, hidden = drawing(seed, side).float(), marked(drawing(seed, side)).float()
        grey = torch.tensor([0.299, 0.587, 0.114])[:, None, None]
        error = ((clean - hidden) * grey).sum(0).square().mean()
        assert 10 * math.log10(255**2 / float(error)) > least
        assert torch.equal(clean[0], hidden[0])  # red says nothing of it


def test_it_is_the_same_every_time_and_a_mark_on_a_mark_still_is_one() -> None:
    picture = drawing(3, 64)
    assert torch.equal(marked(picture), marked(picture.clone()))
    assert torch.equal(marked(marked(picture)), marked(picture))  # it is there already


def test_transparency_stays_and_nothing_is_put_where_nothing_is_seen() -> None:
    alpha = torch.zeros(1, 64, 64, dtype=torch.uint8)
    alpha[:, 8:56, 8:56] = 255
    picture = torch.cat([drawing(2, 64), alpha])
    hidden = marked(picture)
    assert torch.equal(hidden[3], picture[3])
    assert torch.equal(hidden[:3, :8], picture[:3, :8])
    white = Image.new("RGB", (64, 64), "white")
    white.paste(to_image(hidden), mask=to_image(hidden).getchannel("A"))
    assert find(from_image(white)).found


@pytest.mark.parametrize("picture", [torch.full((3, 64, 64), 255), torch.zeros(3, 96, 70), torch.full((4, 64, 64), 0)])
def test_a_picture_without_anything_in_it_breaks_nothing(picture: Tensor) -> None:
    hidden = marked(picture.byte())
    assert hidden.shape == picture.shape
    assert find(hidden[:3]).found == bool(picture[-1].max() if len(picture) == 4 else True)
    assert not find(picture[:3].byte()).found


def test_a_stereogram_is_never_marked() -> None:
    origin = Origin(Request("a cat", seed=1), "m", "0" * 12, "1.0", shown_as="stereogram", watermark=True)
    picture = drawing(6, 64)
    shown, said = stamped(picture, origin, Stamp(watermark=True))
    assert torch.equal(shown, picture)
    assert not said.watermark


def test_a_picture_too_small_for_it_is_refused() -> None:
    with pytest.raises(UserError, match="at least 64 pixels a side, not 64x48"):
        marked(torch.zeros(3, 48, 64, dtype=torch.uint8))
    assert not find(torch.zeros(3, 5, 9, dtype=torch.uint8)).found


def test_the_bound_counts_every_place_that_was_looked_at() -> None:
    counted = watermark._part(watermark._blueness(drawing(5, 64).float()), 64)[2]
    assert counted == sum((64 - side + 1) ** 2 for side in range(45, 65))
