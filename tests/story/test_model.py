"""A story model's folder: whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import make_tiny_story
from fromnoise.ground.errors import UserError
from fromnoise.story import model as story_model
from fromnoise.story.model import StoryModel
from fromnoise.story.vocabulary import END, Vocabulary

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


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_one_place_of_each_sentence_is_what_all_places_are(gaps: float, tmp_path: Path) -> None:
    make_tiny_story(gaps).save(tmp_path / "tiny")
    model = StoryModel.load(tmp_path / "tiny")
    rows = torch.tensor([[5, 1, 7, 8, 9], [9, 8, 1, 6, 5], [4, 5, 6, 7, 1]])
    x, t, labels = model.padded(rows.tolist()), torch.full((3,), 300), torch.tensor([[1, 0], [0, 0], [2, 3]])
    whole = model.together(x, t, labels)
    assert whole.shape == (3, model.longest, len(model.vocabulary))
    for places in ([1, 2, 4], [0, 3, 1]):
        found = model.at(torch.tensor(places), x, t, labels)
        torch.testing.assert_close(found, whole[torch.arange(3), places], atol=1e-5, rtol=1e-5)
    assert torch.equal(whole[:, 5:].argmax(-1), torch.full((3, model.longest - 5), END))
    learning = make_tiny_story(gaps)  # every word's features are put together anew each time
    torch.testing.assert_close(learning.together(x, t, labels), whole, atol=2e-2, rtol=1e-2)
