"""CLIP's loss; its towers are compared with transformers in tests/weights/test_clip_layout.py."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from fromnoise.errors import UserError
from fromnoise.models.clip.clip import CLIPConfig, clip_loss
from fromnoise.models.clip.image_tower import ImageConfig
from fromnoise.models.clip.text_tower import TextConfig

SMALL = CLIPConfig(
    TextConfig(vocab_size=40, width=32, layers=1, heads=2, context=6, eos_token_id=39),
    ImageConfig(pixels=16, patch=8, width=32, layers=1, heads=2),
    projection=16,
)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_with_distinct_captions_it_is_the_papers_cross_entropy() -> None:
    image, text, scale = unit(6, 8), unit(6, 8, seed=1), torch.tensor(1.5)
    logits = scale.exp() * image @ text.T
    labels = torch.arange(6)
    expected = (F.cross_entropy(logits, labels) + F.cross_entropy(logits.T, labels)) / 2
    torch.testing.assert_close(clip_loss(image, text, scale, torch.eye(6)), expected)


def test_a_value_worked_out_by_hand() -> None:
    # Two equal captions and one other; perfect embeddings at inverse temperature 1: each row's softmax is known.
    e = torch.eye(2)
    image = text = e[[0, 0, 1]]
    targets = torch.tensor([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]])
    same = -math.log(math.e / (2 * math.e + 1))  # cross-entropy of a row of the pair
    other = -math.log(math.e / (math.e + 2))
    torch.testing.assert_close(clip_loss(image, text, torch.tensor(0.0), targets), torch.tensor((2 * same + other) / 3))


def test_the_scale_is_clamped_at_one_hundred() -> None:
    image, text = unit(4, 8), unit(4, 8, seed=1)
    at = [clip_loss(image, text, torch.tensor(s), torch.eye(4)) for s in (math.log(100.0), 50.0)]
    torch.testing.assert_close(at[0], at[1])


def test_repeated_captions_are_learnt_to_the_entropy_of_the_targets() -> None:
    torch.manual_seed(0)
    clip = SMALL.build()
    pictures = torch.randn(4, 3, 16, 16)
    ids = torch.tensor([[38, 1, 2, 39, 39, 39]] * 2 + [[38, 3, 39, 39, 39, 39]] * 2)
    targets = torch.tensor([[0.5, 0.5, 0, 0]] * 2 + [[0, 0, 0.5, 0.5]] * 2)
    optimizer = torch.optim.Adam(clip.parameters(), lr=3e-3)
    for _ in range(80):
        loss = clip_loss(clip.embed_image(pictures), clip.embed_text(ids), clip.logit_scale, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    # The least possible loss is ln 2. With CLIP's own identity targets the same embeddings would cost at least ln 2
    # too, but for four distinct answers asked of two captions; here nothing is left over.
    assert loss.item() == pytest.approx(math.log(2), abs=0.01)
    assert loss.item() < math.log(4) / 1.9


def test_embeddings_are_unit_vectors_and_text_ignores_what_follows_its_end() -> None:
    clip = SMALL.build()
    a = torch.tensor([[38, 1, 2, 39, 39, 39]])
    b = torch.tensor([[38, 1, 2, 39, 7, 8]])
    assert torch.equal(clip.embed_text(a), clip.embed_text(b))  # pooled at the first end token, masked causally
    assert not torch.equal(clip.embed_text(a), clip.embed_text(torch.tensor([[38, 2, 1, 39, 39, 39]])))
    torch.testing.assert_close(clip.embed_image(torch.randn(3, 3, 16, 16)).norm(dim=1), torch.ones(3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TextConfig(width=30, heads=4), "do not divide"),
        (lambda: ImageConfig(pixels=30, patch=8), "do not divide"),
        (lambda: TextConfig(activation="relu").build(), "quick_gelu"),
    ],
)
def test_impossible_sizes_are_refused(make: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make()  # type: ignore[operator]
