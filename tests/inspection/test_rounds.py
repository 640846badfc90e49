"""The network: at chance before it has learnt, above it afterwards, the same every time, and never told what it is
asked."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from fromnoise.inspection.kinds import examples
from fromnoise.inspection.rounds import rounds
from planted_kinds import planted


def test_it_starts_at_chance_and_learns() -> None:
    told = examples(planted(6))
    before = [next(rounds(told, seed)) for seed in range(24)]
    assert sum(each.accuracy.share for each in before) / 24 == pytest.approx(1 / 3, abs=0.06)
    assert sum(each.loss for each in before) / 24 == pytest.approx(math.log(3), abs=0.05)
    shown = list(rounds(examples(planted(9)), seed=0, count=12))
    assert [each.number for each in shown] == list(range(13))
    assert shown[-1].accuracy.low > 1 / 3  # above chance beyond doubt
    assert shown[-1].accuracy.share > 0.75


def test_rounds_are_the_same_every_time_whatever_else_draws_numbers() -> None:
    told = examples(planted(4))
    torch.manual_seed(1)
    first = list(rounds(told, 3, 2))
    state = torch.random.get_rng_state()
    assert torch.equal(torch.manual_seed(1).get_state(), state)  # it takes nothing from anybody's numbers
    torch.manual_seed(99)
    for a, b in zip(first, rounds(told, 3, 2), strict=True):
        assert torch.equal(a.chances, b.chances)
    assert not torch.equal(first[0].chances, next(rounds(told, 4)).chances)
    sums = first[2].chances.sum(1)
    assert torch.allclose(sums, torch.ones_like(sums))


def test_no_machine_learns_from_what_it_guesses() -> None:
    told = examples(planted(6))
    fooled = dataclasses.replace(told, label=torch.where(told.fold == 1, (told.label + 1) % 3, told.label))
    out = told.fold == 1
    for a, b in zip(rounds(told, 0, 2), rounds(fooled, 0, 2), strict=True):
        assert torch.equal(a.chances[out], b.chances[out])  # other labels of its held-out pictures change nothing
    assert not torch.equal(a.chances[~out], b.chances[~out])  # the others learn from them


def test_with_shuffled_labels_it_stays_at_chance() -> None:
    told = examples(planted(8))
    share = []
    for seed in range(4):
        rng = torch.Generator().manual_seed(seed)
        of_drawing = torch.arange(24)[torch.randperm(24, generator=rng)] % 3
        mixed = dataclasses.replace(told, label=of_drawing[told.source])
        share.append(list(rounds(mixed, seed, 8))[-1].accuracy.share)
    assert sum(share) / 4 == pytest.approx(1 / 3, abs=0.14)


def test_closing_ends_it_and_gradients_are_left_as_they_were() -> None:
    told = examples(planted(3))
    with torch.no_grad():
        stream = rounds(told)
        assert [next(stream).number, next(stream).number] == [0, 1]
        assert not torch.is_grad_enabled()
        stream.close()
        assert list(stream) == []
