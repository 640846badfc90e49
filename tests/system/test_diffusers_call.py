"""docs/checkpoints.md gives two calls that draw the same picture, ours and diffusers'; here they are, as written."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

PAGE = Path(__file__).parents[2] / "docs" / "checkpoints.md"


def block(language: str) -> str:
    """The first block of code in a language below the heading."""
    part = PAGE.read_text(encoding="utf-8").split("## The same picture in diffusers")[1]
    found = re.search(rf"```{language}\n(.*?)```", part, re.DOTALL)
    assert found is not None
    return found[1]


def test_the_two_calls_of_the_page_draw_the_same_picture(tmp_path: Path) -> None:
    pytest.importorskip("diffusers")
    command = shlex.split(block("sh").replace("\\\n", " "))
    assert command[0] == "fromnoise"
    for call in ([sys.executable, "-m", *command], [sys.executable, "-c", block("python")]):
        done = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
        assert done.returncode == 0, done.stderr
    ours, theirs = (np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in ("ours", "theirs"))
    assert ours.shape == theirs.shape == (64, 64, 3)
    assert abs(ours - theirs).max() <= 1
    assert np.ptp(ours) > 200  # a picture, not a plain area
