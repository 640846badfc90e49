"""Retrieval on made-up features whose answer is known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from scipy.stats import binom

from fromnoise.data.record import Record
from fromnoise.evaluation.retrieval import (
    Gallery,
    Question,
    choose_questions,
    held_out_questions,
    rank,
    score,
    share_of_the_way,
)
from fromnoise.ground.errors import UserError

STYLES = ("noto", "twemoji", "fluent-emoji-3d")


def world(concepts: int, dimensions: int = 64, seed: int = 0) -> tuple[list[Record], torch.Tensor, torch.Tensor]:
    """Records of every concept in every style, and features = concept + a little of the style."""
    rng = torch.Generator().manual_seed(seed)
    meaning = torch.randn(concepts, dimensions, generator=rng)
    look = 0.6 * torch.randn(len(STYLES), dimensions, generator=rng)
    records = [Record("", f"thing {c}", style=s, key=f"k{c}") for c in range(concepts) for s in STYLES]
    features = torch.stack([meaning[c] + look[i] for c in range(concepts) for i in range(len(STYLES))])
    return records, features, meaning


def test_real_pictures_find_their_caption_and_noise_finds_it_once_in_a_hundred() -> None:
    records, features, _ = world(100)
    keys, questions = choose_questions(records, STYLES, 100, seed=0)
    gallery = Gallery(keys, records, features)
    real = score(gallery.ranks(features[[q.real for q in questions]], questions))
    assert real.top1 == 1.0
    noise = torch.randn(len(questions), 64, generator=torch.Generator().manual_seed(9))
    floor = score(gallery.ranks(noise, questions))
    assert floor.top1 == pytest.approx(0.01, abs=0.025)
    assert floor.top5 == pytest.approx(0.05, abs=0.05)


def test_the_gallery_never_holds_the_family_that_was_asked_for() -> None:
    # Concepts look different in every family, except that a and b swap places between noto and the others: the
    # picture of a in noto is nearest to b elsewhere. Only a gallery that cheats would find it.
    a, b = torch.eye(2)
    records = [Record("", k, style=s, key=k) for k in "ab" for s in ("noto", "twemoji")]
    gallery = Gallery(["a", "b"], records, torch.stack([a, b, b, a]))
    question = [Question(0, "a", "noto", 0)]
    assert gallery.ranks(a[None], question).tolist() == [1]


def test_fluent_flat_is_no_evidence_for_fluent_3d() -> None:
    records = [Record("", k, style=s, key=k) for k in "ab" for s in ("fluent-emoji-flat", "fluent-emoji-3d")]
    gallery = Gallery(["a", "b"], records, torch.randn(4, 8))
    with pytest.raises(UserError, match="outside the family"):
        gallery.without("fluent-emoji-3d")


def test_ties_count_against_the_picture() -> None:
    assert rank(torch.tensor([0.5, 0.5, 0.1]), 0) == 1
    assert rank(torch.tensor([0.9, 0.5, 0.1]), 0) == 0
    assert rank(torch.tensor([0.9, 0.5, 0.1]), 2) == 2


def test_the_interval_of_top_1_is_that_of_a_proportion() -> None:
    ranks = torch.tensor([0] * 120 + [1] * 90 + [4] * 90 + [5] * 100)
    found = score(ranks)
    assert (found.top1, found.top5, found.n) == (0.3, 0.75, 400)
    drawn_again = binom(400, 0.3)  # hits among 400 draws with replacement; 5 hits are a fifth of the half width
    assert 400 * found.low == pytest.approx(drawn_again.ppf(0.025), abs=2.5)
    assert 400 * found.high == pytest.approx(drawn_again.ppf(0.975), abs=2.5)


def test_questions_are_asked_in_every_style_and_follow_the_seed() -> None:
    records, _, _ = world(30)
    keys, questions = choose_questions(records, STYLES, 10, seed=1)
    assert len(set(keys)) == 10
    assert len(questions) == 30
    assert all(records[q.real].key == keys[q.concept] and records[q.real].style == q.style for q in questions)
    assert choose_questions(records, STYLES, 10, seed=1) == (keys, questions)
    assert choose_questions(records, STYLES, 10, seed=2)[0] != keys
    with pytest.raises(UserError, match="it has 30"):
        choose_questions(records, STYLES, 31, seed=0)


def test_concepts_with_a_held_out_style_are_not_asked_about() -> None:
    records, _, _ = world(5)
    records[0] = Record("", "thing 0", style="noto", key="k0", split="test_pair")
    keys, _ = choose_questions(records, STYLES, 4, seed=0)
    assert "k0" not in keys


def test_held_out_pairs_are_all_asked_for_among_their_concepts_only() -> None:
    records, _, _ = world(6)
    for i in (0, 4, 5):  # thing 0 in noto, thing 1 in twemoji and fluent
        records[i] = replace(records[i], split="test_pair")
    keys, questions = held_out_questions(records, STYLES, 100, seed=0)
    assert sorted(keys) == ["k0", "k1"]
    assert sorted((keys[q.concept], q.style, q.real) for q in questions) == [
        ("k0", "noto", 0),
        ("k1", "fluent-emoji-3d", 5),
        ("k1", "twemoji", 4),
    ]
    keys, questions = held_out_questions(records, ("noto",), 100, seed=0)
    assert (keys, [q.real for q in questions]) == (["k0"], [0])
    assert len(held_out_questions(records, STYLES, 1, seed=0)[0]) == 1
    assert held_out_questions(world(3)[0], STYLES, 100, seed=0) == ([], [])


def test_share_of_the_way() -> None:
    assert share_of_the_way(0.2, 0.1, 0.5) == pytest.approx(0.25)
    assert share_of_the_way(0.7, 0.1, 0.5) == pytest.approx(1.5)
    assert math.isnan(share_of_the_way(0.2, 0.5, 0.5))


def test_the_judge_does_not_depend_on_the_batch() -> None:
    pytest.importorskip("efficientnet_lite_pytorch")
    from fromnoise.evaluation.judge import features

    pictures = torch.randint(0, 256, (3, 3, 64, 64), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    together, alone = features(pictures), torch.cat([features(p[None]) for p in pictures])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-4)
    assert together.shape == (3, 1280)
    assert (together[0] - together[1]).norm() > 100 * (together - alone).norm()
