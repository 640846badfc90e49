"""The perceptual loss: nothing for equal pictures, more for a blur than for a shift of brightness of the same size."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from fromnoise.data.pictures import load_folder
from fromnoise.ground.pictures import from_bytes
from fromnoise.models import perception
from fromnoise.models.perception import network, perceptual_loss


def test_it_sees_lost_edges_where_pixels_see_little() -> None:
    pictures = from_bytes(load_folder("starter", 64, styles=["noto"]).images[:8])
    blurred = F.avg_pool2d(F.pad(pictures, (2, 2, 2, 2), mode="replicate"), 5, 1)
    shift = (blurred - pictures).abs().mean()
    brighter = pictures - shift
    assert perceptual_loss(network(), pictures, pictures) == 0
    assert perceptual_loss(network(), blurred, pictures) > 2 * perceptual_loss(network(), brighter, pictures)


def test_every_map_counts_on_its_own_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    """Off by half of the first map, by a quarter of the second, which is a thousand times larger, and by none."""
    monkeypatch.setattr(perception, "early_maps", lambda net, x: [0.01 * x[0], 10 * x[1], x[2]])
    wanted, drawn = torch.tensor([-2.0, 4.0, 0.0]), torch.tensor([-1.0, 5.0, 0.0])
    assert float(perceptual_loss(None, drawn, wanted)) == pytest.approx((0.5 + 0.25 + 0) / 3)


def test_its_gradient_reaches_what_is_drawn_and_nothing_else() -> None:
    wanted = from_bytes(load_folder("starter", 64, styles=["noto"]).images[:2])
    drawn = (wanted * 0.5).requires_grad_()
    perceptual_loss(network(), drawn, wanted).backward()
    assert drawn.grad is not None
    assert drawn.grad.abs().sum() > 0
    assert all(p.grad is None for p in network().parameters())
