"""A story model's folder: whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fromnoise.ground.errors import UserError
from fromnoise.story import model as story_model
from fromnoise.story.model import StoryModel
from fromnoise.story.vocabulary import Vocabulary

FULL = OSError(28, "No space left on device")


def _fails(*_: Any, **__: Any) -> None:
    raise FULL


@pytest.mark.parametrize("where", ["weights", "vocabulary", "facts"])
def test_a_full_disk_leaves_the_model_that_was_there(
    tiny_story: StoryModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    folder = tmp_path / "model"
    tiny_story.save(folder)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    broken = {"weights": (story_model, "save_file"), "vocabulary": (Vocabulary, "save"), "facts": (Path, "write_text")}
    monkeypatch.setattr(*broken[where], _fails)
    with pytest.raises(UserError, match=r"cannot write the story model to .*No space left"):
        tiny_story.save(folder)
    with pytest.raises(UserError, match="No space left"):
        tiny_story.save(tmp_path / "new")
    monkeypatch.undo()
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [place.name for place in tmp_path.iterdir()] == ["model"]


def test_ctrl_c_leaves_the_model_that_was_there(
    tiny_story: StoryModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    tiny_story.save(folder)

    def interrupted(self: Vocabulary, file: Path) -> None:
        file.write_text("half")
        raise KeyboardInterrupt

    monkeypatch.setattr(Vocabulary, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        tiny_story.save(folder)
    monkeypatch.undo()
    assert StoryModel.load(folder).hash == tiny_story.hash
    assert [place.name for place in tmp_path.iterdir()] == ["model"]


def test_a_folder_with_other_things_is_refused(tiny_story: StoryModel, tmp_path: Path) -> None:
    (tmp_path / "diary.txt").write_text("mine")
    with pytest.raises(UserError, match="holds something that is not a story model"):
        tiny_story.save(tmp_path)
    assert (tmp_path / "diary.txt").read_text() == "mine"
