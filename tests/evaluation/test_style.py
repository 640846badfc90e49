"""Styles are told apart by texture: made-up textures whose answer is known, and the starter pictures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fromnoise.data.pictures import load_folder
from fromnoise.evaluation.style import StyleJudge, style_features

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
