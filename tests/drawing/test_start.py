"""Photos and masks to start from: what a mask means in every form that people keep masks in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from fromnoise.drawing.picture_file import Origin, as_tensor, read_origin, save_png
from fromnoise.drawing.request import Request
from fromnoise.drawing.start import Start, fitting_size, open_photo, prepare, reaches, start_from
from fromnoise.ground.errors import UserError
from fromnoise.ground.pictures import MOST_SIDE
from fromnoise.system.text_to_image import TextToImage

PHOTO = Image.new("RGB", (64, 64), (200, 30, 30))
BOX = (16, 16, 31, 31)  # 256 pixels


def strokes(mode: str, ground: object, white: object) -> Image.Image:
    mask = Image.new(mode, (64, 64), ground)  # type: ignore[arg-type]
    ImageDraw.Draw(mask).rectangle(BOX, fill=white)  # type: ignore[arg-type]
    return mask


def sixteen_bits(ground: int, white: int) -> Image.Image:
    values = np.full((64, 64), ground, np.uint16)
    values[16:32, 16:32] = white
    return Image.fromarray(values)


def palette() -> Image.Image:
    mask = strokes("P", 0, 1)
    mask.putpalette([0, 0, 0, 255, 255, 255])
    mask.info["transparency"] = 0
    return mask


MASKS: dict[str, Callable[[], Image.Image]] = {
    "grey": lambda: strokes("L", 0, 255),
    "one bit": lambda: strokes("1", 0, 1),
    "colour": lambda: strokes("RGB", "black", "white"),
    "strokes on an empty layer": lambda: strokes("RGBA", (0, 0, 0, 0), "white"),
    "strokes on an empty layer, half opaque": lambda: strokes("RGBA", (0, 0, 0, 0), (255, 255, 255, 140)),
    "grey strokes on an empty layer": lambda: strokes("LA", (0, 0), (255, 255)),
    "palette with a clear ground": palette,
    "16 bits": lambda: sixteen_bits(0, 65535),
    "16 bits, ground not quite black": lambda: sixteen_bits(6000, 65535),
    "black strokes would be the rest": lambda: strokes("RGBA", (0, 0, 0, 255), (255, 255, 255, 0)),
}


@pytest.mark.parametrize("name", MASKS)
def test_white_is_what_may_change_whatever_holds_it(name: str, tmp_path: Path) -> None:
    MASKS[name]().save(tmp_path / "m.png")
    found = start_from(PHOTO, (64, 64), open_photo(tmp_path / "m.png")).mask
    expected = torch.zeros(64, 64, dtype=torch.bool)
    expected[16:32, 16:32] = True
    assert found is not None
    assert found.equal(expected)


@pytest.mark.parametrize("kind", ["webp", "avif", "tiff", "tga", "jp2", "gif"])
def test_a_mask_in_another_kind_of_file(kind: str, tmp_path: Path) -> None:
    strokes("RGBA", (0, 0, 0, 0), "white").save(tmp_path / f"m.{kind}")
    found = start_from(PHOTO, (64, 64), open_photo(tmp_path / f"m.{kind}")).mask
    assert found is not None
    assert int(found.sum()) == 256


def test_diffusers_masks_the_same_pixels(tmp_path: Path) -> None:
    processor = pytest.importorskip("diffusers.image_processor").VaeImageProcessor(
        do_normalize=False, do_binarize=True, do_convert_grayscale=True
    )
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (64, 64, 4), dtype=np.uint8)).save(tmp_path / "m.png")
    with Image.open(tmp_path / "m.png") as mask:
        theirs = processor.preprocess(mask, 64, 64)[0, 0] == 1
    found = start_from(PHOTO, (64, 64), open_photo(tmp_path / "m.png")).mask
    assert found is not None
    assert found.equal(theirs)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (Image.new("L", (64, 64), 0), "black all over"),
        (Image.new("L", (64, 64), 87), "brightest grey is 87 of 255"),
        (strokes("RGBA", (0, 0, 0, 0), "black"), "black all over"),
        (strokes("RGBA", (255, 255, 255, 0), "white"), "protects nothing"),
        (sixteen_bits(0, 255), "black all over"),  # eight bits' white in sixteen
    ],
    ids=["black", "grey", "black strokes", "white on clear white", "16 bits too dark"],
)
def test_a_mask_that_says_nothing_is_refused(mask: Image.Image, message: str, tmp_path: Path) -> None:
    mask.save(tmp_path / "m.png")
    with pytest.raises(UserError, match=message):
        start_from(PHOTO, (64, 64), open_photo(tmp_path / "m.png"))


def test_a_white_mask_lets_all_of_the_picture_change() -> None:
    found = start_from(PHOTO, (64, 64), Image.new("L", (64, 64), 255)).mask
    assert found is not None
    assert found.all()


def test_a_stroke_that_vanishes_at_the_drawn_size_is_refused() -> None:
    mask = Image.new("L", (4096, 4096), 0)
    ImageDraw.Draw(mask).line((0, 2000, 4095, 2000), fill=255, width=3)
    with pytest.raises(UserError, match="too thin"):
        start_from(PHOTO, (64, 64), mask)


def test_what_no_latent_feels_is_refused() -> None:
    free = torch.zeros(64, 64, dtype=torch.bool)
    free[17:24, 17:24] = True  # between the pixels that latents are masked by
    with pytest.raises(UserError, match="8×8 pixels of 64×64"):
        Start(torch.zeros(3, 64, 64, dtype=torch.uint8), free).check(8)
    free[16, 16] = True
    Start(torch.zeros(3, 64, 64, dtype=torch.uint8), free).check(8)
    Start(torch.zeros(3, 64, 64, dtype=torch.uint8)).check(8)


def test_latents_are_masked_by_the_pixels_that_are_checked(tiny_model: TextToImage) -> None:
    """Of a mask of a single pixel, the check says that it reaches a latent where it does, and only there."""
    vae, found = tiny_model.vae, torch.zeros(16, 24, dtype=torch.bool)
    picture = torch.zeros(3, 16, 24, dtype=torch.uint8)
    for y in range(16):
        for x in range(24):
            free = torch.zeros(16, 24, dtype=torch.bool)
            free[y, x] = True
            mask = prepare(Start(picture, free), vae, [torch.Generator()], False, False).mask
            assert mask is not None
            assert mask.shape[2:] == (16 // vae.factor, 24 // vae.factor)
            found[y, x] = bool(mask.any())
            assert reaches(free, vae.factor) == found[y, x]
    assert int(found.sum()) == (16 // vae.factor) * (24 // vae.factor)  # one pixel for each latent


def test_a_photos_own_transparency_is_white_and_sixteen_bits_are_scaled(tmp_path: Path) -> None:
    clear = Image.new("RGBA", (64, 64), (10, 20, 30, 0))
    clear.save(tmp_path / "clear.png")
    assert start_from(open_photo(tmp_path / "clear.png"), (64, 64)).picture.min() == 255
    sixteen_bits(40000, 40000).save(tmp_path / "deep.png")
    assert start_from(open_photo(tmp_path / "deep.png"), (64, 64)).picture.unique().tolist() == [155]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((64, 64), (64, 64)),
        ((100, 60), (80, 48)),
        ((3000, 2000), (80, 56)),
        ((1800, 100), (272, 16)),
        ((4000, 100), (640, 16)),  # 40 : 1, as the photo
        ((100, 4000), (16, 640)),
        ((64000, 10), (1024, 16)),  # its ends are cut off
        ((1, 60000), (16, 1024)),
    ],
)
def test_long_photos_get_a_size_that_a_model_takes(shape: tuple[int, int], expected: tuple[int, int]) -> None:
    assert fitting_size(Image.new("1", shape), 64, 8) == expected


def test_our_own_large_pictures_can_be_read_back(tmp_path: Path) -> None:
    request = Request(prompt="sun", seed=1, steps=2, guidance=1.0, sampler="ddim", width=MOST_SIDE, height=2112)
    origin = Origin(request, "tiny", "0" * 12, "0")
    picture = torch.zeros(3, 2112, MOST_SIDE, dtype=torch.uint8)  # above 4096 · 4096
    picture[0, 1000] = 200
    save_png(picture, tmp_path / "large.png", origin)
    assert read_origin(tmp_path / "large.png") == origin
    assert as_tensor(tmp_path / "large.png").equal(picture)
