"""``generate`` with pictures of earlier versions, files that would write over one another, and lists of prompts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fromnoise.drawing.picture_file import KEY, as_tensor, read_origin


def as_earlier_versions_wrote_it(file: Path, **changes: Any) -> None:
    """The same picture; its origin has no key ``native``."""
    with Image.open(file) as picture:
        picture.load()
        stored = json.loads(picture.text[KEY])  # type: ignore[attr-defined]
    del stored["request"]["native"]
    stored["request"] |= changes
    info = PngInfo()
    info.add_itxt(KEY, json.dumps(stored))
    picture.save(file, pnginfo=info)


def test_a_large_picture_of_an_earlier_version_is_redrawn_pixel_by_pixel(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    model, size = ("--model", tiny_model_folder, "--steps", 2, "--seed", 3), ("--size", "128x96")
    assert run("generate", "red apple", *model, *size, "--native", "--out", "old.png").code == 0
    as_earlier_versions_wrote_it(tmp_path / "old.png")
    again = run("generate", "--again", "old.png", "--model", tiny_model_folder, "--out", "new.png")
    assert again.code == 0, again.err
    assert "differ" not in again.err
    assert as_tensor(tmp_path / "new.png").equal(as_tensor(tmp_path / "old.png"))
    assert read_origin(tmp_path / "new.png").request.native


def test_a_large_picture_of_an_earlier_version_does_not_count_as_an_enlarged_one(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("red apple")
    wish = ("generate", "--prompts", "list.txt", "--model", tiny_model_folder, "--steps", 2, "--seed", 3)
    large = ("--size", "128x96", "--out", "out")
    assert run(*wish, *large, "--native").code == 0
    as_earlier_versions_wrote_it(tmp_path / "out" / "0000.png")
    other = run(*wish, *large)
    assert other.code == 2
    assert "give the options of before" in other.err
    assert "1 of 1 are there already" in run(*wish, *large, "--native").err


def test_a_small_picture_of_an_earlier_version_counts_as_drawn(
    run: Any, tiny_model_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("red apple")
    wish = ("generate", "--prompts", "list.txt", "--model", tiny_model_folder, "--steps", 2, "--out", "out")
    assert run(*wish, "--seed", 3).code == 0
    as_earlier_versions_wrote_it(tmp_path / "out" / "0000.png")
    assert "1 of 1 are there already" in run(*wish).err


@pytest.mark.parametrize("out", ["a.png", "./a.png", "link.png", "hard.png"])
def test_a_picture_is_not_drawn_over_the_one_it_is_compared_with(
    run: Any, tiny_model_folder: Path, tmp_path: Path, out: str
) -> None:
    assert run("generate", "sun", "--model", tiny_model_folder, "--steps", 2, "--out", "a.png").code == 0
    (tmp_path / "link.png").symlink_to("a.png")
    (tmp_path / "hard.png").hardlink_to(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    done = run("generate", "--again", "a.png", "--model", tiny_model_folder, "--out", out)
    assert done.code == 2
    assert "a.png is the picture to draw again; name another file" in done.err
    assert (tmp_path / "a.png").read_bytes() == before


def test_prompts_end_where_lines_end_and_nowhere_else(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_bytes("red\u2028apple\r\nblue\x0bhouse\rgreen\x85tree\nyellow\x1csun\n".encode())
    wish = ("generate", "--prompts", "list.txt", "--model", tiny_model_folder, "--steps", 2, "--out", "out")
    assert run(*wish).code == 0
    drawn = [read_origin(file).request.prompt for file in sorted((tmp_path / "out").iterdir())]
    assert drawn == ["red\u2028apple", "blue\x0bhouse", "green\x85tree", "yellow\x1csun"]


def test_a_line_of_the_command_is_the_line_of_the_library(run: Any, tiny_model_folder: Path, tmp_path: Path) -> None:
    """One record for both, with the picture's number."""
    import fromnoise

    wish = ("generate", "sun", "--model", tiny_model_folder, "--seed", 1, "--steps", 2, "-n", 2, "--out", "a.png")
    assert run(*wish).code == 0
    model = fromnoise.load(tiny_model_folder)
    for i, picture in enumerate(model("sun", seed=1, steps=2, n=2)):
        model.save(picture, tmp_path / "b.png")
        assert read_origin(tmp_path / "b.png") == read_origin(tmp_path / f"a-{i}.png")
