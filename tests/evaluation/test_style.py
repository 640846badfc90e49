"""Styles are told apart by texture: made-up textures whose answer is known, and the starter pictures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fromnoise.data.pictures import load_folder
from fromnoise.evaluation.damage import damaged
from fromnoise.evaluation.style import StyleJudge, colours, edges, style_features

pytest.importorskip("efficientnet_lite_pytorch")


def textures(n: int, seed: int) -> tuple[Tensor, list[str]]:
    """Blobs of random place, size and colour, plain or with fine stripes."""
    rng = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    pictures, styles = [], []
    for i in range(n):
        cx, cy, radius = (torch.rand(3, generator=rng) * torch.tensor([40.0, 40.0, 14.0])) + 12
        inside = ((x - cx) ** 2 + (y - cy) ** 2 < radius**2).float()
        striped = i % 2
        shade = 1 - 0.3 * ((x + y) % 4 < 2).float() * striped
        colour = torch.rand(3, 1, 1, generator=rng)
        pictures.append(255 * (1 - inside + inside * colour * shade))
        styles.append("striped" if striped else "plain")
    return torch.stack(pictures).clamp(0, 255).to(torch.uint8), styles


def test_texture_is_recognised_whatever_the_shape_and_colour() -> None:
    known, names = textures(120, 0)
    fresh, wanted = textures(60, 1)
    judge = StyleJudge(style_features(known), names, ("plain", "striped"))
    assert judge.accuracy(style_features(fresh), wanted) > 0.9
    assert judge.accuracy(style_features(fresh), wanted[1:] + wanted[:1]) < 0.1


@pytest.mark.parametrize("decay", [1e-2, 0.2])
def test_the_judge_is_the_penalised_regression(decay: float) -> None:
    """At the least loss the slope of the cross-entropy is that of the penalty, with the other sign."""
    rng = torch.Generator().manual_seed(0)
    features, places = torch.randn(90, 5, generator=rng), torch.arange(90) % 3
    features[:, 0] += places
    judge = StyleJudge(features, ["abc"[i] for i in places.tolist()], ("a", "b", "c"), decay)
    weights, bias = (x.clone().requires_grad_() for x in (judge._weights, judge._bias))
    standard = (features - features.mean(0)) / features.std(0)
    torch.nn.functional.cross_entropy(standard @ weights + bias, places).backward()
    torch.testing.assert_close(weights.grad, -2 * decay * judge._weights, atol=5e-4, rtol=0.02)
    torch.testing.assert_close(bias.grad, torch.zeros(3), atol=5e-4, rtol=0)
    assert judge._weights.norm() > 0.05


def test_real_styles_of_other_concepts_are_recognised() -> None:
    pictures = load_folder("starter", 64)
    names = tuple(sorted({r.style for r in pictures.records}))
    keys = sorted({r.key for r in pictures.records})
    known = set(keys[::2])
    split = [[i for i, r in enumerate(pictures.records) if (r.key in known) == side] for side in (True, False)]
    features, styles = style_features(pictures.images), [r.style for r in pictures.records]
    judge = StyleJudge(features[split[0]], [styles[i] for i in split[0]], names)
    found = judge.accuracy(features[split[1]], [styles[i] for i in split[1]])
    assert found > 0.6, found  # of four styles, two of them by the same hand, learnt from 240 pictures


def test_features_do_not_depend_on_the_batch() -> None:
    pictures, _ = textures(5, 2)
    torch.testing.assert_close(style_features(pictures, 5), style_features(pictures, 2), rtol=1e-3, atol=1e-3)


def test_colours_are_shares_of_boxes() -> None:
    picture = torch.full((1, 3, 8, 8), 255, dtype=torch.uint8)
    picture[0, :, :2] = torch.tensor([0, 31, 32], dtype=torch.uint8)[:, None, None]  # a quarter; boxes 0, 0 and 1
    found = colours(picture)[0]
    assert found.nonzero().flatten().tolist() == [1, 511]
    assert found[[1, 511]].tolist() == pytest.approx([0.25**0.5, 0.75**0.5])


def test_edges_tell_flat_from_shaded() -> None:
    flat = torch.full((1, 3, 16, 16), 100, dtype=torch.uint8)
    ramp = flat + 4 * torch.arange(16, dtype=torch.uint8)[:, None]  # 4 from row to row
    first = edges(flat)[0, :40], edges(ramp)[0, :40]  # down the rows: second differences, then 1, 2 and 4 pixels away
    assert first[0].nonzero().flatten().tolist() == [0, 10, 20, 30]
    assert first[1].nonzero().flatten().tolist() == [0, 13, 24, 35]  # 0, then 4, 8 and 16


def test_damage_is_the_same_every_time_of_every_kind_and_small() -> None:
    pictures, _ = textures(40, 3)
    found = damaged(pictures, range(40))
    assert torch.equal(found, damaged(pictures, range(40)))
    assert torch.equal(found[7], damaged(pictures[7:8], [7])[0])
    off = (found.float() - pictures.float()).abs().mean((1, 2, 3))
    assert off.min() > 0
    assert off.max() < 20
    white = damaged(torch.full((40, 3, 64, 64), 255, dtype=torch.uint8), range(40))
    changed = (white != 255).flatten(1).any(1).float().mean()
    assert 0.1 < changed <= 0.4  # by noise alone, one of the four ways


def test_a_judge_that_saw_damage_sees_past_it() -> None:
    known, names = textures(120, 0)
    fresh, wanted = textures(60, 1)
    hurt = style_features(damaged(fresh, range(60)))
    both = torch.cat([style_features(known), style_features(damaged(known, range(500, 620)))])
    naive = StyleJudge(style_features(known), names, ("plain", "striped")).accuracy(hurt, wanted)
    taught = StyleJudge(both, names * 2, ("plain", "striped"))
    assert taught.accuracy(hurt, wanted) > max(0.85, naive - 0.02)
    assert taught.accuracy(style_features(fresh), wanted) > 0.9
