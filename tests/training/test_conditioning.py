"""What the text tower says of captions: read once where they are few, and never otherwise than anew."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from fromnoise.data.captions import CaptionMix, CaptionSampler
from fromnoise.data.record import Record
from fromnoise.training import run as module
from fromnoise.training.conditioning import Conditioning, Remembered, listening, texts_in
from fromnoise.training.loop import Trainer
from fromnoise.training.run_examples import most_captions
from training.test_many import diffusion_task
from training.test_run import small

MIXES = (CaptionMix(), CaptionMix(0, 1, 0, 0, 0, 0, colour=0.5), CaptionMix(0.5, 0, 0.3, 0, 0.1, 0.1, 0, article=0.5))
RECORDS = [
    Record("a.png", "apple", keywords=("fruit", "red", "food"), alt=("pome",), style="noto", colours=("red", "green")),
    Record("b.png", "house", style="noto"),
    Record("c.png", "tree", keywords=("leaf", "wood")),
]


@pytest.mark.parametrize("mix", MIXES)
def test_there_are_never_more_captions_than_is_said(mix: CaptionMix) -> None:
    sampler, rng = CaptionSampler(RECORDS, mix), torch.Generator().manual_seed(0)
    heard = {sampler(i, rng) for _ in range(3000) for i in range(len(RECORDS))}
    assert len(heard) <= sampler.most() <= 4 * len(heard)


def test_an_ordinary_folder_is_remembered_and_what_has_no_end_is_not(tmp_path: Path) -> None:
    recipe, folder = small(), [Record(f"{i}.png", f"a thing {i}") for i in range(2_000)]
    tower = diffusion_task(tmp_path).words.tower
    assert 4_000 <= most_captions(recipe, "mine", folder) < texts_in(256, tower)
    many = [replace(record, keywords=tuple("abcdefg"), colours=("red", "blue")) for record in folder]
    assert most_captions(recipe, "mine", many) > 10**6 > texts_in(256, tower)
    assert most_captions(recipe.with_overrides({"diffusion.remember": "false"}), "mine", folder) == sys.maxsize
    tokenizer = diffusion_task(tmp_path).words.tokenizer
    assert type(listening(tokenizer, tower, 4_000)) is Remembered
    assert type(listening(tokenizer, tower, 10**6)) is Conditioning


def test_what_is_remembered_changes_no_bit_of_what_is_learnt(tmp_path: Path) -> None:
    """A memory for all, one that forgets after each step, and a training that was interrupted and so reads anew."""

    def trained(name: str, most: float, *parts: int) -> list[torch.Tensor]:
        for steps in parts:
            task = diffusion_task(tmp_path)
            task.words = Remembered(task.words.tokenizer, task.words.tower, most)
            trainer = Trainer(task, tmp_path / name, 5, of_muon=torch.float32)
            trainer.run(steps)
        return [*trainer.masters, *trainer.averages]

    whole = trained("whole", 256, 8)
    for found in (trained("forgets", 0, 8), trained("broken", 256, 3, 5)):
        assert all(torch.equal(one, other) for one, other in zip(whole, found, strict=True))


def test_a_run_listens_as_its_recipe_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of before, whose recipe did not know this, goes on reading anew: matrix products of other sizes round
    otherwise."""
    asked: list[int] = []

    class Enough(Exception):
        pass

    def noted(tokenizer: Any, tower: Any, captions: int) -> None:
        asked.append(captions)
        raise Enough

    monkeypatch.setattr(module, "listening", noted)
    recipe = small(**{
        "data.limit": "8", "data.styles": "noto", "clip.loop.pictures": "8", "clip.loop.batch": "8",
        "vae.loop.pictures": "8", "vae.loop.batch": "8",
    })  # fmt: skip
    out = tmp_path / "run"
    for _ in range(2):
        with pytest.raises(Enough):
            module.train(recipe, "starter", out)
        stored = json.loads((out / "run.json").read_text())
        stored["recipe"]["diffusion"].pop("remember", None)
        (out / "run.json").write_text(json.dumps(stored))
    assert asked[0] < sys.maxsize
    assert asked[1] == sys.maxsize
