"""A small network learns kinds of things from pixels alone, and is watched from before its first round.

Nobody tells it about yellow or round. At the beginning its weights are random and it guesses; in each round it sees all
of its pictures once, and moves its weights a little so that it is less wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fromnoise.inspection.kinds import Examples
from fromnoise.inspection.separating import Accuracy, accuracy

ROUNDS = 20
SMALL = 32  # pixels of side that the network sees
BATCH, RATE = 24, 4e-3
WIDTHS = (8, 16, 24)


@dataclass(frozen=True, eq=False)
class Round:
    """Where the machines are after one round.

    Attributes:
        number: 0 before they have learnt anything.
        loss: mean of -ln(probability given to the right kind), held-out pictures; ln(kinds) for fair guessing.
        accuracy: of held-out pictures.
        chances: probability of each kind for each picture, float32 [N,K], by the machine that has not seen it.
    """

    number: int
    loss: float
    accuracy: Accuracy
    chances: Tensor

    @property
    def guesses(self) -> Tensor:
        """What each picture is taken for, int64 [N]."""
        return self.chances.argmax(1)


def network(kinds: int) -> nn.Sequential:
    """Three layers of filters, each halving the picture, and one answer for each kind: about 7,000 weights."""
    layers: list[nn.Module] = []
    for before, after in zip((3, *WIDTHS), WIDTHS, strict=False):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.ReLU()]
    side = SMALL >> len(WIDTHS)
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(WIDTHS[-1] * side * side, kinds))


class _Learner:
    """One machine: it never sees the fold that it guesses."""

    def __init__(self, pixels: Tensor, label: Tensor, out: Tensor, kinds: int, rng: torch.Generator) -> None:
        self._pixels, self._label, self._rng, self._out = pixels, label, rng, out
        self._own = (~out).nonzero().flatten()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(torch.randint(2**31, (), generator=rng)))
            self._network = network(kinds)
        self._optimizer = torch.optim.Adam(self._network.parameters(), RATE)

    def learn(self) -> None:
        """See all pictures once."""
        order = self._own[torch.randperm(len(self._own), generator=self._rng)]
        with torch.enable_grad():
            for part in order.split(BATCH):
                loss = F.cross_entropy(self._network(self._pixels[part]), self._label[part])
                self._optimizer.zero_grad()
                loss.backward()
                self._optimizer.step()

    @torch.no_grad()
    def chances(self) -> Tensor:
        """Of the held-out pictures."""
        return self._network(self._pixels[self._out]).softmax(1)


def rounds(examples: Examples, seed: int = 0, count: int = ROUNDS) -> Iterator[Round]:
    """Train, and tell of every round; closing the generator ends it.

    Args:
        examples: what is learnt from and tested with.
        seed: of the random weights, and of the order in which pictures are seen.
        count: how many rounds.
    """
    kinds, label, fold = len(examples.drawings.kinds), examples.label, examples.fold
    pixels = F.adaptive_avg_pool2d(examples.images.float() / 127.5 - 1, SMALL)
    rng = torch.Generator().manual_seed(seed)
    outs = [fold == f for f in range(examples.folds)]
    learners = [_Learner(pixels, label, out, kinds, rng) for out in outs]
    for number in range(count + 1):
        chances = torch.empty(len(label), kinds)
        for learner, out in zip(learners, outs, strict=True):
            if number:
                learner.learn()
            chances[out] = learner.chances()
        right = chances.argmax(1) == label
        loss = F.nll_loss(chances.clamp_min(1e-9).log(), label)
        yield Round(number, float(loss), accuracy(right, examples.drawing), chances)
