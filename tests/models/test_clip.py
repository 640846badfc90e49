"""CLIP's loss; its towers are compared with transformers in tests/weights/test_clip_layout.py."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from fromnoise.ground.errors import UserError
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


def test_wrong_captions_are_choices_of_pictures_and_no_pictures_are_theirs() -> None:
    image, text, wrong, scale = unit(6, 8), unit(6, 8, seed=1), unit(3, 8, seed=2), torch.tensor(1.5)
    logits = scale.exp() * image @ torch.cat([text, wrong]).T
    labels = torch.arange(6)
    expected = (F.cross_entropy(logits, labels) + F.cross_entropy(logits[:, :6].T, labels)) / 2
    torch.testing.assert_close(clip_loss(image, text, scale, torch.eye(6), wrong), expected)


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
    assert loss.item() == pytest.approx(math.log(2), abs=0.01)  # from about ln 4


def test_sharing_among_equal_captions_is_the_identity_in_value_and_gradient() -> None:
    """The identity's rows of equal captions average to the shared ones, because equal captions embed equally."""
    torch.manual_seed(0)
    clip = SMALL.build().double()
    pictures, captions = torch.randn(6, 3, 16, 16, dtype=torch.float64), torch.tensor([0, 0, 0, 1, 1, 2])
    ids = torch.tensor([[38, c + 1, 39, 39, 39, 39] for c in captions.tolist()])
    same = (captions[:, None] == captions[None, :]).double()
    found = []
    for targets in (same / same.sum(1, keepdim=True), torch.eye(6, dtype=torch.float64)):
        loss = clip_loss(clip.embed_image(pictures), clip.embed_text(ids), clip.logit_scale, targets)
        # The end token's weights and a few others get no gradient from captions of one word.
        found.append([loss, *torch.autograd.grad(loss, list(clip.parameters()), allow_unused=True)])
    for shared, identity in zip(*found, strict=True):
        torch.testing.assert_close(shared, identity, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("shared", [True, False])
def test_sharing_among_different_captions_pulls_them_together(shared: bool) -> None:
    torch.manual_seed(0)
    clip = SMALL.build()
    pictures = torch.randn(4, 3, 16, 16)
    ids = torch.tensor([[38, word, 39, 39, 39, 39] for word in (1, 2, 3, 4)])  # 1 and 2, 3 and 4 mean the same
    together = torch.tensor([[0.5, 0.5, 0, 0]] * 2 + [[0, 0, 0.5, 0.5]] * 2)
    targets = together if shared else torch.eye(4)
    optimizer = torch.optim.Adam(clip.parameters(), lr=3e-3)
    for _ in range(200):
        loss = clip_loss(clip.embed_image(pictures), clip.embed_text(ids), clip.logit_scale, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() == pytest.approx(math.log(2) if shared else 0, abs=0.01)
    text = clip.embed_text(ids)
    likeness = torch.stack([text[0] @ text[1], text[2] @ text[3]])
    assert bool((likeness > 0.95).all() if shared else (likeness < 0.7).all())


def test_the_least_loss_is_the_entropy_of_the_targets() -> None:
    targets = torch.softmax(2 * torch.eye(5), dim=1)  # symmetric, and so is its logarithm
    image, text = torch.eye(5), torch.eye(5)
    entropy = -(targets * targets.log()).sum(1).mean()
    at = {s: clip_loss(image, text, torch.tensor(math.log(s)), targets) for s in (1.5, 2.0, 2.5)}
    torch.testing.assert_close(at[2.0], entropy)  # where the softmax of the logits is the targets
    assert at[1.5] > entropy
    assert at[2.5] > entropy


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
