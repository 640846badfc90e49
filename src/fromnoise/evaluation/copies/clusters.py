"""Which training pictures are nearly the same: they count as one."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from torch import Tensor

from fromnoise.data.record import Record
from fromnoise.data.splits import family
from fromnoise.evaluation.copies.describe import Views
from fromnoise.evaluation.copies.index import AT_ONCE, Index

# Two real pictures that are nearer than this in both spaces are one cluster. Looked at on the stickers: below it are
# the clock faces, globes, moons, a drop of blood in two sets; just above it begin other things of the same shape.
SAME_FEATURES, SAME_PIXELS = 0.6, 0.1


def clustered(index: Index, views: Views, records: list[Record]) -> Tensor:
    """The cluster of each picture of the index, int64 [N].

    Args:
        index: of the pictures; its own ``cluster`` is not looked at.
        views: of the same pictures.
        records: of the same pictures.
    """
    first: dict[tuple[str, str], int] = {}
    pairs = [(i, first.setdefault(_drawing(r, i), i)) for i, r in enumerate(records)]
    near = [(begin + int(a), int(b)) for begin, part in near_pairs(index, views) for a, b in part.tolist()]
    rows, columns = np.array(pairs + near, dtype=np.int64).reshape(-1, 2).T
    graph = coo_matrix((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(len(records), len(records)))
    return torch.from_numpy(connected_components(graph, directed=False)[1]).long()


def near_pairs(index: Index, views: Views) -> list[tuple[int, Tensor]]:
    """Pairs of a picture and a near-duplicate of it in the index: (number of the first, int64 [P,2]) block by block."""
    found = []
    for begin in range(0, len(views), AT_ONCE):
        by_features, by_pixels = index.distances(views[slice(begin, begin + AT_ONCE)])
        found.append((begin, ((by_features < SAME_FEATURES) & (by_pixels < SAME_PIXELS)).nonzero()))
    return found


def in_training(index: Index, views: Views, records: list[Record], trained: list[Record]) -> Tensor:
    """Which pictures have a near-duplicate among those of the index, bool [N]."""
    drawings = {_drawing(r, -1) for r in trained}
    same = [_drawing(r, -2) in drawings for r in records]
    found = torch.tensor(same, dtype=torch.bool)
    for begin, part in near_pairs(index, views):
        found[begin + part[:, 0]] = True
    return found


def _drawing(record: Record, number: int) -> tuple[str, str]:
    """What is equal for the styles of a family that share their drawings (the three Fluent sets); else unique."""
    own = family(record.style)
    return (record.key, own) if own != record.style and record.key else ("", str(number))
