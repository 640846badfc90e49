"""Masks and pictures as clients send them: what may change, without a server."""

from __future__ import annotations

import errno
import io
import tempfile
import threading
import time
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from fromnoise.studio.desk.problem import Problem
from fromnoise.studio.desk.uploads import Uploads, begun, check_reach, mask_from, opened, own_mask
from studio.conftest import LIMITS, Live, running


def sent(image: Image.Image, kind: str = "PNG") -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, kind, **({"lossless": True} if kind == "WEBP" else {}))
    return opened(buffer.getvalue(), 10**7)


def boxed(mode: str, ground: object, box: object) -> Image.Image:
    image = Image.new(mode, (64, 64), ground)  # type: ignore[arg-type]
    image.paste(box, (16, 16, 32, 32))  # type: ignore[arg-type]
    return image


def free(mask: Image.Image) -> np.ndarray:
    return np.asarray(mask) == 255


BOX = np.zeros((64, 64), bool)
BOX[16:32, 16:32] = True
PHOTO = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))


def with_alpha(inside: int, outside: int = 255) -> Image.Image:
    photo = PHOTO.convert("RGBA")
    photo.putalpha(boxed("L", outside, inside))
    return photo


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
@pytest.mark.parametrize(
    "mask",
    [
        boxed("L", 0, 255),
        boxed("1", 0, 1),
        boxed("RGB", (0, 0, 0), (255, 255, 255)),
        boxed("RGBA", (0, 0, 0, 255), (0, 0, 0, 0)),
        boxed("RGBA", (255, 255, 255, 255), (255, 255, 255, 0)),
        boxed("RGBA", (0, 0, 0, 255), (255, 255, 255, 0)),
        boxed("LA", (0, 255), (0, 0)),
        boxed("RGBA", (0, 0, 0, 200), (0, 0, 0, 100)),  # soft on both sides of the threshold
        boxed("RGBA", (0, 0, 0, 200), (255, 255, 255, 200)),  # thinned all over: no holes, so white says it
        with_alpha(0),
    ],
    ids=["grey", "bit", "colour", "holes", "white holes", "both", "LA", "soft", "thin", "photo with a hole"],
)
def test_a_mask_says_where_it_is_clear_or_else_where_it_is_white(mask: Image.Image, kind: str) -> None:
    if kind == "WEBP" and mask.mode in ("1", "LA", "L"):
        mask = mask.convert("RGBA")
    assert np.array_equal(free(mask_from(sent(mask, kind))), BOX)


def test_a_palettes_clear_entry_is_a_hole() -> None:
    mask = boxed("P", 0, 1)
    mask.putpalette([9, 9, 9, 30, 30, 30])
    mask.info["transparency"] = 1
    assert np.array_equal(free(mask_from(sent(mask))), BOX)


@pytest.mark.parametrize("alpha", [254, 128, 127, 0])
def test_a_slip_of_the_brush_makes_no_other_mask(alpha: int) -> None:
    mask = boxed("RGBA", (0, 0, 0, 255), (255, 255, 255, 255))
    mask.putpixel((8, 8), (0, 0, 0, alpha))
    assert np.array_equal(free(mask_from(sent(mask))), BOX)


def test_a_small_hole_in_a_photo_is_meant() -> None:
    photo = PHOTO.convert("RGBA")
    photo.putpixel((8, 8), (0, 0, 0, 0))
    assert int(free(mask_from(sent(photo))).sum()) == 1


@pytest.mark.parametrize(("alpha", "drawn"), [(0, True), (127, True), (128, False), (200, False), (254, False)])
def test_a_pictures_own_holes_are_its_mask_and_thin_parts_are_not(alpha: int, drawn: bool) -> None:
    mask = own_mask(sent(with_alpha(alpha)), (64, 64), 8)
    assert (mask is not None) == drawn
    if mask is not None:
        assert np.array_equal(free(mask), BOX)
    assert own_mask(sent(with_alpha(alpha, alpha)), (64, 64), 8) is None or drawn


