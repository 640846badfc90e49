"""Which style is a picture in? Judged by textures, colours and edges, not by what is shown.

Style lives in the statistics of early feature maps (Gatys et al. 2016, "Image style transfer using convolutional
neural networks", eq. 3: the Gram matrix). The maps are those of the judge's stem and first blocks, at the pictures' own
size; pooled features of its last layer tell styles apart hardly better than by guessing. Two sets drawn by different
hands can have the same flat textures, but not the same paint box or the same edges: so a histogram of colours and
histograms of differences between near pixels are looked at too (docs/evaluation.md has the figures of each).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fromnoise.evaluation.judge import network, normalised

BLOCKS = (0, 2)  # of EfficientNet-Lite0, besides its stem; 16 and 24 channels
LEVELS = 8  # of each channel in the histogram of colours
REACHES = (1, 2, 4)  # pixels between which differences are taken
BINS = (0, 0.5, 1.5, 2.5, 4.5, 8.5, 16.5, 32.5, 64.5, 128.5, 1000)  # of differences, in units of 1/255


def style_features(pictures: Tensor, batch: int = 64) -> Tensor:
    """Statistics of texture, colours and edges.

    Args:
        pictures: uint8 [N,3,H,W]; all sets that are compared must have one size.
        batch: pictures per pass.

    Returns:
        float32 [N,D]; of the Gram matrices the upper triangle, under a signed square root, since products of
        features spread over several orders of magnitude; so are shares of pixels.

    Raises:
        UserError: the judge's packages are missing.
    """
    with torch.inference_mode():
        parts = [torch.cat([textures(p), colours(p), edges(p)], 1) for p in pictures.split(batch)]
    return torch.cat(parts)


def textures(pictures: Tensor) -> Tensor:
    """Means and Gram matrices of the judge's first feature maps."""
    net = network()
    x = net._swish(net._bn0(net._conv_stem(normalised(pictures.float() / 255))))
    found = [*_mean_and_gram(x)]
    for i, block in enumerate(net._blocks[: max(BLOCKS) + 1]):
        x = block(x)
        if i in BLOCKS:
            found += _mean_and_gram(x)
    return torch.cat(found, 1)


def colours(pictures: Tensor) -> Tensor:
    """Square roots of the shares of 8×8×8 boxes of colours, [N,512]."""
    box = pictures.long() * LEVELS // 256
    code = (box[:, 0] * LEVELS + box[:, 1]) * LEVELS + box[:, 2]
    counts = torch.zeros(len(pictures), LEVELS**3).scatter_add_(1, code.flatten(1), torch.ones(code.flatten(1).shape))
    return (counts / code[0].numel()).sqrt()


def edges(pictures: Tensor) -> Tensor:
    """How pixels differ from those 1, 2 and 4 away and from the mean of both neighbours; and where the thing stands."""
    x = pictures.float()
    found = []
    for axis in (2, 3):
        found += [_shares(x.diff(dim=axis, n=2))]
        for reach in REACHES:
            length = x.shape[axis] - reach
            found += [_shares(x.narrow(axis, reach, length) - x.narrow(axis, 0, length))]
    thing = (pictures < 250).any(1).float()
    return torch.cat([*found, thing.mean(1), thing.mean(2), thing.mean((1, 2))[:, None]], 1)


def _shares(differences: Tensor) -> Tensor:
    """Square roots of the shares of the bins in the largest difference of the three channels."""
    size = differences.abs().amax(1).flatten(1)
    above = torch.stack([(size >= low).float().mean(1) for low in BINS], 1)
    return (above[:, :-1] - above[:, 1:]).sqrt()


def _mean_and_gram(maps: Tensor) -> tuple[Tensor, Tensor]:
    flat = maps.flatten(2)
    row, column = torch.triu_indices(maps.shape[1], maps.shape[1])
    gram = (flat @ flat.transpose(1, 2) / flat.shape[2])[:, row, column]
    return flat.mean(2), gram.sign() * gram.abs().sqrt()


class StyleJudge:
    """Tells styles apart by a logistic regression on standardised features.

    Args:
        features: of real pictures, [N,D].
        styles: the style of each, [N].
        names: the styles to tell apart.
        decay: strength of the penalty on the squares of the weights.
    """

    def __init__(self, features: Tensor, styles: list[str], names: tuple[str, ...], decay: float = 1e-3) -> None:
        self.names = names
        self._mean, self._std = features.mean(0), features.std(0).clamp(min=1e-4)
        self._weights, self._bias = _fitted(self._standard(features), self._places(styles), len(names), decay)

    def named(self, features: Tensor) -> Tensor:
        """The style that each picture is taken for, as its place in ``names``, int64 [N]."""
        return (self._standard(features) @ self._weights + self._bias).argmax(1)

    def sure(self, features: Tensor) -> Tensor:
        """How sure it is of the style that it names, [N]: that style's chance among all, 1/styles…1."""
        return (self._standard(features) @ self._weights + self._bias).softmax(1).amax(1)

    def right(self, features: Tensor, styles: list[str]) -> Tensor:
        """Whether each picture's style is recognised, bool [N]."""
        return self.named(features) == self._places(styles)

    def accuracy(self, features: Tensor, styles: list[str]) -> float:
        """Share of pictures whose style is recognised."""
        return float(self.right(features, styles).double().mean())

    def _places(self, styles: list[str]) -> Tensor:
        return torch.tensor([self.names.index(style) for style in styles])

    def _standard(self, features: Tensor) -> Tensor:
        return ((features - self._mean) / self._std).clamp(-8, 8)  # a colour never met must not decide alone


def _fitted(x: Tensor, wanted: Tensor, classes: int, decay: float) -> tuple[Tensor, Tensor]:
    """Weights [D,C] and bias [C] with the least cross-entropy, by L-BFGS from zero: the same every time."""
    weights = torch.zeros(x.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    solver = torch.optim.LBFGS([weights, bias], max_iter=60, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        solver.zero_grad()
        found = F.cross_entropy(x @ weights + bias, wanted) + decay * weights.square().sum()
        found.backward()
        return found

    with torch.enable_grad():
        solver.step(loss)
    return weights.detach(), bias.detach()
