"""Places to write to that are none: one line, and nothing lies there afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

PLACES = ("", "/", ".", "loop/x", "loop", "file/x", "a\0b", "x" * 300)
COMMANDS = (
    ("generate", "red apple", "--steps", "1", "--model", "MODEL", "--out"),
    ("sheet", "--prompt", "red apple", "--steps", "1", "--model", "MODEL", "--out"),
    ("inspect", "noise", "--prompt", "red apple", "--steps", "1", "--model", "MODEL", "--out"),
    ("convert", "MODEL"),
)


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_place_that_is_none_is_one_line(
    command: tuple[str, ...], run: Any, tmp_path: Path, tiny_model_folder: Path
) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "file").write_text("mine")
    before = sorted(tmp_path.rglob("*"))
    words = [str(tiny_model_folder) if word == "MODEL" else word for word in command]
    for place in PLACES:
        found = run(*words, place)
        assert found.code in (1, 2), (place, found)
        assert "Traceback" not in found.err, found.err
        lines = [line for line in found.err.strip().splitlines() if line.startswith("fromnoise:")]
        assert len(lines) == 1, (place, found.err)
        assert lines[0].isprintable()
        assert sorted(tmp_path.rglob("*")) == before, place
    assert (tmp_path / "file").read_text() == "mine"