def test_holes_smaller_than_a_latent_are_not_to_be_filled() -> None:
    photo = PHOTO.convert("RGBA")
    for place in ((8, 8), (9, 9), (63, 63)):
        photo.putpixel(place, (0, 0, 0, 0))
    assert own_mask(sent(photo), (64, 64), 8) is None
    assert own_mask(sent(PHOTO), (64, 64), 8) is None


def test_masks_that_let_nothing_change_name_their_field() -> None:
    for mask in (Image.new("L", (64, 64)), Image.new("RGBA", (64, 64), (0, 0, 0, 200))):
        with pytest.raises(Problem, match="lets nothing change") as error:
            begun(PHOTO, mask_from(sent(mask)), (64, 64))
        assert (error.value.status, error.value.param) == (400, "mask")
    dot = Image.new("L", (64, 64))
    dot.putpixel((3, 3), 255)
    with pytest.raises(Problem, match="smaller than the model can draw") as error:
        check_reach(begun(PHOTO, mask_from(sent(dot)), (64, 64)), 8)
    assert error.value.param == "mask"


def test_sixteen_bits_and_limits_of_uploads() -> None:
    assert sent(Image.fromarray(np.full((8, 8), 40000, np.uint16))).getpixel((0, 0)) == (155, 155, 155)
    buffer = io.BytesIO()
    PHOTO.save(buffer, "PNG")
    with pytest.raises(Problem, match="64×64 pixels") as error:
        opened(buffer.getvalue(), 4095, "mask")
    assert (error.value.status, error.value.param) == (413, "mask")
    PHOTO.save(buffer := io.BytesIO(), "TIFF")  # kinds that clients do not send
    with pytest.raises(Problem, match="send PNG, JPEG, WebP or GIF") as error:
        opened(buffer.getvalue(), 10**7)
    assert error.value.code == "invalid_image"


class Full(tempfile.SpooledTemporaryFile[bytes]):
    """As when a large upload is put aside on a full disk."""

    def write(self, data: Any) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("where", ["kept", "received"])
def test_a_full_disk_is_507_in_one_line_and_nothing_is_half_kept(
    http: httpx.Client, live: Live, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    buffer = io.BytesIO()
    PHOTO.rotate(90).save(buffer, "PNG")
    file = {"file": ("photo.png", buffer.getvalue(), "image/png")}
    before = sorted((live.state.store.folder / "uploads").iterdir())

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        if where == "kept":
            patch.setattr("fromnoise.ground.whole.os.replace", full)
        else:
            patch.setattr("starlette.formparsers.SpooledTemporaryFile", Full)
        answer = http.post("/api/uploads", files=file)
    assert answer.status_code == 507
    assert answer.json()["error"] == {
        "message": "the server has nowhere to put the picture (No space left on device); make room on its disk, and "
        "try again", "type": "server_error", "param": None, "code": "insufficient_storage",
    }  # fmt: skip
    assert sorted((live.state.store.folder / "uploads").iterdir()) == before
    assert http.post("/api/uploads", files=file).status_code == 201


@pytest.mark.parametrize("path", ["/api/uploads", "/api/settings"])
def test_a_picture_that_takes_too_long_is_given_up_and_holds_up_nobody(
    path: str, tiny_model: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()
    with running(tiny_model, tmp_path, limits=replace(LIMITS, unpack_seconds=0.2)) as live, live.client() as client:
        for owner, name in ((Uploads, "add"), (type(live.state), "read_origin")):
            monkeypatch.setattr(owner, name, lambda *_: free.wait(30))
        begin = time.monotonic()
        answers = [client.post(path, files={"file": ("x.png", b"x", "image/png")}) for _ in range(3)]
        seconds = time.monotonic() - begin
        assert client.get("/healthz").status_code == 200
        free.set()
    assert seconds < 10
    assert [answer.status_code for answer in answers] == [413] * 3
    assert "takes too long" in answers[0].json()["error"]["message"]
