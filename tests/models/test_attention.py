"""Attention gives a picture the same bits in company and alone, on one thread and on several."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fromnoise.models.layers.attention import attend


def tokens(batch: int, count: int, width: int, seed: int) -> Tensor:
    return torch.randn(batch, count, width, generator=torch.Generator().manual_seed(seed))


@pytest.mark.formats
@pytest.mark.parametrize(("queries", "keys"), [(64, 64), (64, 32), (16, 16), (16, 32)])
@pytest.mark.parametrize("batch", [2, 8])
def test_few_positions_round_alike_whoever_else_is_there(queries: int, keys: int, batch: int) -> None:
    """Only so may pictures share a network call: in float32, with the sizes of the default model."""
    heads, width = 3, 144
    q, k, v = tokens(batch, queries, width, 0), tokens(batch, keys, width, 1), tokens(batch, keys, width, 2)
    before = torch.get_num_threads()
    try:
        with torch.inference_mode():
            torch.set_num_threads(2)
            together = attend(q, k, v, heads)
            torch.set_num_threads(1)
            rows = ((x[i : i + 1].clone() for x in (q, k, v)) for i in range(batch))
            alone = torch.cat([attend(*row, heads) for row in rows])
    finally:
        torch.set_num_threads(before)
    assert torch.equal(together, alone)


@pytest.mark.parametrize(("queries", "keys", "causal"), [(64, 64, False), (16, 32, False), (32, 32, True)])
def test_it_is_softmax_of_products_whichever_way_is_taken(queries: int, keys: int, causal: bool) -> None:
    heads, width = 2, 32
    q, k, v = (tokens(3, n, width, i).double() for i, n in enumerate((queries, keys, keys)))
    per_head = [x.unflatten(-1, (heads, -1)).transpose(1, 2) for x in (q, k, v)]
    scores = per_head[0] @ per_head[1].transpose(-1, -2) / (width // heads) ** 0.5
    if causal:
        scores = scores.masked_fill(torch.ones(queries, keys, dtype=torch.bool).triu(1), -torch.inf)
    exact = (scores.softmax(-1) @ per_head[2]).transpose(1, 2).flatten(2)
    with torch.inference_mode():
        found = attend(q.float(), k.float(), v.float(), heads, causal)
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=2e-6)
