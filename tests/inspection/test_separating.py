"""The nearest middle, recomputed by scikit-learn; intervals by scipy; chance where there is nothing to learn."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy.stats import binomtest
from torch import Tensor

from fromnoise.inspection.separating import accuracy, complete, held_out, learn, try_all

KINDS, MEASURES = 3, 5


def clouds(apart: float, drawings: int = 12, variants: int = 4, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Values [N,5] in very different units, label, fold and drawing; only columns 1 and 3 tell kinds apart."""
    rng = torch.Generator().manual_seed(seed)
    label = torch.arange(KINDS).repeat_interleave(drawings)
    middles = torch.zeros(KINDS, MEASURES)
    middles[:, 1], middles[:, 3] = torch.tensor([0.0, 1, 1]) * apart, torch.tensor([0.0, 0, 1]) * apart
    own = middles[label] + torch.randn(len(label), MEASURES, generator=rng)
    values = own.repeat_interleave(variants, 0)
    values += 0.05 * torch.randn(values.shape, generator=rng)
    values = values * torch.tensor([1.0, 300, 0.001, 5, 1e6]) + torch.tensor([7.0, -900, 0, 1, 1e7])
    drawing = torch.arange(len(label)).repeat_interleave(variants)
    return values, label[drawing], drawing % 4, drawing


def test_held_out_guesses_are_scikit_learns() -> None:
    neighbors = pytest.importorskip("sklearn.neighbors")
    pipeline, preprocessing = pytest.importorskip("sklearn.pipeline"), pytest.importorskip("sklearn.preprocessing")
    selection = pytest.importorskip("sklearn.model_selection")
    values, label, fold, _ = clouds(2.0)
    for columns in itertools.chain.from_iterable(itertools.combinations(range(MEASURES), n) for n in (1, 2, 3)):
        machine = pipeline.make_pipeline(preprocessing.StandardScaler(), neighbors.NearestCentroid())
        split = selection.PredefinedSplit(fold.numpy())
        theirs = selection.cross_val_predict(machine, values[:, columns].double().numpy(), label.numpy(), cv=split)
        assert held_out(values[:, columns], label, fold, KINDS).tolist() == theirs.tolist(), columns


def test_trying_all_gives_each_sets_own_guesses() -> None:
    values, label, fold, _ = clouds(2.0)
    for count in (1, 2, 3):
        tried = try_all(values, label, fold, KINDS, count)
        assert tried.sets == tuple(itertools.combinations(range(MEASURES), count))
        for i, members in enumerate(tried.sets):
            expected = held_out(values[:, list(members)], label, fold, KINDS)
            assert torch.equal(tried.guesses[:, i], expected)


def test_the_measures_that_tell_kinds_apart_are_found() -> None:
    values, label, fold, _ = clouds(6.0)
    pair = try_all(values, label, fold, KINDS, 2)
    assert pair.sets[pair.best] == (1, 3)
    assert torch.equal(pair.own, pair.guesses[:, pair.best])
    assert (pair.own == label).double().mean() > 0.95


def test_what_is_held_out_has_no_say_in_the_choice() -> None:
    values, label, fold, _ = clouds(0.0, drawings=20)
    tried = try_all(values, label, fold, KINDS, 2)
    for f in range(4):  # other values of what is held out: each machine still chooses the same set
        other = values.clone()
        other[fold == f] = other[fold == f][torch.randperm(int((fold == f).sum()))] * 3
        for c, members in enumerate(tried.sets):
            middles = learn(values[fold != f][:, list(members)], label[fold != f], KINDS)
            assert torch.equal(middles.guess(values[fold == f][:, list(members)]), tried.guesses[fold == f, c])
        again = try_all(other, label, fold, KINDS, 2)
        chosen = [c for c in range(len(tried.sets)) if torch.equal(tried.own[fold == f], tried.guesses[fold == f, c])]
        assert any(torch.equal(again.own[fold == f], again.guesses[fold == f, c]) for c in chosen)


def test_shuffled_labels_are_guessed_at_chance_and_a_leak_would_be_seen() -> None:
    right, leaked = [], []
    for seed in range(12):
        values, label, fold, drawing = clouds(0.0, drawings=24, seed=seed)
        tried = try_all(values, label, fold, KINDS, 3)
        right += [held_out(values, label, fold, KINDS) == label, tried.own == label]
        near = torch.cdist(*[((values - values.mean(0)) / values.std(0))] * 2)
        near.fill_diagonal_(9)
        leaked.append(label[near.argmin(1)] == label)  # what a machine may do that has seen another variant
        assert bool((drawing[near.argmin(1)] == drawing).all())
    assert float(torch.cat(right).double().mean()) == pytest.approx(1 / KINDS, abs=0.04)
    assert bool(torch.cat(leaked).all())


def test_measures_that_never_change_are_not_tried_and_do_no_harm() -> None:
    values, label, fold, _ = clouds(4.0)
    values[:, 0] = 3.0
    tried = try_all(values, label, fold, KINDS, 2)
    assert tried.sets == tuple(itertools.combinations([1, 2, 3, 4], 2))
    with_it, without = (held_out(values[:, columns], label, fold, KINDS) for columns in ([0, 1, 3], [1, 3]))
    assert torch.equal(with_it, without)
    assert len(try_all(values[:, [0, 1]], label, fold, KINDS, 2).sets) == 1


def test_areas_have_their_borders_half_way_between_the_middles() -> None:
    machine = learn(torch.tensor([[0.0], [2.0], [10.0], [12.0]]), torch.tensor([0, 0, 1, 1]), 2)
    assert machine.guess(torch.tensor([[5.9], [6.1]])).tolist() == [0, 1]
    assert (machine.points * machine.std + machine.mean).flatten().tolist() == [1, 11]


@pytest.mark.parametrize(("right", "n"), [(0, 5), (3, 7), (12, 12), (40, 90)])
def test_intervals_are_wilsons(right: int, n: int) -> None:
    hits = torch.arange(n) < right
    ours, theirs = accuracy(hits, torch.arange(n)), binomtest(right, n).proportion_ci(0.95, "wilson")
    assert (ours.share, ours.low, ours.high) == pytest.approx((right / n, theirs.low, theirs.high), abs=1e-6)


def test_variants_are_no_new_evidence() -> None:
    hits = torch.tensor([True, True, False, True])
    one = accuracy(hits, torch.arange(4))
    many = accuracy(hits.repeat_interleave(50), torch.arange(4).repeat_interleave(50))
    assert (many.low, many.high, many.share) == pytest.approx((one.low, one.high, one.share))
    assert (many.pictures, many.drawings) == (200, 4)
    assert str(many) == "75%"
    assert many.interval == "30% to 95%"


def test_axes_are_filled_up_from_the_best_sets() -> None:
    values, label, fold, _ = clouds(6.0)
    tried = [try_all(values, label, fold, KINDS, n) for n in (1, 2, 3)]
    assert complete(tried, [4], 3) == (4, tried[0].best, 4 - tried[0].best)  # 1 and 3 in either order
    assert complete(tried, [0, 2, 4], 3) == (0, 2, 4)
    assert np.array_equal(sorted(complete(tried, [], 2)), [1, 3])
