"""A tiny story model that has learnt nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fromnoise.models.words.denoiser import WordDenoiserConfig
from fromnoise.words.story import StoryModel
from fromnoise.words.vocabulary import Vocabulary, words_of

LINES = [
    "a stubborn detective must find the missing diamond in France",
    "a shy princess finds a talking crow in the castle",
    "gold stolen in France causes police investigation",
    "two brothers open a bakery, but nobody comes",
]


def make_tiny_story() -> StoryModel:
    words = [words_of(line) for line in LINES]
    vocabulary = Vocabulary.collect(words, [], 200, ["mystery", "fairy_tale"], ["France", "castle"])
    torch.manual_seed(0)
    config = WordDenoiserConfig(len(vocabulary), vocabulary.labels, 16, 24, 32, 2, 2)
    network = config.build().eval().requires_grad_(False)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.25)
    counts = torch.bincount(torch.tensor([i for w in words for i in vocabulary.ids(w)]), minlength=len(vocabulary))
    lengths = {"": [0] * 17, "mystery": [0] * 17}
    lengths[""][8] = lengths["mystery"][10] = 1
    return StoryModel(vocabulary, network, counts.float(), lengths, {"name": "tiny"})


@pytest.fixture(scope="session")
def tiny_story() -> StoryModel:
    return make_tiny_story()


@pytest.fixture(scope="session")
def tiny_story_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story") / "tiny"
    make_tiny_story().save(folder)
    return folder
