"""``--transparent``: in the file, in its settings, and again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import fromnoise
import fromnoise.drawing.generate as generating
from fromnoise.drawing.matte import OPAQUE
from fromnoise.drawing.picture_file import read_origin
from fromnoise.ground.pictures import on_white


def test_the_file_is_the_sticker_says_so_and_is_drawn_again(run: Any, tmp_path: Path) -> None:
    said = ("generate", "red apple", "--style", "fluent-emoji", "--steps", 4, "--seed", 7)
    assert run(*said, "--out", "a.png", "--transparent").err == ""
    assert run(*said, "--out", "b.png").code == 0
    found = run("generate", "--again", "a.png", "--out", "c.png")
    assert (found.code, found.err) == (0, "")  # no word of pixels that differ
    cut, plain, again = (Image.open(tmp_path / f"{name}.png") for name in "abc")
    assert (cut.mode, plain.mode) == ("RGBA", "RGB")
    assert read_origin(tmp_path / "c.png").request.transparent
    assert cut.tobytes() == again.tobytes()
    alpha = np.asarray(cut)[..., 3]
    assert (alpha == 0).mean() > 0.1
    seen = np.abs(np.asarray(on_white(cut)).astype(int) - np.asarray(plain))
    assert seen[alpha > 0].max() <= 1  # Pillow's own rounding
    called = fromnoise.load()("red apple", style="fluent-emoji", steps=4, seed=7, transparent=True)[0]
    assert called.tobytes() == cut.tobytes()
    fromnoise.load().save(called, tmp_path / "d.png")
    assert Image.open(tmp_path / "d.png").tobytes() == cut.tobytes()


def test_a_background_that_is_not_white_stays_and_each_file_is_named(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(generating, "pasted", lambda pictures, start: torch.full_like(pictures, 90))
    said = ("generate", "red apple", "--steps", 1, "--seed", 7, "-n", 2, "--transparent", "--out", "a.png")
    assert run(*said).err.splitlines() == [f"a-{i}.png: {OPAQUE}" for i in range(2)]
    assert run("generate", "--again", "a-1.png", "--out", "b.png").err.splitlines() == [f"b.png: {OPAQUE}"]
