"""The story game's network: which place answers for which word, and what it is told."""

from __future__ import annotations

import pytest
import torch

from fromnoise.ground.errors import UserError
from fromnoise.models.story.denoiser import WordDenoiser, WordDenoiserConfig

CONFIG = WordDenoiserConfig(30, 7, 16, 24, 32, 2, 4)
IDS, T, LABELS = torch.arange(3, 15).reshape(2, 6), torch.tensor([10, 900]), torch.tensor([[1, 2], [3, 4]])


@pytest.fixture
def network() -> WordDenoiser:
    torch.manual_seed(0)
    return CONFIG.build().eval().requires_grad_(False)


def test_each_place_answers_for_the_word_that_stands_there(network: WordDenoiser) -> None:
    """Without attention (its output is 0) nothing goes from one place to another."""
    for block in network.blocks:
        block.attention.out.weight.zero_()
        block.attention.out.bias.zero_()
    before = network.features(IDS, T, LABELS)
    for place in range(6):
        changed = IDS.clone()
        changed[:, place] += 1
        differs = (network.features(changed, T, LABELS) != before).any(-1)
        assert differs.tolist() == [[i == place for i in range(6)]] * 2


def test_every_word_label_and_level_reaches_every_place(network: WordDenoiser) -> None:
    before = network.features(IDS, T, LABELS)
    for i in range(6):
        changed = IDS.clone()
        changed[:, i] += 1
        assert (network.features(changed, T, LABELS) != before).any(-1).all()
    for i in range(2):
        labels = LABELS.clone()
        labels[:, i] += 1
        assert (network.features(IDS, T, labels) != before).any(-1).all()
    assert (network.features(IDS, T + 1, LABELS) != before).any(-1).all()


def test_answers_are_compared_with_the_embeddings_of_all_words(network: WordDenoiser) -> None:
    network.word_bias.copy_(torch.arange(30.0))
    logits = network.logits(network.word.weight[[5, 9]])
    own = network.word.weight
    torch.testing.assert_close(logits, torch.stack([own @ own[5], own @ own[9]]) + torch.arange(30.0))
    assert torch.equal(network(IDS, T, LABELS), network.logits(network.features(IDS, T, LABELS)))


def test_heads_must_divide_the_width() -> None:
    with pytest.raises(UserError, match="3 heads do not divide a width of 32"):
        WordDenoiserConfig(30, 7, 16, 24, 32, 2, 3)
